"""Layers whose every value comes from a window: Convolution, Deconvolution, Im2col, Pooling."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from caffe_fcn.net.geometry import INT_MAX, CoordMap, Window, pooled
from caffe_fcn.net.layer_types.site import ANY, LayerType, Rule, Shape, Site, image_axis
from caffe_fcn.proto import LayerParameter


def windows(layer: LayerParameter) -> tuple[Window, ...]:
    """The windows of a Convolution, Deconvolution or Im2col, one for all axes or one per axis."""
    param = layer.convolution_param
    columns = {
        "kernel": _per_axis(layer, param, "kernel_size", "kernel_h", "kernel_w", None),
        "stride": _per_axis(layer, param, "stride", "stride_h", "stride_w", 1),
        "pad": _per_axis(layer, param, "pad", "pad_h", "pad_w", 0),
        "dilation": list(param.dilation) or [1],
    }
    axes = max(map(len, columns.values()))
    for name, column in columns.items():
        if len(column) not in (1, axes):
            _fail(layer, f"{name} has {len(column)} values for {axes} axes", "give one, or one per axis")
    rows = zip(*(column * axes if len(column) == 1 else column for column in columns.values()), strict=True)
    return tuple(_checked(layer, Window(*row)) for row in rows)


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
    result = tuple(_checked(layer, Window(*row)) for row in zip(kernel, stride, pad, strict=True))
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


def _checked(layer: LayerParameter, window: Window) -> Window:
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


def _spread(site: Site, axis: int) -> list[tuple[int, Window]]:
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
    for size, window in _spread(site, axis + 1):
        if size + 2 * window.pad < window.extent:
            site.fail(
                f"kernel {window.extent} is larger than its input {site.blob()} with pad {window.pad}",
                "use a larger input, a smaller kernel or more padding",
            )
        sizes.append(window.convolved(size))
    return [(*site.shapes[0][:axis], site.param.num_output, *sizes)] * len(site.layer.top)


def _deconvolution_tops(site: Site) -> list[Shape]:
    axis = _channel_axis(site)
    sizes = [window.deconvolved(size) for size, window in _spread(site, axis + 1)]
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
        weights = (*first(channels, outputs, group), *(window.kernel for _, window in _spread(site, axis + 1)))
        return [weights, (outputs,)] if param.bias_term else [weights]

    return rule


def _convolution_macs(site: Site, tops: list[Shape]) -> int:
    weights = math.prod(_convolution_params(site)[0][1:])
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
    spread = _spread(site, axis + 1)
    taps = math.prod(window.kernel for _, window in spread)
    sizes = [window.convolved(size) for size, window in spread]
    if min(sizes, default=1) < 1:
        site.fail(f"its kernel is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(*site.shapes[0][:axis], site.shapes[0][axis] * taps, *sizes)]


def _pooling_tops(site: Site) -> list[Shape]:
    n, channels, *sizes = site.four_axes()
    if site.param.global_pooling:
        return [(n, channels, 1, 1)] * len(site.layer.top)
    given = pooling_windows(site.layer)
    result = pooled(given, sizes, floor=site.param.round_mode == 1)
    if min(result) < 1:
        kernel = "x".join(str(window.kernel) for window in given)
        site.fail(f"kernel {kernel} is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(n, channels, *result)] * len(site.layer.top)


def _pooling_coords(layer: LayerParameter) -> CoordMap | None:
    maps = tuple(window.down() for window in pooling_windows(layer))
    if len(set(maps)) == 1:  # as kernel_size says it: for all axes, whatever their number
        maps = maps[:1]
    return CoordMap(2, maps) if maps else None


_windowed = partial(LayerType, bottoms=(1, ANY), makes=(1, ANY), param_name="convolution_param", field=windows)


TYPES: dict[str, LayerType] = {
    "Convolution": _windowed(
        _convolution_tops,
        params=_convolution_params,
        macs=_convolution_macs,
        coords=_convolution_coords,
    ),
    "Deconvolution": _windowed(
        _deconvolution_tops,
        params=_deconvolution_params,
        macs=_deconvolution_macs,
        coords=_deconvolution_coords,
        upsamples=True,
    ),
    "Im2col": LayerType(_im2col_tops, "convolution_param", coords=_convolution_coords, field=windows),
    "Pooling": LayerType(_pooling_tops, "pooling_param", makes=(1, 2), coords=_pooling_coords, field=pooling_windows),
}
