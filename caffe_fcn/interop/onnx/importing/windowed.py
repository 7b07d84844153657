"""Operators that slide a window: Conv, ConvTranspose, MaxPool, AveragePool, Pad, DepthToSpace.

ONNX has pads of their own before and behind an image, Caffe one for both. A kernel that grows by zeros on the side of
the smaller pad gives the same with equal pads. Pooling counts its windows by rounding up in Caffe: where that is one
window more, it is cut off; an average is divided by another number at the edges, and multiplied right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from caffe_fcn.interop.onnx.importing.place import Blob, NodePlace, converts
from caffe_fcn.interop.onnx.importing.shaping import cut
from caffe_fcn.net.geometry import Window, pool_sizes

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array

_LOWEST = -1.0e38  # what is below it is no pixel: exporters pad so before they take maxima
_CLOSE = 1e-6  # of figures in float32
_AXES = 2  # rows and columns


@dataclass(frozen=True)
class _Sliding:
    """Windows along one axis, as ONNX says them."""

    kernel: int
    stride: int
    dilation: int
    before: int
    behind: int

    @property
    def extent(self) -> int:
        return (self.kernel - 1) * self.dilation + 1


def _read_windows(place: NodePlace, kernel: Sequence[int], pads: Sequence[tuple[int, int]]) -> list[_Sliding]:
    """The windows along rows and columns; ``pads`` are laid around the image beforehand."""
    place.require_axes(_AXES + 2)
    strides, dilations = (place.attribute(name, [1] * _AXES) for name in ("strides", "dilations"))
    own = place.attribute("pads", [0] * _AXES * 2)
    if not len(kernel) == len(strides) == len(dilations) == _AXES or len(own) != _AXES * 2:
        place.fail("has windows that are not of rows and columns", "the model is damaged")
    automatic = place.attribute("auto_pad", "NOTSET")
    result = []
    for axis in range(_AXES):
        before, behind = own[axis], own[axis + _AXES]
        extent = (kernel[axis] - 1) * dilations[axis] + 1
        if automatic.startswith("SAME"):
            size = place.shape()[axis + 2]
            both = max((-(-size // strides[axis]) - 1) * strides[axis] + extent - size, 0)
            before = (both + (automatic == "SAME_LOWER")) // 2
            behind = both - before
        elif automatic == "VALID":
            before = behind = 0
        before, behind = before + pads[axis][0], behind + pads[axis][1]
        if min(before, behind) < 0:
            place.fail("has a pad below 0", "cut the image before")
        result.append(_Sliding(kernel[axis], strides[axis], dilations[axis], before, behind))
    return result


def _spell(values: Sequence[int], field: str, repeated: bool = True) -> dict[str, Any]:
    """A setting of rows and columns: one figure where both agree."""
    rows, columns = values
    if rows == columns:
        return {f"{field}_size" if field == "kernel" else field: [rows] if repeated else rows}
    return {f"{field}_h": rows, f"{field}_w": columns}


def _take_pads(blob: Blob) -> list[tuple[int, int]] | None:
    """The pads of rows and columns that a layer can lay itself; None where there are others."""
    if not blob.pads:
        return [(0, 0)] * _AXES
    if len(blob.pads) != _AXES + 2 or any(blob.pads[0]) or any(blob.pads[1]):
        return None
    return [*blob.pads[2:]]


@converts("Conv")
def convert_conv(place: NodePlace) -> list[str]:
    """Convolution; pads of zeros before it become its own."""
    blob, weights = place.take_padded(), place.constant(1, "weights")
    pads = _take_pads(blob) if blob.filling == 0 else None
    name = blob.name if pads is not None else place.blob()
    if weights.ndim != _AXES + 2:
        place.fail(f"has weights of {weights.ndim} axes", "convolutions of rows and columns are read")
    windows = _read_windows(place, weights.shape[2:], pads or [(0, 0)] * _AXES)
    taps, settled = [], []
    for each in windows:
        more, rest = divmod(abs(each.before - each.behind), each.dilation)
        if rest:
            place.fail("has pads whose difference is no multiple of its dilation", "Caffe has one pad for both sides")
        taps.append((more, 0) if each.behind > each.before else (0, more))
        settled.append(Window(each.kernel + more, each.stride, max(each.before, each.behind), each.dilation))
    return [_slide(place, "Convolution", name, _grow(weights, taps), settled, len(weights))]


@converts("ConvTranspose")
def convert_conv_transpose(place: NodePlace) -> list[str]:
    """Deconvolution; what is cut off before and behind, less ``output_padding``, becomes one pad."""
    weights = place.constant(1, "weights")
    if place.attribute("output_shape") is not None or place.attribute("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        place.fail("has pads by its output's shape", "write them as pads")
    windows = _read_windows(place, weights.shape[2:], [(0, 0)] * _AXES)
    taps, settled = [], []
    for each, beyond in zip(windows, place.attribute("output_padding", [0] * _AXES), strict=True):
        behind = each.behind - beyond
        more, rest = divmod(abs(each.before - behind), each.dilation)
        if rest:
            place.fail("has pads whose difference is no multiple of its dilation", "Caffe has one pad for both sides")
        taps.append((more, 0) if behind > each.before else (0, more))
        settled.append(Window(each.kernel + more, each.stride, max(each.before, behind), each.dilation))
    count = weights.shape[1] * place.attribute("group", 1)
    return [_slide(place, "Deconvolution", place.blob(), _grow(weights, taps), settled, count)]


def _grow(weights: Array, taps: Sequence[tuple[int, int]]) -> Array:
    import numpy as np

    return np.pad(weights, [(0, 0), (0, 0), *taps]) if any(map(any, taps)) else weights


def _slide(
    place: NodePlace, kind: str, x: str, weights: Array, windows: Sequence[Window], count: int, group: int = 0
) -> str:
    settings: dict[str, Any] = {"num_output": count}
    parameters = [weights]
    if place.node.op_type.startswith("Conv") and place.has(2):
        parameters.append(place.constant(2, "bias").reshape(-1))
    else:
        settings["bias_term"] = False
    settings |= _spell([each.kernel for each in windows], "kernel")
    if any(each.stride > 1 for each in windows):
        settings |= _spell([each.stride for each in windows], "stride")
    if any(each.pad for each in windows):
        settings |= _spell([each.pad for each in windows], "pad")
    if any(each.dilation > 1 for each in windows):
        dilations = [each.dilation for each in windows]
        settings["dilation"] = dilations if len(set(dilations)) > 1 else dilations[:1]
    group = group or place.attribute("group", 1)
    if group > 1:
        settings["group"] = group
    return place.add(kind, x, parameters=parameters, convolution_param=settings)


def leave_open(place: NodePlace) -> Blob:
    """What a Pad makes: a blob whose pads the next layer lays itself, or a convolution of one tap (`lay_pads`)."""
    if place.attribute("mode", "constant") != "constant":
        place.fail(f"pads by {place.attribute('mode')!r}", "Caffe's layers pad with zeros")
    shape = place.shape()
    figures = place.integers(1, "pads")
    filling = float(place.constant(2, "value").reshape(-1)[0]) if place.has(2) else place.attribute("value", 0.0)
    rank = len(shape)
    axes = [place.axis(axis) for axis in (place.integers(3, "axes") if place.has(3) else range(rank))]
    if len(figures) != 2 * len(axes):
        place.fail(f"has {len(figures)} pads for {len(axes)} axes", "the model is damaged")
    pads = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        pads[axis] = (figures[index], figures[index + len(axes)])
    if any(side < 0 for each in pads for side in each):
        place.fail("has a pad below 0", "write it as a Slice")
    name = place.blob()
    return Blob(name, place.shapes[0], tuple(pads), filling) if any(map(any, pads)) else Blob(name, shape)


def lay_pads(place: NodePlace, blob: Blob) -> str:
    """Append a convolution with one tap for each channel, whose pads are those wanted."""
    import numpy as np

    pads = _take_pads(blob)
    if pads is None or len(blob.shape) != _AXES + 2 or not abs(blob.filling) < -_LOWEST:
        place.fail(f"reads pads {blob.pads} of {blob.filling:g}", "Caffe pads rows and columns with zeros")
    channels, size = blob.shape[1], [max(each) - min(each) + 1 for each in pads]
    weights = np.zeros((channels, 1, *size), np.float32)
    row, column = (side - 1 if behind > before else 0 for side, (before, behind) in zip(size, pads, strict=True))
    weights[:, :, row, column] = 1
    windows = [Window(side, 1, max(each)) for side, each in zip(size, pads, strict=True)]
    x = blob.name
    if blob.filling:
        x = place.add("Power", x, power_param={"shift": -blob.filling})
    settings: dict[str, Any] = {"num_output": channels, "bias_term": False, "group": channels}
    settings |= _spell([each.kernel for each in windows], "kernel")
    settings |= _spell([each.pad for each in windows], "pad")
    x = place.add("Convolution", x, parameters=[weights], convolution_param=settings)
    return place.add("Power", x, power_param={"shift": blob.filling}) if blob.filling else x


@converts("MaxPool")
def convert_max_pool(place: NodePlace) -> list[str]:
    """The maximum of each window: pads are never one."""
    if len(place.node.output) > 1 and place.node.output[1] in place.source.readers:
        place.fail("gives the positions of maxima", "Caffe's Pooling gives others")
    blob = place.take_padded()
    pads = _take_pads(blob) if blob.pads and blob.filling < _LOWEST else None
    name = blob.name if pads is not None else place.blob()
    pooling = _settle_pooling(place, "MAX", pads)
    return [pooling.append(place, name)] * len(place.node.output)


@converts("AveragePool")
def convert_average_pool(place: NodePlace) -> list[str]:
    """The average of each window; zeros that are laid around the image before are counted."""
    import numpy as np

    blob = place.take_padded()
    pads = _take_pads(blob) if blob.pads and blob.filling == 0 and not any(place.attribute("pads", [])) else None
    name = blob.name if pads is not None else place.blob()
    counts_pads = pads is not None or bool(place.attribute("count_include_pad", 0))
    pooling = _settle_pooling(place, "AVE", pads)
    x = pooling.append(place, name)
    factors = pooling.count_in_caffe() / pooling.count_in_onnx(counts_pads)
    for node, constant in _list_maps(place):
        product_ = factors * constant
        if np.abs(product_ - 1).max() < _CLOSE:
            place.absorbed.append(node)
            return [x]
    if (factors == 1).all():
        return [x]
    place.notes.append(f"{place.node.name or place.node.output[0]}: the edges are right at this size of images alone")
    return [place.scale(x, np.asarray(factors, np.float32), 2)]


def _list_maps(place: NodePlace) -> Iterator[tuple[str, Array]]:
    """The constant rows and columns that the one reader of the output multiplies it by, with the reader's output."""
    readers = place.source.readers.get(place.node.output[0], ())
    if len(readers) == 1 and readers[0].op_type == "Mul" and place.node.output[0] not in place.source.outputs:
        for name in readers[0].input:
            value = place.values.get(name)
            if value is None or isinstance(value, Blob) or value.shape[-2:] != place.shapes[0][2:]:
                continue
            if value.size == math.prod(value.shape[-2:]):
                yield readers[0].output[0], value.reshape(value.shape[-2:])


@dataclass(frozen=True)
class _Pooling:
    """A pooling of Caffe's, of whose windows ``skipped`` are cut off before those that are wanted."""

    method: str
    sliding: Sequence[_Sliding]
    windows: Sequence[Window]
    sizes: Sequence[int]
    counts: Sequence[int]
    made: Sequence[int]
    skipped: Sequence[int]
    floors: bool

    def append(self, place: NodePlace, x: str) -> str:
        settings: dict[str, Any] = {"pool": self.method}
        settings |= _spell([each.kernel for each in self.windows], "kernel", repeated=False)
        settings |= _spell([each.stride for each in self.windows], "stride", repeated=False)
        if any(each.pad for each in self.windows):
            settings |= _spell([each.pad for each in self.windows], "pad", repeated=False)
        if self.floors:
            settings["round_mode"] = "FLOOR"
        x = place.add("Pooling", x, pooling_param=settings)
        for axis, (skipped, count, made) in enumerate(zip(self.skipped, self.counts, self.made, strict=True)):
            x = cut(place, x, axis + 2, skipped, skipped + count, made)
        return x

    def count_in_caffe(self) -> Array:
        """What Caffe divides each sum by: the part of the window inside the image and its padding."""
        return _multiply(
            [
                min((index + skipped) * window.stride - window.pad + window.kernel, size + window.pad)
                - ((index + skipped) * window.stride - window.pad)
                for index in range(count)
            ]
            for window, size, skipped, count in zip(self.windows, self.sizes, self.skipped, self.counts, strict=True)
        )

    def count_in_onnx(self, counts_pads: bool) -> Array:
        """What ONNX divides each sum by: the part inside the image, or inside the image and its pads."""
        lengths = []
        for each, size, count in zip(self.sliding, self.sizes, self.counts, strict=True):
            low, high = (-each.before, size + each.behind) if counts_pads else (0, size)
            starts = [index * each.stride - each.before for index in range(count)]
            lengths.append([min(start + each.kernel, high) - max(start, low) for start in starts])
        return _multiply(lengths)


def _multiply(lengths: Iterator[list[int]] | Sequence[list[int]]) -> Array:
    import numpy as np

    rows, columns = (np.array(each, np.float64) for each in lengths)
    return rows[:, None] * columns


def _settle_pooling(place: NodePlace, method: str, pads: Sequence[tuple[int, int]] | None) -> _Pooling:
    """Find pads of Caffe's with which the wanted windows are among those that it makes."""
    sliding = _read_windows(place, place.attribute("kernel_shape", []), pads or [(0, 0)] * _AXES)
    if any(each.dilation > 1 for each in sliding):
        place.fail("pools with a dilation", "Caffe's Pooling has none")
    around = pads or [(0, 0)] * _AXES
    sizes = [side - sum(each) for side, each in zip(place.shape()[2:], around, strict=True)]
    counts = place.shapes[0][2:]
    for each, size, count in zip(sliding, sizes, counts, strict=True):
        if each.before >= each.kernel or (count - 1) * each.stride - each.before >= size:
            place.fail("has windows that lie outside of the image", "export the model without ceil_mode")
    skips = [range(-(-(each.kernel - each.before) // each.stride)) for each in sliding]
    for skipped, floors in product(product(*skips), (False, True)):
        windows = [
            Window(each.kernel, each.stride, each.before + skip * each.stride)
            for each, skip in zip(sliding, skipped, strict=True)
        ]
        if any(each.pad >= each.kernel for each in windows) or (floors and not place.says("round_mode")):
            continue
        made = pool_sizes(windows, sizes, floors)
        rest = [there - skip - count for there, skip, count in zip(made, skipped, counts, strict=True)]
        if min(rest) >= 0 and (not any(rest) or not place.says("round_mode") or floors):
            return _Pooling(method, sliding, windows, sizes, counts, made, skipped, floors)
    return place.fail("has windows that Caffe's Pooling does not make", "it pads less than a window on each side")


@converts("DepthToSpace")
def convert_depth_to_space(place: NodePlace) -> list[str]:
    """A deconvolution that lays each channel on its place in the block."""
    import numpy as np

    block, channels = place.attribute("blocksize"), place.shape()[1]
    count = channels // block**2
    weights = np.zeros((channels, count, block, block), np.float32)
    for channel, row, column in product(range(count), range(block), range(block)):
        if place.attribute("mode", "DCR") == "DCR":
            source = (row * block + column) * count + channel
        else:
            source = (channel * block + row) * block + column
        weights[source, channel, row, column] = 1
    return [_slide(place, "Deconvolution", place.blob(), weights, [Window(block, block)] * _AXES, count)]


@converts("SpaceToDepth")
def convert_space_to_depth(place: NodePlace) -> list[str]:
    """A convolution that takes each place of the block into a channel."""
    import numpy as np

    block, channels = place.attribute("blocksize"), place.shape()[1]
    weights = np.zeros((block**2 * channels, channels, block, block), np.float32)
    for channel, row, column in product(range(channels), range(block), range(block)):
        weights[(row * block + column) * channels + channel, channel, row, column] = 1
    windows = [Window(block, block)] * _AXES
    return [_slide(place, "Convolution", place.blob(), weights, windows, len(weights))]


@converts("Resize", "Upsample")
def convert_resize(place: NodePlace) -> list[str]:
    """A deconvolution that interpolates as ONNX does, where there is one; its edges are multiplied right."""
    import numpy as np

    from caffe_fcn.interop.onnx.importing import resizing

    before, after = place.shape(), place.shapes[0]
    place.require_axes(_AXES + 2)
    if before == after and place.attribute("coordinate_transformation_mode") != "tf_crop_and_resize":
        return [place.blob()]
    if before[:2] != after[:2]:
        place.fail("changes the number of images or channels", "Caffe's layers keep it")
    found = [resizing.find_steps(place, axis) for axis in (2, 3)]
    x, channels = place.blob(), before[1]
    if all(each.shrinks for each in found):
        taken = np.ones((channels, 1, 1, 1), np.float32)
        return [_slide(place, "Convolution", x, taken, [each.window for each in found], channels, group=channels)]
    if any(each.shrinks for each in found):
        place.fail("makes one side larger and the other one smaller", "resize in two steps")
    rows, columns = (each.taps for each in found)
    weights = np.broadcast_to(np.outer(rows, columns), (channels, 1, len(rows), len(columns)))
    windows = [each.window for each in found]
    x = _slide(place, "Deconvolution", x, weights, windows, channels, group=channels)
    factors = np.outer(*(each.factors for each in found))
    if (factors == 1).all():
        return [x]
    place.notes.append(f"{place.node.name or place.node.output[0]}: the edges are right at this size of images alone")
    return [place.scale(x, np.asarray(factors, np.float32), 2)]
