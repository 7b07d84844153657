"""Which part of each blob an image reaches, and which part of it is read: rectangles, for one size of the image."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from caffe_fcn.engines.torch.program import Program
from caffe_fcn.engines.torch.registry import Operation
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_LARGEST_WINDOW = 0.9  # of a blob: above, a border saves less than it costs
_PRODUCTS_PER_COPY = 64  # multiply-accumulates that take as long as copying a value of a large blob

ShapeOf: TypeAlias = Callable[[Blob], Shape]
Span: TypeAlias = tuple[int, int]
"""The first pixel of a range along one axis, and the one after its last."""
Rect: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True)
class Region:
    """What an instruction reads of its bottom, and by how much it pads that (before, after) on each axis."""

    rect: Rect
    pads: Rect


class WindowPlan:
    """For one image size: what is ``computed`` of each blob, what of it is ``needed``, and the ``regions`` read.

    ``sizes`` are those of the blobs. The blobs in ``bordered`` have a border: what is needed of them and not computed.
    ``is_worthwhile`` is whether anything can be saved.
    """

    def __init__(self, group: Program, image: Blob, tops: Collection[Blob], shape_of: ShapeOf) -> None:
        blobs = (image, *(instruction.tops[0] for instruction in group))
        self.sizes = {blob: shape_of(blob)[2:] for blob in blobs}
        reached = {image: self._whole(image)}
        self.computed = dict(reached)
        self.is_worthwhile = False
        for instruction in group:
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            windows = instruction.operation.find_windows()
            reached[top] = tuple(map(_find_reached, windows, reached[bottom], self._whole(top)))
            if any(begin >= end for begin, end in reached[top]):  # windows that step over the image
                reached[top] = self._whole(top)
            is_small = measure_area(reached[top]) <= _LARGEST_WINDOW * measure_area(self._whole(top))
            self.is_worthwhile |= is_small
            self.computed[top] = reached[top] if is_small else self._whole(top)
        self.needed = {blob: self._whole(blob) if blob in tops else rect for blob, rect in self.computed.items()}
        self.regions: dict[Blob, Region] = {}
        for instruction in reversed(group):
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            if _is_cheaper_to_compute(instruction.operation, self.computed[top], self.needed[top]):
                self.computed[top] = self.needed[top]
            windows = instruction.operation.find_windows()
            reads = list(map(find_read, windows, self.computed[top], self._whole(bottom)))
            self.regions[top] = Region(tuple(span for span, _ in reads), tuple(pads for _, pads in reads))
            self.needed[bottom] = tuple(map(_enclose, self.needed[bottom], self.regions[top].rect))
        self.bordered = [blob for blob in self.sizes if self.computed[blob] != self.needed[blob]]

    def _whole(self, blob: Blob) -> Rect:
        return tuple((0, size) for size in self.sizes[blob])


def measure_area(rect: Rect) -> int:
    """The number of pixels in a rectangle."""
    return math.prod(end - begin for begin, end in rect)


def cut(x: Tensor, rect: Rect, whole: Rect) -> Tensor:
    """A rectangle of a blob, from a tensor that holds the rectangle ``whole`` of it."""
    for axis, ((begin, end), (start, _)) in enumerate(zip(rect, whole, strict=True), 2):
        if x.shape[axis] != end - begin:  # a cut that removes nothing would still copy the gradient
            x = x.narrow(axis, begin - start, end - begin)
    return x


def find_read(window: Window, span: Span, whole: Span) -> tuple[Span, Span]:
    """The span of the bottom that a span of the top reads, and how far the windows leave the bottom at either end."""
    begin = span[0] * window.stride - window.pad
    end = (span[1] - 1) * window.stride - window.pad + window.extent
    inside = max(begin, 0), min(end, whole[1])
    return inside, (inside[0] - begin, end - inside[1])


def _is_cheaper_to_compute(operation: Operation, computed: Rect, needed: Rect) -> bool:
    """Whether computing all that is needed costs less than putting what is computed into a border, which copies it."""
    products = operation.count_products()
    more = measure_area(needed) - measure_area(computed)
    return products is not None and more * products < _PRODUCTS_PER_COPY * measure_area(needed)


def _find_reached(window: Window, span: Span, whole: Span) -> Span:
    """The values of a top whose windows reach into a span of the bottom."""
    first = -(-(span[0] + window.pad - window.extent + 1) // window.stride)
    last = (span[1] - 1 + window.pad) // window.stride
    return max(first, 0), min(last + 1, whole[1])


def _enclose(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])
