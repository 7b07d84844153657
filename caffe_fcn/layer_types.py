"""The table of layer types: for each, what Caffe makes of shapes, and what happens to coordinates.

A row says how many bottoms and tops a layer takes, the shapes of its tops and parameters, its
multiply-accumulates, its coordinate map and which of its bottoms carry coordinates. Everything else in
the package reads this table; a new type is one new row in `LAYER_TYPES`.

Rules are functions of a `Site`: the layer and the shapes of its bottoms. They follow the Reshape and
LayerSetUp methods of BVLC Caffe 1.0 (src/caffe/layers/*.cpp).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

from caffe_fcn import sources
from caffe_fcn.errors import NetError
from caffe_fcn.geometry import POINTWISE, AxisMap, CoordMap, Window, dims
from caffe_fcn.proto import LayerParameter

Shape: TypeAlias = tuple[int, ...]
ANY = 1 << 30


@dataclass(frozen=True)
class Site:
    """A layer in its place: its message and the names and shapes of the blobs that it reads."""

    layer: LayerParameter
    names: Sequence[str] = ()
    shapes: Sequence[Shape] = ()

    @property
    def param(self) -> Any:
        """The layer's own parameter message, such as ``convolution_param``."""
        return getattr(self.layer, LAYER_TYPES[self.layer.type].param_name)

    def fail(self, what: str, mend: str = "") -> NoReturn:
        """Raise a `NetError` that names the layer."""
        raise NetError(f"layer '{self.layer.name}' ({self.layer.type})", what, mend)

    def blob(self, index: int = 0) -> str:
        """A bottom as errors name it: ``'data' (1x3x227x227)``."""
        return f"'{self.names[index]}' ({dims(self.shapes[index])})"

    def axis(self, axis: int, index: int = 0, beyond: int = 0) -> int:
        """A possibly negative axis of a bottom as a non-negative one."""
        count = len(self.shapes[index]) + beyond
        if not -count <= axis < count:
            self.fail(f"axis {axis} does not exist in {self.blob(index)}", f"{-count} to {count - 1} do")
        return axis % count


Rule: TypeAlias = Callable[[Site], list[Shape]]


def _none(site: Site) -> list[Shape]:
    return []


def _no_macs(site: Site, tops: list[Shape]) -> int:
    return 0


def _ends(layer: LayerParameter) -> CoordMap | None:
    return None


def _pointwise(layer: LayerParameter) -> CoordMap | None:
    return POINTWISE


@dataclass(frozen=True)
class LayerType:
    """One row: ``coords`` returns None where nothing behind the layer can be aligned with what is before."""

    tops: Rule
    param_name: str = ""
    bottoms: tuple[int, int] = (1, 1)
    makes: tuple[int, int] = (1, 1)
    params: Rule = _none
    macs: Callable[[Site, list[Shape]], int] = _no_macs
    coords: Callable[[LayerParameter], CoordMap | None] = _pointwise
    follows: int = ANY  # how many of the bottoms, from the first, carry coordinates
    field: Callable[[LayerParameter], tuple[Window, ...]] | None = None  # the windows, where there are any
    upsamples: bool = False


# Windows: what kernel_size, stride, pad and dilation say, repeated or as _h and _w


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


# Convolution, Deconvolution, Im2col, Pooling


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
    return CoordMap(layer.convolution_param.axis + 1, tuple(window.down() for window in windows(layer)))


def _deconvolution_coords(layer: LayerParameter) -> CoordMap | None:
    return CoordMap(layer.convolution_param.axis + 1, tuple(window.up() for window in windows(layer)))


def _im2col_tops(site: Site) -> list[Shape]:
    axis = _channel_axis(site)
    spread = _spread(site, axis + 1)
    taps = math.prod(window.kernel for _, window in spread)
    sizes = [window.convolved(size) for size, window in spread]
    if min(sizes, default=1) < 1:
        site.fail(f"its kernel is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(*site.shapes[0][:axis], site.shapes[0][axis] * taps, *sizes)]


def _four_axes(site: Site) -> Shape:
    if len(site.shapes[0]) != 4:
        site.fail(f"reads {site.blob()}", "it takes 4 axes: N x C x H x W")
    return site.shapes[0]


def _pooling_tops(site: Site) -> list[Shape]:
    n, channels, *sizes = _four_axes(site)
    if site.param.global_pooling:
        return [(n, channels, 1, 1)] * len(site.layer.top)
    floor = site.param.round_mode == 1
    pooled = [window.pooled(size, floor) for size, window in zip(sizes, pooling_windows(site.layer), strict=True)]
    if min(pooled) < 1:
        kernel = "x".join(str(window.kernel) for window in pooling_windows(site.layer))
        site.fail(f"kernel {kernel} is larger than its input {site.blob()}", "use a larger input or a smaller kernel")
    return [(n, channels, *pooled)] * len(site.layer.top)


def _pooling_coords(layer: LayerParameter) -> CoordMap | None:
    given = pooling_windows(layer)
    return CoordMap(2, tuple(window.down() for window in given)) if given else None


# Layers that keep the shape of what they read


def _same(site: Site) -> list[Shape]:
    return [site.shapes[0]] * len(site.layer.top)


def _same_four(site: Site) -> list[Shape]:
    return [_four_axes(site)]


def _same_upto_four(site: Site) -> list[Shape]:
    if len(site.shapes[0]) > 4:
        site.fail(f"reads {site.blob()}", "Caffe's own takes at most 4 axes here")
    return [site.shapes[0]]


def _each_own(site: Site) -> list[Shape]:
    return list(site.shapes[: len(site.layer.top)])


def _prelu_params(site: Site) -> list[Shape]:
    return [() if site.param.channel_shared else (site.shapes[0][1],)]


def _batch_norm_params(site: Site) -> list[Shape]:
    channels = 1 if len(site.shapes[0]) == 1 else site.shapes[0][1]
    return [(channels,), (channels,), (1,)]


def _part(site: Site) -> Shape:
    """The shape of a Scale's or Bias's own parameter: the axes that it spans."""
    shape, count = site.shapes[0], site.param.num_axes
    axis = site.axis(site.param.axis)
    if count >= 0 and axis + count > len(shape):
        site.fail(f"axis {axis} and num_axes {count} run past {site.blob()}", "lower num_axes")
    return shape[axis:] if count == -1 else shape[axis : axis + count]


def _fits_first(site: Site) -> list[Shape]:
    if len(site.shapes) == 2 and site.shapes[1]:
        axis = site.axis(site.param.axis)
        if site.shapes[0][axis : axis + len(site.shapes[1])] != site.shapes[1]:
            site.fail(f"{site.blob(1)} does not fit {site.blob()} at axis {axis}", "its shape must be a part of it")
    return [site.shapes[0]]


def _scale_params(site: Site) -> list[Shape]:
    spans = _part(site) if len(site.shapes) == 1 else site.shapes[1]
    return ([spans] if len(site.shapes) == 1 else []) + ([spans] if site.param.bias_term else [])


def _bias_params(site: Site) -> list[Shape]:
    return [_part(site)] if len(site.shapes) == 1 else []


def _eltwise_tops(site: Site) -> list[Shape]:
    for index, shape in enumerate(site.shapes):
        if shape != site.shapes[0]:
            site.fail(f"adds {site.blob(index)} to {site.blob()}", "give both one shape, with a Crop perhaps")
    coefficients = len(site.param.coeff)
    if coefficients not in (0, len(site.shapes)):
        site.fail(f"has {coefficients} coeff for {len(site.shapes)} bottoms", "give one each")
    return [site.shapes[0]]


# Layers that put axes together or apart


def _channel_like(name: str, old: str) -> Callable[[Site], int]:
    def axis_of(site: Site) -> int:
        if site.param.HasField(old):
            if site.param.HasField(name):
                site.fail(f"has {name} and {old}", f"keep {name}")
            return site.axis(getattr(site.param, old))
        return site.axis(getattr(site.param, name))

    return axis_of


_concat_axis = _channel_like("axis", "concat_dim")
_slice_axis = _channel_like("axis", "slice_dim")


def _concat_tops(site: Site) -> list[Shape]:
    axis, first = _concat_axis(site), site.shapes[0]
    for index, shape in enumerate(site.shapes):
        if len(shape) != len(first) or shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            site.fail(f"{site.blob(index)} does not fit {site.blob()}", f"all axes but axis {axis} must agree")
    return [(*first[:axis], sum(shape[axis] for shape in site.shapes), *first[axis + 1 :])]


def _slice_tops(site: Site) -> list[Shape]:
    axis, shape, tops = _slice_axis(site), site.shapes[0], len(site.layer.top)
    points = list(site.param.slice_point)
    if points:
        if len(points) != tops - 1:
            site.fail(f"has {len(points)} slice_point for {tops} tops", "one fewer than tops")
        edges = [0, *points, shape[axis]]
        if any(a >= b for a, b in pairwise(edges)):
            site.fail(f"slice_point {points} does not rise inside {site.blob()}", "let it rise")
        parts = [b - a for a, b in pairwise(edges)]
    else:
        if shape[axis] % tops:
            site.fail(f"{tops} tops cannot share axis {axis} of {site.blob()} evenly", "set slice_point")
        parts = [shape[axis] // tops] * tops
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def _along_channels(axis_name: str, old: str = "") -> Callable[[LayerParameter], CoordMap | None]:
    """Coordinates survive along the axes before the spatial ones; beyond lies no coordinate map."""

    def coords(layer: LayerParameter) -> CoordMap | None:
        param = Site(layer).param
        axis = getattr(param, old if old and param.HasField(old) else axis_name)
        return POINTWISE if axis in (0, 1) else None

    return coords


def _crop_tops(site: Site) -> list[Shape]:
    axis = site.axis(site.param.axis)
    shape, reference, given = site.shapes[0], site.shapes[1], list(site.param.offset) or [0]
    if len(reference) != len(shape):
        site.fail(f"{site.blob()} and {site.blob(1)} differ in their number of axes", "crop like with like")
    if len(given) not in (1, len(shape) - axis):
        site.fail(f"has {len(given)} offsets for {len(shape) - axis} axes", "give one, or one per axis")
    offsets = given * (len(shape) - axis) if len(given) == 1 else given
    for offset, size, wanted in zip(offsets, shape[axis:], reference[axis:], strict=True):
        if offset + wanted > size:
            site.fail(
                f"cannot cut {wanted} at offset {offset} out of {site.blob()} to the size of {site.blob(1)}",
                "use more padding, or put the offset right: caffe-fcn offsets NET --fix",
            )
    return [(*shape[:axis], *reference[axis:])]


def _crop_coords(layer: LayerParameter) -> CoordMap | None:
    given = list(layer.crop_param.offset) or [0]
    return CoordMap(layer.crop_param.axis, tuple(AxisMap(Fraction(1), Fraction(-each)) for each in given))


def _flatten_tops(site: Site) -> list[Shape]:
    shape, start, end = site.shapes[0], site.axis(site.param.axis), site.axis(site.param.end_axis)
    if end < start:
        site.fail(f"end_axis {end} lies before axis {start}", "swap them")
    return [(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])]


def _reshape_tops(site: Site) -> list[Shape]:
    shape, wanted, count = site.shapes[0], list(site.param.shape.dim), site.param.num_axes
    start = site.param.axis if site.param.axis >= 0 else len(shape) + site.param.axis + 1
    if not 0 <= start <= len(shape) or count < -1 or start + max(count, 0) > len(shape):
        site.fail(f"axis {site.param.axis} and num_axes {count} do not lie in {site.blob()}", "lower them")
    end = len(shape) if count == -1 else start + count
    new = []
    for place, dim in enumerate(wanted):
        if dim == 0 and start + place >= len(shape):
            site.fail(f"dim {place} is 0 (copied), and {site.blob()} has no such axis", "give a number")
        new.append(shape[start + place] if dim == 0 else dim)
    if new.count(-1) > 1:
        site.fail("has two dims of -1", "one can be inferred")
    if -1 in new:
        rest = math.prod(shape[:start] + shape[end:]) * math.prod(dim for dim in new if dim != -1)
        if not rest or math.prod(shape) % rest:
            site.fail(f"cannot infer -1: {rest} does not divide the {math.prod(shape)} values of {site.blob()}")
        new[new.index(-1)] = math.prod(shape) // rest
    result = (*shape[:start], *new, *shape[end:])
    if math.prod(result) != math.prod(shape):
        site.fail(f"makes {dims(result)} of {site.blob()}", "the number of values must stay")
    return [result]


def _tile_tops(site: Site) -> list[Shape]:
    axis, shape = site.axis(site.param.axis), site.shapes[0]
    if site.param.tiles < 1:
        site.fail("has no tiles", "set how often it repeats")
    return [(*shape[:axis], shape[axis] * site.param.tiles, *shape[axis + 1 :])]


def _spp_tops(site: Site) -> list[Shape]:
    n, channels, *_ = _four_axes(site)
    height = site.param.pyramid_height
    if height < 1:
        site.fail("has no pyramid_height", "set how many levels it has")
    return [(n, channels, 1, 1) if height == 1 else (n, channels * sum(4**level for level in range(height)))]


def _batch_reindex_tops(site: Site) -> list[Shape]:
    if len(site.shapes[1]) != 1:
        site.fail(f"takes its order from {site.blob(1)}", "it takes 1 axis")
    return [(*site.shapes[1], *site.shapes[0][1:])]


# Layers that reduce, or leave the image


def _inner_product_tops(site: Site) -> list[Shape]:
    return [(*site.shapes[0][: site.axis(site.param.axis)], site.param.num_output)]


def _inner_product_params(site: Site) -> list[Shape]:
    param = site.param
    if param.num_output < 1:
        site.fail("has no num_output", "set how many values it makes")
    inputs = math.prod(site.shapes[0][site.axis(param.axis) :])
    weights = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
    return [weights, (param.num_output,)] if param.bias_term else [weights]


def _inner_product_macs(site: Site, tops: list[Shape]) -> int:
    return math.prod(tops[0]) * math.prod(site.shapes[0][site.axis(site.param.axis) :])


def _reduction_tops(site: Site) -> list[Shape]:
    return [site.shapes[0][: site.axis(site.param.axis)]]


def _argmax_tops(site: Site) -> list[Shape]:
    shape, param = site.shapes[0], site.param
    if param.HasField("axis"):
        axis = site.axis(param.axis)
        return [(*shape[:axis], param.top_k, *shape[axis + 1 :])]
    return [(shape[0], 2 if param.out_max_val else 1, param.top_k, *[1] * (len(shape) - 3))]


def _argmax_coords(layer: LayerParameter) -> CoordMap | None:
    return POINTWISE if layer.argmax_param.HasField("axis") and layer.argmax_param.axis in (0, 1) else None


def _embed_tops(site: Site) -> list[Shape]:
    return [(*site.shapes[0], site.param.num_output)]


def _embed_params(site: Site) -> list[Shape]:
    weights = (site.param.input_dim, site.param.num_output)
    return [weights, weights[1:]] if site.param.bias_term else [weights]


# Losses and measures


def _per_label(site: Site) -> None:
    """One label for each vector along the class axis (SoftmaxWithLoss, Accuracy, ...)."""
    axis = site.axis(_class_axis(site))
    shape, labels = site.shapes[0], site.shapes[1]
    if math.prod(shape[:axis]) * math.prod(shape[axis + 1 :]) != math.prod(labels):
        site.fail(f"{site.blob(1)} has not one label for each prediction of {site.blob()}", "let sizes agree")


def _class_axis(site: Site) -> int:
    if site.layer.type == "Accuracy":
        return int(site.layer.accuracy_param.axis)
    return int(site.layer.softmax_param.axis) if site.layer.type == "SoftmaxWithLoss" else 1


def _labelled_loss(site: Site) -> list[Shape]:
    _per_label(site)
    return [(), site.shapes[0]][: max(len(site.layer.top), 1)]


def _accuracy_tops(site: Site) -> list[Shape]:
    _per_label(site)
    return [(), (site.shapes[0][site.axis(site.param.axis)],)][: len(site.layer.top)]


def _paired_loss(site: Site) -> list[Shape]:
    if site.shapes[0] != site.shapes[1] and math.prod(site.shapes[0]) != math.prod(site.shapes[1]):
        site.fail(f"compares {site.blob()} with {site.blob(1)}", "both need one shape")
    return [()]


def _scalar(site: Site) -> list[Shape]:
    return [()]


# Recurrent layers


def _recurrent(site: Site) -> tuple[int, int, int]:
    if len(site.shapes[0]) < 2 or site.shapes[1] != site.shapes[0][:2]:
        site.fail(f"reads {site.blob()} with {site.blob(1)}", "it takes T x N x ... with T x N")
    return site.shapes[0][0], site.shapes[0][1], site.param.num_output


def _recurrent_tops(states: int) -> Rule:
    def rule(site: Site) -> list[Shape]:
        steps, streams, outputs = _recurrent(site)
        return [(steps, streams, outputs), *[(1, streams, outputs)] * (states if site.param.expose_hidden else 0)]

    return rule


def _recurrent_inputs(site: Site, states: int) -> tuple[int, int | None]:
    own = 2 + (states if site.param.expose_hidden else 0)
    static = site.shapes[2][1:] if len(site.shapes) > own else None
    return math.prod(site.shapes[0][2:]), math.prod(static) if static is not None else None


def _lstm_params(site: Site) -> list[Shape]:
    d = site.param.num_output
    inputs, static = _recurrent_inputs(site, 2)
    return [(4 * d, inputs), (4 * d,), *([(4 * d, static)] if static is not None else []), (4 * d, d)]


def _rnn_params(site: Site) -> list[Shape]:
    d = site.param.num_output
    inputs, static = _recurrent_inputs(site, 1)
    return [(d, inputs), (d,), *([(d, static)] if static is not None else []), (d, d), (d, d), (d,)]


def _recurrent_macs(site: Site, tops: list[Shape]) -> int:
    steps, streams, _ = _recurrent(site)
    matrices = LAYER_TYPES[site.layer.type].params(site)
    return steps * streams * sum(math.prod(shape) for shape in matrices if len(shape) == 2)


def _lstm_unit_tops(site: Site) -> list[Shape]:
    return [site.shapes[0], site.shapes[0]]


# Data


def _input_tops(site: Site) -> list[Shape]:
    shapes = [tuple(shape.dim) for shape in site.param.shape]
    if not shapes:
        site.fail("has no shape", "set input_param, or name a size (--size HxW)")
    if len(shapes) not in (1, len(site.layer.top)):
        site.fail(f"has {len(shapes)} shapes for {len(site.layer.top)} tops", "give one, or one each")
    return shapes * len(site.layer.top) if len(shapes) == 1 else shapes


def _dummy_tops(site: Site) -> list[Shape]:
    param, count = site.param, len(site.layer.top)
    shapes = [tuple(shape.dim) for shape in param.shape]
    if not shapes:
        columns = [list(column) for column in (param.num, param.channels, param.height, param.width)]
        if not all(columns):
            site.fail("has no shape", "set dummy_data_param.shape")
        wide = [column * count if len(column) == 1 else column for column in columns]
        shapes = list(zip(*wide, strict=False))
    if len(shapes) not in (1, count):
        site.fail(f"has {len(shapes)} shapes for {count} tops", "give one, or one each")
    return shapes * count if len(shapes) == 1 else shapes


def _parameter_shape(site: Site) -> list[Shape]:
    return [tuple(site.param.shape.dim)]


def _memory_tops(site: Site) -> list[Shape]:
    param = site.param
    return [(param.batch_size, param.channels, param.height, param.width), (param.batch_size,)]


def _from_files(read: Callable[[LayerParameter], list[Shape]]) -> Rule:
    def rule(site: Site) -> list[Shape]:
        return read(site.layer)[: len(site.layer.top)]

    return rule


def _unknowable(site: Site) -> list[Shape]:
    return site.fail("is a Python layer: its shapes are known only to its code", "name a size (--size HxW)")


_windowed = partial(LayerType, bottoms=(1, ANY), makes=(1, ANY), param_name="convolution_param", field=windows)
_loss = partial(LayerType, bottoms=(2, 2), makes=(0, 1), coords=_ends)
_data = partial(LayerType, bottoms=(0, 0), makes=(1, ANY), coords=_ends)

LAYER_TYPES: dict[str, LayerType] = {
    "AbsVal": LayerType(_same),
    "Accuracy": LayerType(_accuracy_tops, "accuracy_param", (2, 2), (1, 2), coords=_ends),
    "ArgMax": LayerType(_argmax_tops, "argmax_param", coords=_argmax_coords),
    "BNLL": LayerType(_same),
    "BatchNorm": LayerType(_same, "batch_norm_param", params=_batch_norm_params),
    "BatchReindex": LayerType(_batch_reindex_tops, bottoms=(2, 2), follows=1),
    "Bias": LayerType(_fits_first, "bias_param", (1, 2), params=_bias_params, follows=1),
    "Clip": LayerType(_same, "clip_param"),
    "Concat": LayerType(_concat_tops, "concat_param", (1, ANY), coords=_along_channels("axis", "concat_dim")),
    "ContrastiveLoss": _loss(_scalar, param_name="contrastive_loss_param", bottoms=(3, 3)),
    "Convolution": _windowed(
        _convolution_tops,
        params=_convolution_params,
        macs=_convolution_macs,
        coords=_convolution_coords,
    ),
    "Crop": LayerType(_crop_tops, "crop_param", (2, 2), coords=_crop_coords, follows=1),
    "Data": _data(_from_files(sources.data), param_name="data_param", makes=(1, 2)),
    "Deconvolution": _windowed(
        _deconvolution_tops,
        params=_deconvolution_params,
        macs=_deconvolution_macs,
        coords=_deconvolution_coords,
        upsamples=True,
    ),
    "Dropout": LayerType(_same, "dropout_param"),
    "DummyData": _data(_dummy_tops, param_name="dummy_data_param"),
    "ELU": LayerType(_same, "elu_param"),
    "Eltwise": LayerType(_eltwise_tops, "eltwise_param", (2, ANY)),
    "Embed": LayerType(_embed_tops, "embed_param", params=_embed_params, coords=_ends),
    "EuclideanLoss": _loss(_paired_loss),
    "Exp": LayerType(_same, "exp_param"),
    "Filter": LayerType(_each_own, bottoms=(2, ANY), makes=(1, ANY)),
    "Flatten": LayerType(_flatten_tops, "flatten_param", coords=_ends),
    "HDF5Data": _data(_from_files(sources.hdf5_data), param_name="hdf5_data_param", makes=(1, ANY)),
    "HDF5Output": LayerType(_none, "hdf5_output_param", (2, 2), (0, 0)),
    "HingeLoss": _loss(_labelled_loss, param_name="hinge_loss_param"),
    "Im2col": LayerType(_im2col_tops, "convolution_param", coords=_convolution_coords, field=windows),
    "ImageData": _data(_from_files(sources.image_data), param_name="image_data_param", makes=(2, 2)),
    "InfogainLoss": _loss(_labelled_loss, param_name="infogain_loss_param", bottoms=(2, 3), makes=(0, 2)),
    "InnerProduct": LayerType(
        _inner_product_tops,
        "inner_product_param",
        params=_inner_product_params,
        macs=_inner_product_macs,
        coords=_ends,
    ),
    "Input": _data(_input_tops, param_name="input_param"),
    "L1Loss": _loss(_paired_loss),  # NVIDIA's Caffe
    "LRN": LayerType(_same_four, "lrn_param"),
    "LSTM": LayerType(
        _recurrent_tops(2),
        "recurrent_param",
        (2, 5),
        (1, 3),
        params=_lstm_params,
        macs=_recurrent_macs,
        coords=_ends,
    ),
    "LSTMUnit": LayerType(_lstm_unit_tops, bottoms=(3, 3), makes=(2, 2), coords=_ends),
    "Log": LayerType(_same, "log_param"),
    "MVN": LayerType(_same_upto_four, "mvn_param"),
    "MemoryData": _data(_memory_tops, param_name="memory_data_param", makes=(2, 2)),
    "MultinomialLogisticLoss": _loss(_labelled_loss),
    "PReLU": LayerType(_same, "prelu_param", params=_prelu_params),
    "Parameter": _data(_parameter_shape, param_name="parameter_param", makes=(1, 1), params=_parameter_shape),
    "Pooling": LayerType(_pooling_tops, "pooling_param", makes=(1, 2), coords=_pooling_coords, field=pooling_windows),
    "Power": LayerType(_same, "power_param"),
    "Python": _data(_unknowable, param_name="python_param", bottoms=(0, ANY), makes=(0, ANY)),
    "RNN": LayerType(
        _recurrent_tops(1),
        "recurrent_param",
        (2, 4),
        (1, 2),
        params=_rnn_params,
        macs=_recurrent_macs,
        coords=_ends,
    ),
    "ReLU": LayerType(_same, "relu_param"),
    "Reduction": LayerType(_reduction_tops, "reduction_param", coords=_ends),
    "Reshape": LayerType(_reshape_tops, "reshape_param", coords=_ends),
    "SPP": LayerType(_spp_tops, "spp_param", coords=_ends),
    "Scale": LayerType(_fits_first, "scale_param", (1, 2), params=_scale_params, follows=1),
    "Sigmoid": LayerType(_same, "sigmoid_param"),
    "SigmoidCrossEntropyLoss": _loss(_paired_loss),
    "Silence": LayerType(_none, bottoms=(1, ANY), makes=(0, 0)),
    "Slice": LayerType(_slice_tops, "slice_param", makes=(1, ANY), coords=_along_channels("axis", "slice_dim")),
    "Softmax": LayerType(_same, "softmax_param"),
    "SoftmaxWithLoss": _loss(_labelled_loss, param_name="softmax_param", makes=(0, 2)),
    "Split": LayerType(_same, makes=(1, ANY)),
    "Swish": LayerType(_same, "swish_param"),
    "TanH": LayerType(_same, "tanh_param"),
    "Threshold": LayerType(_same, "threshold_param"),
    "Tile": LayerType(_tile_tops, "tile_param", coords=_along_channels("axis")),
    "WindowData": _data(_from_files(sources.window_data), param_name="window_data_param", makes=(2, 2)),
}
