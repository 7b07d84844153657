"""Layers that slide a window: Convolution, Deconvolution, Pooling, SPP, Im2col.

Caffe's pooling counts windows by rounding up, drops a last one that begins behind the image and its padding, and
divides an average by the part of the window inside of both (pooling_layer.cpp). ONNX has such rules too, but runtimes
disagree on them. Here the pads are worked out, so that only windows are left on which all agree: they lie inside, and
their number is rounded down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.shaping import reshape_to
from caffe_fcn.interop.onnx.values import Value
from caffe_fcn.net.geometry import Window, pool_sizes
from caffe_fcn.net.layer_types import Shape, pooling_windows, windows
from caffe_fcn.net.layer_types.windows import rounds_down
from caffe_fcn.proto.schema import PoolingParameter
from caffe_fcn.weights.tensors import from_array

_LOWEST = -3.4028234663852886e38  # of float32: what the maximum of an empty window is
_OPERATORS = {"MAX": "MaxPool", "AVE": "AveragePool"}


@converts("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convert_convolution(place: Place) -> list[str]:
    """Weights are in ONNX's order already."""
    return _slide(place, "Conv")


@converts("Deconvolution")
def convert_deconvolution(place: Place) -> list[str]:
    """ConvTranspose with the same windows and groups."""
    return _slide(place, "ConvTranspose")


def _slide(place: Place, operator: str) -> list[str]:
    axis = place.site.axis(place.param.axis)
    axes = place.rank - axis - 1
    declared = windows(place.layer)
    sliding = declared * axes if len(declared) == 1 else declared
    parameters = [place.add_parameter(index) for index in range(len(place.params))]
    tops = []
    for bottom, shape, top in zip(place.bottoms, place.site.shapes, place.tops, strict=True):
        if axis != 1:
            place.require_fixed()
            bottom = reshape_to(place, bottom, (math.prod(shape[:axis]), *shape[axis:]))
        y = place.add(
            operator,
            bottom,
            *parameters,
            kernel_shape=[window.kernel for window in sliding],
            strides=[window.stride for window in sliding],
            pads=[window.pad for window in sliding] * 2,
            dilations=[window.dilation for window in sliding],
            group=_count_groups(place, shape[axis]),
        )
        tops.append(reshape_to(place, y, top) if axis != 1 else y)
    return tops


def _count_groups(place: Place, channels: int) -> int:
    """The groups of a convolution; a depthwise one has a group for each channel."""
    return channels if "epthwise" in place.layer.type else int(place.param.group)


@converts("Im2col")
def convert_im2col(place: Place) -> list[str]:
    """A convolution in which each output takes one tap of one channel."""
    import numpy as np

    declared = windows(place.layer)
    rows, columns = declared * 2 if len(declared) == 1 else declared
    channels, taps = place.shape[1], rows.kernel * columns.kernel
    taken = np.tile(np.eye(taps, dtype=np.float32), (channels, 1))
    weights = place.graph.add_parameter(from_array(taken), (channels * taps, 1, rows.kernel, columns.kernel))
    return [
        place.add(
            "Conv",
            place.bottom,
            weights,
            kernel_shape=[rows.kernel, columns.kernel],
            strides=[rows.stride, columns.stride],
            pads=[rows.pad, columns.pad] * 2,
            dilations=[rows.dilation, columns.dilation],
            group=channels,
        )
    ]


@converts("Pooling")
def convert_pooling(place: Place) -> list[str]:
    """The maximum or the average of each window; a second top holds the positions of the maxima."""
    method = _find_method(place, place.param.pool)
    declared = pooling_windows(place.layer)
    if not declared and len(place.layer.top) == 1:
        return [place.add(f"Global{_OPERATORS[method]}", place.bottom)]
    if not declared:
        place.require_fixed(2, 3)
    sliding = declared or tuple(map(Window, place.shape[2:]))
    if any(axis >= 2 for axis in place.varying[0]):
        if len(place.layer.top) > 1:
            place.require_fixed(2, 3)
        return [_pool_any_size(place, method, sliding)]
    pooling = _Pooling.of(sliding, place.shape[2:], tuple(place.tops[0][2:]))
    if method == "AVE":
        return [_average(place, place.bottom, pooling)]
    return _find_maxima(place, place.bottom, pooling, len(place.layer.top))


@converts("SPP")
def convert_spp(place: Place) -> list[str]:
    """A pyramid of poolings with 1, 2, 4, ... windows on each axis, as one vector."""
    place.require_fixed(2, 3)
    method = _find_method(place, place.param.pool)
    levels = []
    for level in range(place.param.pyramid_height):
        bins = 2**level
        kernels = [-(-size // bins) for size in place.shape[2:]]
        pads = [(kernel * bins - size + 1) // 2 for kernel, size in zip(kernels, place.shape[2:], strict=True)]
        sliding = [Window(kernel, kernel, pad) for kernel, pad in zip(kernels, pads, strict=True)]
        pooling = _Pooling.of(sliding, place.shape[2:], tuple(pool_sizes(sliding, place.shape[2:])))
        pooled = (
            _average(place, place.bottom, pooling)
            if method == "AVE"
            else _find_maxima(place, place.bottom, pooling, 1)[0]
        )
        levels.append(place.add("Flatten", pooled, axis=1))
    return [place.add("Concat", *levels, axis=1)] if len(levels) > 1 else [_keep_axes(place, levels[0])]


def _keep_axes(place: Place, level: str) -> str:
    """One level alone keeps the axes that the shape rule gives it."""
    return reshape_to(place, level, place.tops[0]) if len(place.tops[0]) != 2 else level


def _find_method(place: Place, number: int) -> str:
    name: str = PoolingParameter.PoolMethod.Name(number)
    if name not in _OPERATORS:
        place.fail(f"pools by {name}", f"ONNX pools by {' or '.join(_OPERATORS)}")
    return name


@dataclass(frozen=True)
class _Pooling:
    """Windows over an image of known size, and how far the last ones reach beyond it on each axis (0 or less: not)."""

    windows: Sequence[Window]
    sizes: Sequence[int]
    counts: Sequence[int]
    ends: Sequence[int]

    @staticmethod
    def of(windows: Sequence[Window], sizes: Sequence[int], counts: Shape) -> _Pooling:
        ends = [
            (count - 1) * window.stride + window.kernel - window.pad - size
            for window, size, count in zip(windows, sizes, counts, strict=True)
        ]
        return _Pooling(windows, sizes, counts, ends)

    @property
    def kernel(self) -> list[int]:
        return [window.kernel for window in self.windows]

    @property
    def strides(self) -> list[int]:
        return [window.stride for window in self.windows]

    @property
    def pads(self) -> list[int]:
        """What goes before the image on each axis, then behind it."""
        return [window.pad for window in self.windows] + [max(end, 0) for end in self.ends]

    @property
    def fits_attributes(self) -> bool:
        """Whether runtimes take these pads: they want them smaller than the kernel."""
        return all(pad < kernel for pad, kernel in zip(self.pads, self.kernel * 2, strict=True))


def _find_maxima(place: Place, x: str, pooling: _Pooling, tops: int) -> list[str]:
    from onnx import TensorProto

    windows = {"kernel_shape": pooling.kernel, "strides": pooling.strides}
    if not pooling.fits_attributes:
        padded = _pad(place, x, pooling.pads, _LOWEST)
        y, *places = place.graph.add_many("MaxPool", padded, outputs=tops, **windows)
        return [y, _move_places(Value(place, y), Value(place, places[0]), pooling)] if places else [y]
    y, *places = place.graph.add_many("MaxPool", x, outputs=tops, pads=pooling.pads, **windows)
    if not places:
        return [y]
    # ONNX counts positions through the whole blob, Caffe in each channel
    area = place.graph.add_integers([math.prod(pooling.sizes)])
    return [y, place.add("Cast", place.add("Mod", places[0], area), to=TensorProto.FLOAT)]


def _move_places(y: Value, places: Value, pooling: _Pooling) -> str:
    """The positions of maxima in each channel of an image, of those in a padded blob; -1 for empty windows."""
    (height, width), (top, left, bottom, right) = pooling.sizes, pooling.pads
    row_size = left + width + right
    inside = places.apply("Mod", row_size * (top + height + bottom))
    row, column = inside / row_size - top, inside.apply("Mod", row_size) - left
    moved = (row * width + column).to_float()
    return (y > _LOWEST).apply("Where", moved, -1.0).name


def _average(place: Place, x: str, pooling: _Pooling) -> str:
    import numpy as np

    padded = _pad(place, x, pooling.pads, 0.0)
    y = place.add("AveragePool", padded, kernel_shape=pooling.kernel, strides=pooling.strides)
    area = math.prod(pooling.kernel)
    rows, columns = (
        np.array([_count_inside(window, index, size) for index in range(count)], np.float64)
        for window, size, count in zip(pooling.windows, pooling.sizes, pooling.counts, strict=True)
    )
    counted = rows[:, None] * columns
    if (counted == area).all():
        return y
    with np.errstate(divide="ignore"):
        return place.add("Mul", y, place.graph.add_constant(area / counted))


def _count_inside(window: Window, index: int, size: int) -> int:
    """How many pixels of a window are inside the padded image, along one axis."""
    start = index * window.stride - window.pad
    return min(start + window.kernel, size + window.pad) - start


def _pad(place: Place, x: str, pads: Sequence[int], value: float) -> str:
    """The image with pads before and behind its rows and columns."""
    if not any(pads):
        return x
    axes = len(pads) // 2
    whole = [0, 0, *pads[:axes], 0, 0, *pads[axes:]]
    return place.add("Pad", x, place.graph.add_integers(whole), place.graph.add_constant(value), mode="constant")


def _pool_any_size(place: Place, method: str, sliding: Sequence[Window]) -> str:
    """Pooling of an image whose size is known when the graph runs: the pads are computed in the graph."""
    graph = place.graph
    sizes = place.add("Slice", place.add("Shape", place.bottom), graph.add_integers([2]), graph.add_integers([4]))
    last = _compute_last(place, sizes, sliding)
    kernel, stride, pad = (_list_property(place, sliding, name) for name in ("kernel", "stride", "pad"))
    reach = place.add("Add", place.add("Mul", last, stride), kernel)
    ends = place.add("Max", place.add("Sub", place.add("Sub", reach, pad), sizes), graph.add_integers([0]))
    begins = graph.add_integers([0, 0, *(window.pad for window in sliding), 0, 0])
    value = graph.add_constant(_LOWEST if method == "MAX" else 0.0)
    padded = place.add("Pad", place.bottom, place.add("Concat", begins, ends, axis=0), value, mode="constant")
    windows = {"kernel_shape": [each.kernel for each in sliding], "strides": [each.stride for each in sliding]}
    y = place.add(_OPERATORS[method], padded, **windows)
    if method == "MAX":
        return y
    rows, columns = (_count_all_inside(place, sizes, last, axis, window) for axis, window in enumerate(sliding))
    counted = place.add("Mul", place.add("Unsqueeze", rows, graph.add_integers([1])), columns)
    area = graph.add_constant(math.prod(window.kernel for window in sliding))
    return place.add("Mul", y, place.add("Div", area, counted))


def _compute_last(place: Place, sizes: str, sliding: Sequence[Window]) -> str:
    """The number of the last window on each axis, counted from 0, by the arithmetic of `geometry.pool_sizes`."""
    graph = place.graph
    kernel, stride, pad = (_list_property(place, sliding, name) for name in ("kernel", "stride", "pad"))
    both = graph.add_integers([2 * window.pad for window in sliding])
    span = place.add("Sub", place.add("Add", sizes, both), kernel)
    one = graph.add_integers([1])
    if not rounds_down(place.param):
        span = place.add("Sub", place.add("Add", span, stride), one)
    last = place.add("Div", span, stride)
    if any(window.pad for window in sliding):  # then no window may start behind the image and its padding
        limit = place.add("Div", place.add("Sub", place.add("Add", sizes, pad), one), stride)
        last = place.add("Min", last, limit)
    return last


def _count_all_inside(place: Place, sizes: str, last: str, axis: int, window: Window) -> str:
    """How many pixels of each window along an axis are inside the padded image: see `_count_inside`."""
    from onnx import TensorProto

    graph = place.graph
    number = graph.add_integers([axis])
    zero, one = (place.add("Squeeze", graph.add_integers([each])) for each in (0, 1))
    count = place.add("Add", place.add("Squeeze", place.add("Gather", last, number, axis=0)), one)
    steps = place.add("Mul", place.add("Range", zero, count, one), graph.add_integers([window.stride]))
    starts = place.add("Sub", steps, graph.add_integers([window.pad]))
    limit = place.add("Add", place.add("Gather", sizes, number, axis=0), graph.add_integers([window.pad]))
    reach = place.add("Min", place.add("Add", starts, graph.add_integers([window.kernel])), limit)
    return place.add("Cast", place.add("Sub", reach, starts), to=TensorProto.FLOAT)


def _list_property(place: Place, sliding: Sequence[Window], name: str) -> str:
    return place.graph.add_integers([getattr(window, name) for window in sliding])
