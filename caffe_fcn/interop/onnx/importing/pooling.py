"""MaxPool, AveragePool and pooling of whole images as Pooling layers.

Pooling counts its windows by rounding up in Caffe: where that is one window more, it is cut off. An average is divided
by another number at the edges, and multiplied right. Caffe pools rows and columns of four axes: a sequence becomes an
image of one row, and a volume is pooled twice, within its planes and across them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from caffe_fcn.interop.onnx.importing.onnx_file import load
from caffe_fcn.interop.onnx.importing.place import Blob, NodePlace, converts
from caffe_fcn.interop.onnx.importing.shaping import cut, reshape
from caffe_fcn.interop.onnx.importing.source import Shape
from caffe_fcn.interop.onnx.importing.windowed import LOWEST, Sliding, read_windows, spell, take_pads
from caffe_fcn.net.geometry import Window, pool_sizes

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array

_CLOSE = 1e-6  # of figures in float32
_SEQUENCE, _IMAGE, _VOLUME = 1, 2, 3  # axes behind the channels
_WHOLE = Sliding(1, 1, 1, 0, 0)  # a window of each pixel alone


@converts("MaxPool")
def convert_max_pool(place: NodePlace) -> list[str]:
    """The maximum of each window: pads are never one."""
    if len(place.node.output) > 1 and place.node.output[1] in place.source.readers:
        place.fail("gives the positions of maxima", "Caffe's Pooling gives others")
    blob = place.take_padded()
    pads = take_pads(blob) if blob.pads and blob.filling < LOWEST else None
    name = blob.name if pads is not None else place.blob()
    x, _ = _pool(place, name, "MAX", pads, counts_pads=False)
    return [x] * len(place.node.output)


@converts("AveragePool")
def convert_average_pool(place: NodePlace) -> list[str]:
    """The average of each window; zeros that are laid around the image before are counted."""
    import numpy as np

    blob = place.take_padded()
    pads = take_pads(blob) if blob.pads and blob.filling == 0 and not any(place.attribute("pads", [])) else None
    name = blob.name if pads is not None else place.blob()
    counts_pads = pads is not None or bool(place.attribute("count_include_pad", 0))
    x, factors = _pool(place, name, "AVE", pads, counts_pads)
    for node, constant in _list_maps(place):
        if np.abs(factors * constant - 1).max() < _CLOSE:
            place.absorbed.append(node)
            return [x]
    if (factors == 1).all():
        return [x]
    place.note_edges()
    return [place.scale(x, np.asarray(factors, np.float32), 2)]


def _list_maps(place: NodePlace) -> Iterator[tuple[str, Array]]:
    """The constant rows and columns that the one reader of the output multiplies it by, with the reader's output."""
    readers = place.source.readers.get(place.node.output[0], ())
    if len(readers) == 1 and readers[0].op_type == "Mul" and place.node.output[0] not in place.source.outputs:
        for name in readers[0].input:
            value = place.values.get(name)
            if value is None or isinstance(value, Blob) or tuple(value.shape[-2:]) != place.shapes[0][2:]:
                continue
            if math.prod(value.shape) == math.prod(value.shape[-2:]):
                yield readers[0].output[0], load(value).reshape(value.shape[-2:])


def _pool(
    place: NodePlace, x: str, method: str, pads: Sequence[tuple[int, int]] | None, counts_pads: bool
) -> tuple[str, Array]:
    """Append the layers; returns the top, and what each value of an average must be multiplied by."""
    import numpy as np

    shape, after = place.shape(), place.shapes[0]
    around = pads or [(0, 0)] * (len(shape) - 2)
    sliding = read_windows(place, place.attribute("kernel_shape", []), around)
    if any(each.dilation > 1 for each in sliding):
        place.fail("pools with a dilation", "Caffe's Pooling has none")
    sizes = [side - sum(each) for side, each in zip(shape[2:], around, strict=True)]
    given: Shape = (*shape[:2], *sizes)
    factors = np.ones(after[2:])
    for each in _list_passes(place, given, sliding, after[2:]):
        x = reshape(place, x, given, each.image) if given != each.image else x
        pooling = _settle_pooling(place, method, each)
        x = pooling.append(place, x)
        factors *= (pooling.count_in_caffe() / pooling.count_in_onnx(counts_pads)).reshape(each.factors)
        given = (*each.image[:2], *each.counts)
    return reshape(place, x, given, after) if given != after else x, factors


@dataclass(frozen=True)
class _Pass:
    """A pooling of the rows and columns of an ``image``; ``factors`` is the shape in which its factors multiply."""

    image: Shape
    sliding: Sequence[Sliding]
    counts: Sequence[int]
    factors: Shape


def _list_passes(place: NodePlace, shape: Shape, sliding: Sequence[Sliding], counts: Sequence[int]) -> list[_Pass]:
    images, channels, *sizes = shape
    if len(sizes) == _SEQUENCE:
        return [_Pass((images, channels, 1, *sizes), [_WHOLE, *sliding], (1, *counts), tuple(counts))]
    if len(sizes) == _IMAGE:
        return [_Pass(shape, sliding, counts, tuple(counts))]
    if len(sizes) != _VOLUME:
        place.fail(f"pools {len(sizes)} axes", "Caffe's Pooling has rows and columns")
    plane = math.prod(counts[1:])
    within = _Pass((images, channels * sizes[0], *sizes[1:]), sliding[1:], counts[1:], (1, *counts[1:]))
    across = _Pass((images, channels, sizes[0], plane), [sliding[0], _WHOLE], (counts[0], plane), tuple(counts))
    return [each for each in (within, across) if any(axis != _WHOLE for axis in each.sliding)]


@converts("GlobalAveragePool", "GlobalMaxPool")
def convert_global_pool(place: NodePlace) -> list[str]:
    """One window over all axes behind the channels."""
    return [pool_all(place, "AVE" if place.node.op_type == "GlobalAveragePool" else "MAX")]


def pool_all(place: NodePlace, method: str) -> str:
    """Append the average or the maximum of each channel; all axes behind it are left, with one value."""
    shape, x = place.shape(), place.blob()
    if len(shape) < 3:
        place.fail(f"has {len(shape)} axes", "it pools the axes behind the channels")
    image: Shape = (*shape[:2], shape[2] if len(shape) > 3 else 1, math.prod(shape[min(len(shape) - 1, 3) :]))
    x = reshape(place, x, shape, image) if image != shape else x
    x = place.add("Pooling", x, pooling_param={"pool": method, "global_pooling": True})
    after: Shape = (*shape[:2], *[1] * (len(shape) - 2))
    return reshape(place, x, (*shape[:2], 1, 1), after) if image != shape else x


@dataclass(frozen=True)
class _Pooling:
    """A pooling of Caffe's, of whose windows ``skipped`` are cut off before those that are wanted."""

    method: str
    sliding: Sequence[Sliding]
    windows: Sequence[Window]
    sizes: Sequence[int]
    counts: Sequence[int]
    made: Sequence[int]
    skipped: Sequence[int]
    floors: bool

    def append(self, place: NodePlace, x: str) -> str:
        settings: dict[str, Any] = {"pool": self.method}
        settings |= spell([each.kernel for each in self.windows], "kernel", repeated=False)
        settings |= spell([each.stride for each in self.windows], "stride", repeated=False)
        if any(each.pad for each in self.windows):
            settings |= spell([each.pad for each in self.windows], "pad", repeated=False)
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


def _settle_pooling(place: NodePlace, method: str, wanted: _Pass) -> _Pooling:
    """Find pads of Caffe's with which the wanted windows are among those that it makes."""
    sliding, sizes, counts = wanted.sliding, wanted.image[2:], wanted.counts
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
