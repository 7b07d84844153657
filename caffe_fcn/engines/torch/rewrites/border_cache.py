"""A rewrite that computes the border of a blob, which depends on padding alone, once for each image size.

A net that pads its first convolution by 100 spends most of its time on padding: at 500 x 500, half of what FCN-8s
computes before its second pooling. Values that depend on padding alone are the same for every image. So the first
image of a size goes through the layers as they are, and the border of each blob, as far as something reads it, is
remembered. For all later images only the window that depends on the image is computed, and put inside the border.

    data 500   conv1_1 502 of 698   conv1_2 504 of 698   pool1 253 of 349   ...   conv5_3 44 of 44
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.program import Instruction, Program, Rewrite, assign_frees, find_readers
from caffe_fcn.engines.torch.registry import Operation, TorchLayer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_LARGEST_WINDOW = 0.9  # of a blob: above, a border saves less than it costs
_MOST_SIZES = 16  # whose borders are remembered; at 500 x 500 those of FCN-8s take 12 MB

ShapeOf: TypeAlias = Callable[[Blob], Shape]
Span: TypeAlias = tuple[int, int]
"""The first pixel of a range along one axis, and the one after its last."""
Rect: TypeAlias = tuple[Span, ...]


def make_border_rewrite(
    images: Collection[Blob], shape_of: ShapeOf, memory_format: torch.memory_format = torch.channels_last
) -> Rewrite:
    """A rewrite that replaces all instructions which see windows of an image by one, for each of the ``images``.

    ``memory_format`` is that of the blobs which are put together from a window and a border.
    """

    def rewrite(program: Program, kept: Collection[Blob]) -> Program:
        for image in images:
            group = _find_group(program, image) if len(shape_of(image)) == 4 else []
            if group:
                fused = _fuse(group, find_readers(program), image, kept, shape_of, memory_format)
                start = program.index(group[0])
                others = (instruction for instruction in program[start:] if instruction not in group)
                program = [*program[:start], fused, *others]
        return program

    return rewrite


def _find_group(program: Program, image: Blob) -> Program:
    """The instructions whose tops depend on windows of the image, and on nothing else."""
    inside, group = {image}, []
    for instruction in program:
        is_chained = len(instruction.bottoms) == len(instruction.tops) == 1 and instruction.bottoms[0] in inside
        if is_chained and instruction.is_plain and instruction.operation.find_windows():
            inside.add(instruction.tops[0])
            group.append(instruction)
    return group


def _fuse(
    group: Program,
    readers: Mapping[Blob, Program],
    image: Blob,
    kept: Collection[Blob],
    shape_of: ShapeOf,
    memory_format: torch.memory_format,
) -> Instruction:
    tops = [
        instruction.tops[0]
        for instruction in group
        if instruction.tops[0] in kept or any(reader not in group for reader in readers.get(instruction.tops[0], ()))
    ]
    assign_frees(group, {image, *tops})
    return Instruction(BorderCache(group, image, tops, shape_of, memory_format), [image], tops)


class BorderCache(Operation):
    """A group of instructions as one operation, which computes the ``tops`` that others read from an ``image``."""

    def __init__(
        self, group: Program, image: Blob, tops: list[Blob], shape_of: ShapeOf, memory_format: torch.memory_format
    ) -> None:
        self._memory_format = memory_format
        self._group, self._image, self._tops, self._shape_of = group, image, tops, shape_of
        self._borders: OrderedDict[object, tuple[WindowPlan, dict[Blob, Border]]] = OrderedDict()
        layers = [each.operation for each in group if isinstance(each.operation, TorchLayer)]
        self._params = [param for layer in layers for param in layer.params]

    @property
    def is_recordable(self) -> bool:
        return all(instruction.operation.is_recordable for instruction in self._group)

    @property
    def remembered_state(self) -> object:
        return tuple((param.data_ptr(), param._version) for param in self._params)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops of an image."""
        (image,) = bottoms
        key = (image.shape[1:], self.remembered_state)
        if key in self._borders:
            self._borders.move_to_end(key)
            plan, borders = self._borders[key]
            return self._run_windows(image, plan, borders) if plan.is_worthwhile else self._run_whole(image, {})
        plan, borders = self._borders[key] = WindowPlan(self._group, self._image, self._tops, self._shape_of), {}
        if len(self._borders) > _MOST_SIZES:
            self._borders.popitem(last=False)
        return self._run_whole(image, borders, plan if plan.is_worthwhile else None)

    def _run_whole(self, image: Tensor, borders: dict[Blob, Border], plan: WindowPlan | None = None) -> list[Tensor]:
        """Run the instructions as they are; with a ``plan``, remember the ``borders``."""
        blobs = {self._image: image}
        for instruction in self._group:
            top = instruction.tops[0]
            y = instruction.run(blobs)[0]
            if plan and plan.computed[top] != plan.needed[top]:
                borders[top] = Border(y[:1], plan.computed[top], plan.needed[top])
        return [blobs[top] for top in self._tops]

    def _run_windows(self, image: Tensor, plan: WindowPlan, borders: Mapping[Blob, Border]) -> list[Tensor]:
        """Run the instructions on what depends on the image."""
        blobs = {self._image: image}
        for instruction in self._group:
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            region = plan.regions[top]
            part, operation = _cut(blobs[bottom], region.rect, plan.needed[bottom]), instruction.operation
            in_place = instruction.in_place
            y = operation.forward_in_place([part])[0] if in_place else operation.forward_part(part, region.pads)
            blobs[top] = borders[top].put_around(y, self._memory_format) if top in borders else y
            for blob in instruction.frees:
                del blobs[blob]
        return [blobs[top] for top in self._tops]


@dataclass(frozen=True)
class Region:
    """What an instruction reads of its bottom, and by how much it pads that (before, after) on each axis."""

    rect: Rect
    pads: Rect


class WindowPlan:
    """For one image size: what is ``computed`` of each blob, what of it is ``needed``, and the ``regions`` read.

    ``is_worthwhile`` is whether anything can be saved.
    """

    def __init__(self, group: Program, image: Blob, tops: Collection[Blob], shape_of: ShapeOf) -> None:
        def whole(blob: Blob) -> Rect:
            return tuple((0, size) for size in shape_of(blob)[2:])

        reached = {image: whole(image)}
        self.computed, self.needed = dict(reached), dict(reached)
        self.regions: dict[Blob, Region] = {}
        self.is_worthwhile = False
        for instruction in group:
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            windows = instruction.operation.find_windows()
            reached[top] = tuple(map(_find_reached, windows, reached[bottom], whole(top)))
            is_small = _area(reached[top]) <= _LARGEST_WINDOW * _area(whole(top))
            self.is_worthwhile |= is_small
            self.computed[top] = reached[top] if is_small else whole(top)
            self.needed[top] = whole(top) if top in tops else self.computed[top]
            reads = list(map(_find_read, windows, self.computed[top], whole(bottom)))
            self.regions[top] = Region(tuple(span for span, _ in reads), tuple(pads for _, pads in reads))
            self.needed[bottom] = tuple(map(_enclose, self.needed[bottom], self.regions[top].rect))


def _find_reached(window: Window, span: Span, whole: Span) -> Span:
    """The values of a top whose windows reach into a span of the bottom."""
    first = -(-(span[0] + window.pad - window.extent + 1) // window.stride)
    last = (span[1] - 1 + window.pad) // window.stride
    return max(first, 0), min(last + 1, whole[1])


def _find_read(window: Window, span: Span, whole: Span) -> tuple[Span, Span]:
    """The span of the bottom that a span of the top reads, and how far the windows leave the bottom at either end."""
    begin = span[0] * window.stride - window.pad
    end = (span[1] - 1) * window.stride - window.pad + window.extent
    inside = max(begin, 0), min(end, whole[1])
    return inside, (inside[0] - begin, end - inside[1])


def _enclose(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])


def _area(rect: Rect) -> int:
    return math.prod(end - begin for begin, end in rect)


def _cut(x: Tensor, rect: Rect, whole: Rect) -> Tensor:
    """A rectangle of a blob, from a tensor that holds the rectangle ``whole`` of it."""
    for axis, ((begin, end), (start, _)) in enumerate(zip(rect, whole, strict=True), 2):
        x = x.narrow(axis, begin - start, end - begin)
    return x


class Border:
    """Four strips around a window: what is ``needed`` of a blob but not ``computed`` for each image."""

    def __init__(self, blob: Tensor, computed: Rect, needed: Rect) -> None:
        (top, bottom), (left, right) = computed
        (first, last), columns = needed
        strips = [
            ((first, top), columns),
            ((bottom, last), columns),
            ((top, bottom), (columns[0], left)),
            ((top, bottom), (right, columns[1])),
        ]
        whole = tuple((0, size) for size in blob.shape[2:])
        self._computed, self._needed = computed, needed
        self._strips = [(rect, _cut(blob, rect, whole).clone()) for rect in strips if _area(rect)]

    def put_around(self, window: Tensor, memory_format: torch.memory_format) -> Tensor:
        """What is needed of the blob: the window with the border around it."""
        n, channels = window.shape[:2]
        sizes = [end - begin for begin, end in self._needed]
        result = torch.empty(
            (n, channels, *sizes), dtype=window.dtype, device=window.device, memory_format=memory_format
        )
        for rect, values in [(self._computed, window), *self._strips]:
            _cut(result, rect, self._needed).copy_(values)
        return result
