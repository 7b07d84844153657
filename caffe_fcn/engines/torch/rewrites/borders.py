"""The borders of all blobs for an image of any size, from one small image of zeros.

A value in a border depends on padding alone, so it is the same for an image of zeros. There all pixels that are far
enough from the edges of every blob are equal, and a longer image only has more of them: along each axis a blob is a
head, equal pixels, and a tail.

    rows of conv5_1, at 500 pixels   0 1 2 3 | 4 ... 39 | 40 41 42 43
    in the small image               0 1 2 3 |    4     |  5  6  7  8

What the tail holds depends on the size of the image modulo the strides up to the blob, because of windows that run
over the edge. So the small image has the smallest size with the same remainder. A convolution pads by zeros, which are
the same as pixels of this image: the size may even be negative, if all first layers are convolutions that pad enough.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import pairwise, product
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.convolution import Convolution
from caffe_fcn.engines.torch.program import Instruction, Program
from caffe_fcn.engines.torch.rewrites.convolution_fusion import FusedConvolution
from caffe_fcn.engines.torch.rewrites.windows import Rect, Span, WindowPlan, cut
from caffe_fcn.net.graph import Blob


class Profile(NamedTuple):
    """How many pixels a blob of the small image has along one axis before and after those that are equal.

    One of the equal pixels is kept for all. Where the image cannot be made smaller, the whole blob is the ``head``.
    """

    head: int
    tail: int

    def find_source(self, span: Span, size: int) -> Span:
        """Which of the kept pixels a span holds, in a blob of the given ``size``; of the equal ones, the one."""
        begin, end = span
        if end <= self.head:
            return span
        if begin >= size - self.tail:
            shift = self.head + 1 + self.tail - size
            return begin + shift, end + shift
        return self.head, self.head + 1


Borders: TypeAlias = Mapping[Blob, Tensor]
"""The kept pixels of each blob that has a border: 1 x C x height x width."""


class SmallImage:
    """The small image for a `WindowPlan`, and the borders that it gives."""

    def __init__(self, group: Program, image: Blob, plan: WindowPlan) -> None:
        self._image, self._plan = image, plan
        self._program = _select_makers(group, plan.bordered)
        self._strides = _multiply_strides(self._program, image)
        self._first = [each for each in self._program if each.bottoms[0] == image]
        shrunk = [self._shrink(axis) for axis in range(len(plan.sizes[image]))]
        self._size = tuple(size for size, _ in shrunk)
        self._profiles = {blob: [profiles[blob] for _, profiles in shrunk] for blob in plan.bordered}
        self._pieces = {blob: self._list_pieces(blob) for blob in plan.bordered}

    @property
    def key(self) -> object:
        """What the borders depend on, besides the weights."""
        return self._size, tuple(self._plan.bordered)

    def compute_borders(self, image: Tensor) -> dict[Blob, Tensor]:
        """Run the instructions on zeros, of the type of ``image`` and on its device."""
        blobs: dict[Blob, Tensor] = {}
        borders: dict[Blob, Tensor] = {}
        unread = Counter(each.bottoms[0] for each in self._program)
        for instruction in self._program:
            (bottom,), (top,), operation = instruction.bottoms, instruction.tops, instruction.operation
            if bottom == self._image:
                pads = [window.pad for window in operation.find_windows()] if _pads_by_zeros(instruction) else [0, 0]
                sizes = [size + 2 * pad for size, pad in zip(self._size, pads, strict=True)]
                zeros = image.new_zeros((1, image.shape[1], *sizes))
                is_padded = any(pads)
                y = operation.forward_part(zeros, [(0, 0)] * 2) if is_padded else operation.forward([zeros])[0]
            else:
                run = operation.forward_in_place if instruction.in_place else operation.forward
                y = run([blobs[bottom]])[0]
                unread[bottom] -= 1
                if not unread[bottom]:
                    del blobs[bottom]
            blobs[top] = y
            if top in self._profiles:
                borders[top] = _keep(y[:1], self._profiles[top])
        return borders

    def put_around(
        self,
        window: Tensor,
        blob: Blob,
        borders: Borders,
        memory_format: torch.memory_format,
        rectifies: bool = False,
    ) -> Tensor:
        """What is needed of a blob: the ``window`` that was computed, with the border around it.

        If it ``rectifies``, negative values of the window become 0.
        """
        result, room = self.make_border(len(window), blob, borders, memory_format)
        if rectifies:
            torch.clamp(window, min=0, out=room)
        else:
            room.copy_(window)
        return result

    def make_border(
        self, count: int, blob: Blob, borders: Borders, memory_format: torch.memory_format
    ) -> tuple[Tensor, Tensor]:
        """What is needed of a blob, for ``count`` images, with its border in it; and the room for the window in it."""
        needed, kept = self._plan.needed[blob], borders[blob]
        shape = (count, kept.shape[1], *(end - begin for begin, end in needed))
        result = torch.empty(shape, dtype=kept.dtype, device=kept.device, memory_format=memory_format)
        for rect, source in self._pieces[blob]:
            cut(result, rect, needed).copy_(kept[:, :, slice(*source[0]), slice(*source[1])])
        return result, cut(result, self._plan.computed[blob], needed)

    def cut_window(self, x: Tensor, blob: Blob) -> Tensor:
        """The window of what `put_around` made for a blob, or of its gradient."""
        return cut(x, self._plan.computed[blob], self._plan.needed[blob])

    def sum_border(self, gradient: Tensor, blob: Blob, kept: Tensor) -> Tensor:
        """The gradient of the ``kept`` pixels of a blob, from that of what `put_around` made."""
        result = torch.zeros_like(kept)
        for rect, source in self._pieces[blob]:
            part = cut(gradient, rect, self._plan.needed[blob]).sum(0, keepdim=True)
            for axis, ((begin, end), (first, last)) in enumerate(zip(rect, source, strict=True), 2):
                if last - first != end - begin:  # all of them are one pixel
                    part = part.sum(axis, keepdim=True)
            result[:, :, slice(*source[0]), slice(*source[1])] += part
        return result

    def _shrink(self, axis: int) -> tuple[int, dict[Blob, Profile]]:
        """The size of the small image along an axis, and the profiles that its blobs have there."""
        size = self._plan.sizes[self._image][axis]
        step = math.lcm(*(self._strides[blob][axis] for blob in self._plan.bordered))
        pads = [each.operation.find_windows()[axis].pad for each in self._first]
        least = -2 * max(pads, default=0) if all(map(_pads_by_zeros, self._first)) else 1
        for smaller in range(least + (size - least) % step, size, step):
            profiles = self._find_profiles(axis, smaller)
            if profiles is not None:
                return smaller, profiles
        return size, {blob: Profile(self._plan.sizes[blob][axis], 0) for blob in self._plan.bordered}

    def _find_profiles(self, axis: int, smaller: int) -> dict[Blob, Profile] | None:
        """The profiles of the blobs for a size of the image; None if one of them has no pixel between head and tail."""
        less = self._plan.sizes[self._image][axis] - smaller
        equal: dict[Blob, Span] = {self._image: (0, smaller)}
        profiles: dict[Blob, Profile] = {}
        for instruction in self._program:
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            window = instruction.operation.find_windows()[axis]
            size = self._plan.sizes[top][axis] - less // self._strides[top][axis]
            if bottom == self._image and _pads_by_zeros(instruction):
                begin, end = 0, size
            else:
                begin = max(-(-(equal[bottom][0] + window.pad) // window.stride), 0)
                end = min((equal[bottom][1] - window.extent + window.pad) // window.stride + 1, size)
            if begin >= end:
                return None
            equal[top] = begin, end
            profiles[top] = Profile(begin, size - end)
        return profiles

    def _list_pieces(self, blob: Blob) -> list[tuple[Rect, Rect]]:
        """The rectangles that make up the border of a blob, each with where its values are among the kept pixels."""
        rows, columns = map(
            _list_segments,
            self._profiles[blob],
            self._plan.sizes[blob],
            self._plan.needed[blob],
            self._plan.computed[blob],
        )
        return [
            ((row.span, column.span), (row.source, column.source))
            for row, column in product(rows, columns)
            if not (row.is_computed and column.is_computed)
        ]


class _Segment(NamedTuple):
    """A span of a blob along one axis, where its values are among the kept pixels, and whether it is computed."""

    span: Span
    source: Span
    is_computed: bool


def _list_segments(profile: Profile, size: int, needed: Span, computed: Span) -> list[_Segment]:
    """The needed span in pieces, each of which is head, equal pixels or tail, and computed or not."""
    cuts = profile.head, size - profile.tail, *computed
    places = sorted({*needed, *(each for each in cuts if needed[0] < each < needed[1])})
    return [
        _Segment(span, profile.find_source(span, size), computed[0] <= span[0] and span[1] <= computed[1])
        for span in pairwise(places)
    ]


def _select_makers(group: Program, wanted: Collection[Blob]) -> Program:
    """The instructions that make the ``wanted`` blobs, and those that make what these read."""
    read, selected = set(wanted), []
    for instruction in reversed(group):
        if instruction.tops[0] in read:
            read.add(instruction.bottoms[0])
            selected.append(instruction)
    return selected[::-1]


def _multiply_strides(program: Program, image: Blob) -> dict[Blob, tuple[int, ...]]:
    """How many pixels of the image one step in each blob is, on each axis."""
    strides: dict[Blob, tuple[int, ...]] = {image: (1, 1)}
    for instruction in program:
        own = (window.stride for window in instruction.operation.find_windows())
        pairs = zip(strides[instruction.bottoms[0]], own, strict=True)
        strides[instruction.tops[0]] = tuple(before * stride for before, stride in pairs)
    return strides


def _pads_by_zeros(instruction: Instruction) -> bool:
    return isinstance(instruction.operation, (Convolution, FusedConvolution))


def _keep(blob: Tensor, profiles: Collection[Profile]) -> Tensor:
    """The pixels of a blob that profiles keep."""
    for axis, (head, tail) in enumerate(profiles, 2):
        size = blob.shape[axis]
        before = blob.narrow(axis, 0, min(head + 1, size))
        blob = torch.cat([before, blob.narrow(axis, size - tail, tail)], axis) if tail else before
    return blob.clone()
