"""Layers whose every value comes from a window: Convolution, Deconvolution, Im2col, Pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from caffe_fcn.net.geometry import INT_MAX, CoordMap, Window, dims, pool_sizes
from caffe_fcn.net.layer_types.row import ANY, LAYER_TYPES, Kind, LayerType, Outputs, Rule, weight_and_bias
from caffe_fcn.net.layer_types.site import Shape, Site, image_axis
from caffe_fcn.proto.copying import copy_message

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def windows(layer: LayerParameter) -> tuple[Window, ...]:
    """The windows of a Convolution, Deconvolution or Im2col, one for all axes or one per axis."""
    param = layer.convolution_param
    columns = {
        "kernel": _per_axis(layer, param, "kernel_size", "kernel_h", "kernel_w", None),
        "stride": _per_axis(layer, param, "stride", "stride_h", "stride_w", 1),
        "pad": _per_axis(layer, param, "pad", "pad_h", "pad_w", 0),
        "dilation": list(param.dilation) or _holes(param),
    }
    axes = max(map(len, columns.values()))
    for name, column in columns.items():
        if len(column) not in (1, axes):
            _fail(layer, f"{name} has {len(column)} values for {axes} axes", "give one, or one per axis")
    rows = zip(*(column * axes if len(column) == 1 else column for column in columns.values()), strict=True)
    return tuple(_check_window(layer, Window(*row)) for row in rows)


def _holes(param: Any) -> list[int]:
    """DeepLab v1's spelling of the dilation."""
    if param.HasField("hole_h") or param.HasField("hole_w"):
        return [param.hole_h, param.hole_w]
    return [param.hole]


def pooling_windows(layer: LayerParameter) -> tuple[Window, ...]:
    """The windows of a Pooling layer; none where it is global."""
    param = layer.pooling_param
    if param.global_pooling:
        return ()
    kernel, stride, pad = (
        _pair(layer, param, *names, default)
        for names, default in (
            (("kernel_size", "kernel_h", "kernel_w"), None),
            (("stride", "stride_h", "stride_w"), 1),
            (("pad", "pad_h", "pad_w"), 0),
        )
    )
    dilation = Site(layer).numbers("pooling_param", "dilation", int) or [1]  # of the fork opencl
    dilation = dilation * 2 if len(dilation) == 1 else dilation
    result = tuple(_check_window(layer, Window(*row)) for row in zip(kernel, stride, pad, dilation, strict=True))
    for window in result:
        if window.pad >= window.kernel:
            _fail(layer, f"pad {window.pad} is not smaller than kernel {window.kernel}", "Caffe refuses that")
    return result


def _per_axis(layer: LayerParameter, param: Any, size: str, h: str, w: str, default: int | None) -> list[int]:
    values = list(getattr(param, size))
    if param.HasField(h) or param.HasField(w):
        if values:
            _fail(layer, f"has {size} and {h}/{w}", "keep one of them")
        return [getattr(param, h), getattr(param, w)]
    if not values and default is None:
        _fail(layer, f"has no {size}", f"set {size}, or {h} and {w}")
    return values or [default or 0]


def _pair(layer: LayerParameter, param: Any, size: str, h: str, w: str, default: int | None) -> list[int]:
    both = [getattr(param, h), getattr(param, w)] if param.HasField(h) or param.HasField(w) else None
    if both and param.HasField(size):
        _fail(layer, f"has {size} and {h}/{w}", "keep one of them")
    if not both and default is None and not param.HasField(size):
        _fail(layer, f"has no {size}", f"set {size}, or {h} and {w}")
    return both or [getattr(param, size) if param.HasField(size) else default or 0] * 2


def _check_window(layer: LayerParameter, window: Window) -> Window:
    for name in ("kernel", "stride", "dilation"):
        if getattr(window, name) < 1:
            _fail(layer, f"{name} is {getattr(window, name)}", "it must be at least 1")
    for name, reach in (
        ("stride", window.stride),
        ("kernel with its dilation", window.extent),
        ("pad of both sides", 2 * window.pad),
    ):
        if reach > INT_MAX:
            _fail(layer, f"{name}, {reach} in all, is too large", f"Caffe's integers end at {INT_MAX}")
    return window


def _fail(layer: LayerParameter, what: str, mend: str = "") -> NoReturn:
    Site(layer).fail(what, mend)


def _pair_sizes(site: Site, axis: int) -> list[tuple[int, Window]]:
    """The spatial sizes of the first bottom, each with its window."""
    sizes = site.shapes[0][axis:]
    given = windows(site.layer)
    if len(given) not in (1, len(sizes)):
        site.fail(f"has windows for {len(given)} axes, {site.blob()} has {len(sizes)}", "give one per spatial axis")
    return list(zip(sizes, given * len(sizes) if len(given) == 1 else given, strict=True))


def _channel_axis(site: Site) -> int:
    axis = site.axis(site.param.axis)
    for index, shape in enumerate(site.shapes):
        if shape != site.shapes[0]:
            site.fail(f"{site.blob(index)} and {site.blob()} differ", "all bottoms need one shape")
    return axis


def _convolution_tops(site: Site) -> list[Shape]:
    axis = _channel_axis(site)
    sizes = []
    for size, window in _pair_sizes(site, axis + 1):
        if size + 2 * window.pad < window.extent:
            site.fail(
                f"kernel {window.extent} is larger than its input {site.blob()} with pad {window.pad}",
                "use a larger input, a smaller kernel or more padding",
            )
        sizes.append(window.size_after_convolution(size))
    return [(*site.shapes[0][:axis], site.param.num_output, *sizes)] * len(site.layer.top)


def _deconvolution_tops(site: Site) -> list[Shape]:
    axis = _channel_axis(site)
    sizes = [window.size_after_deconvolution(size) for size, window in _pair_sizes(site, axis + 1)]
    if min(sizes, default=1) < 1:
        site.fail(f"its padding leaves nothing of {site.blob()}", "use less padding")
    return [(*site.shapes[0][:axis], site.param.num_output, *sizes)] * len(site.layer.top)


def _kernels(first: Callable[[int, int, int], tuple[int, int]]) -> Rule:
    def rule(site: Site) -> list[Shape]:
        param, axis = site.param, _channel_axis(site)
        channels, outputs, group = site.shapes[0][axis], param.num_output, param.group
        if outputs < 1:
            site.fail("has no num_output", "set how many channels it makes")
        if group < 1 or channels % group or outputs % group:
            site.fail(
                f"group {group} does not divide the {channels} channels of {site.blob()} and num_output {outputs}",
                "both must be multiples of group",
            )
        weights = (*first(channels, outputs, group), *(window.kernel for _, window in _pair_sizes(site, axis + 1)))
        return [weights, (outputs,)] if param.bias_term else [weights]

    return rule


def _depthwise(rule: Rule) -> Rule:
    """A convolution of each channel alone: the group, where it is not set, is the number of channels.

    ConvolutionDepthwise reads neither group nor num_output (conv_dw_layer.cpp).
    """

    def depthwise(site: Site) -> list[Shape]:
        is_literal = site.layer.type == "DepthwiseConvolution"
        if is_literal and site.layer.convolution_param.HasField("group"):
            return rule(site)
        layer = copy_message(site.layer)
        param, channels = layer.convolution_param, site.shapes[0][site.axis(site.param.axis)]
        param.group = channels
        param.num_output = param.num_output if is_literal else channels
        return rule(replace(site, layer=layer))

    return depthwise


def _convolution_macs(site: Site, tops: list[Shape]) -> int:
    weights = math.prod(LAYER_TYPES[site.layer.type].params(site)[0][1:])
    return sum(map(math.prod, tops)) * weights


def _deconvolution_macs(site: Site, tops: list[Shape]) -> int:
    weights = math.prod(_deconvolution_params(site)[0][1:])
    return sum(map(math.prod, site.shapes)) * weights


_convolution_params = _kernels(lambda channels, outputs, group: (outputs, channels // group))
_deconvolution_params = _kernels(lambda channels, outputs, group: (channels, outputs // group))


def _convolution_coords(layer: LayerParameter) -> CoordMap | None:
    return CoordMap(image_axis(layer.convolution_param.axis) + 1, tuple(window.down() for window in windows(layer)))


def _deconvolution_coords(layer: LayerParameter) -> CoordMap | None:
    return CoordMap(image_axis(layer.convolution_param.axis) + 1, tuple(window.up() for window in windows(layer)))


def _im2col_tops(site: Site) -> list[Shape]:
    axis = _channel_axis(site)
    spread = _pair_sizes(site, axis + 1)
    taps = math.prod(window.kernel for _, window in spread)
    sizes = [window.size_after_convolution(size) for size, window in spread]
    if min(sizes, default=1) < 1:
        site.fail(f"its kernel is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(*site.shapes[0][:axis], site.shapes[0][axis] * taps, *sizes)]


def _pooling_tops(site: Site) -> list[Shape]:
    n, channels, *sizes = site.four_axes()
    if site.param.global_pooling:
        return [(n, channels, 1, 1)] * len(site.layer.top)
    given = pooling_windows(site.layer)
    result = pool_sizes(given, sizes, floor=rounds_down(site.param))
    if min(result) < 1:
        kernel = "x".join(str(window.kernel) for window in given)
        site.fail(f"kernel {kernel} is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(n, channels, *result)] * len(site.layer.top)


def rounds_down(param: Any) -> bool:
    """Whether the last window stays inside: BVLC's round_mode, or the forks' ceil_mode and NVIDIA's torch_pooling."""
    ceil = param.ceil_mode if param.HasField("ceil_mode") else not param.torch_pooling
    return bool(param.round_mode == 1 or not ceil)


def _pooling_coords(layer: LayerParameter) -> CoordMap | None:
    maps = tuple(window.down() for window in pooling_windows(layer))
    if len(set(maps)) == 1:  # as kernel_size says it: for all axes, whatever their number
        maps = maps[:1]
    return CoordMap(2, maps) if maps else None


# Where the weights of an output lie


def _convolution_outputs(layer: LayerParameter, shape: Shape) -> Outputs | None:
    if len(shape) < 2:
        return None
    return Outputs(shape[0], shape[0], math.prod(shape[1:]), math.prod(shape))


def _deconvolution_outputs(layer: LayerParameter, shape: Shape) -> Outputs | None:
    """Weights are channels x outputs of a group x kernel."""
    group = layer.convolution_param.group
    if len(shape) < 2 or shape[0] % group:
        return None
    width, taps = shape[1], math.prod(shape[2:])
    return Outputs(width * group, width, taps, taps * width * (shape[0] // group))


# In few words


def _convolution_summary(layer: LayerParameter) -> str:
    return f"{layer.convolution_param.num_output} {_describe_windows(windows(layer))}"


def _pooling_summary(layer: LayerParameter) -> str:
    param = layer.pooling_param
    method = param.DESCRIPTOR.fields_by_name["pool"].enum_type.values_by_number[param.pool].name
    given = pooling_windows(layer)
    return f"{method} {_describe_windows(given) if given else 'global'}"


def _describe_windows(given: tuple[Window, ...]) -> str:
    """``3x3 /2 pad 1``: kernel, and what else is not usual."""
    kernel, stride, pad, dilation = (
        [getattr(window, key) for window in (given * 2 if len(given) == 1 else given)]
        for key in ("kernel", "stride", "pad", "dilation")
    )
    parts = [dims(kernel)]
    for sign, values, usual in (("/", stride, 1), ("pad ", pad, 0), ("dilation ", dilation, 1)):
        if set(values) != {usual}:
            parts.append(sign + (str(values[0]) if len(set(values)) == 1 else dims(values)))
    return " ".join(parts)


# What makes no difference to Caffe


def _simplify_convolution(table: dict[str, Any], param: Any) -> None:
    for name, default in (("kernel_size", None), ("stride", 1), ("pad", 0), ("dilation", 1)):
        _simplify_sides(table, param, name, default)


def _simplify_pooling(table: dict[str, Any], param: Any) -> None:
    for name, default in (("kernel_size", None), ("stride", 1), ("pad", 0)):
        _simplify_sides(table, param, name, default)


def _simplify_sides(table: dict[str, Any], param: Any, name: str, default: int | None) -> None:
    """``pad_h: 1 pad_w: 1``, ``pad: 1 pad: 1`` and ``pad: 1`` are one: a tuple, of one number where all axes agree."""
    stem = name.removesuffix("_size")
    given = table.pop(name, ())
    value = given if isinstance(given, tuple) else (given,)
    sides = [f"{stem}_h", f"{stem}_w"] if name != "dilation" else []
    if any(param.HasField(side) for side in sides):
        value = tuple(getattr(param, side) for side in sides)
    for side in sides:
        table.pop(side, None)
    value = value[:1] if len(set(value)) == 1 else value
    if value and value != (default,):
        table[name] = value


_windowed = partial(
    LayerType,
    param_name="convolution_param",
    bottoms=(1, ANY),
    makes=(1, ANY),
    field=windows,
    fillers=weight_and_bias,
    summary=_convolution_summary,
    simplify_param=_simplify_convolution,
)


_depthwise_convolution = partial(
    _windowed,
    _depthwise(_convolution_tops),
    params=_depthwise(_convolution_params),
    macs=_convolution_macs,
    coords=_convolution_coords,
    role="convolution",
)


TYPES: dict[str, LayerType] = {
    "ConvolutionDepthwise": _depthwise_convolution(fork="nvidia"),
    "DepthwiseConvolution": _depthwise_convolution(fork="mobilenet-yolo"),
    "Convolution": _windowed(
        _convolution_tops,
        params=_convolution_params,
        macs=_convolution_macs,
        coords=_convolution_coords,
        kind=Kind.CONVOLUTION,
        outputs=_convolution_outputs,
        role="convolution",
    ),
    "Deconvolution": _windowed(
        _deconvolution_tops,
        params=_deconvolution_params,
        macs=_deconvolution_macs,
        coords=_deconvolution_coords,
        upsamples=True,
        kind=Kind.DECONVOLUTION,
        outputs=_deconvolution_outputs,
        role="upsampling",
    ),
    "Im2col": LayerType(
        _im2col_tops,
        "convolution_param",
        coords=_convolution_coords,
        field=windows,
        role="convolution",
        summary=_convolution_summary,
        simplify_param=_simplify_convolution,
    ),
    "Pooling": LayerType(
        _pooling_tops,
        "pooling_param",
        makes=(1, 2),
        coords=_pooling_coords,
        field=pooling_windows,
        kind=Kind.POOLING,
        role="pooling",
        summary=_pooling_summary,
        simplify_param=_simplify_pooling,
    ),
}
