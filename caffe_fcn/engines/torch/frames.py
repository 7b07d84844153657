"""What an image does not reach is computed once for each size of images.

A net that pads its first convolution by 100 computes for the most part on padding: at 500 x 500, half of what
FCN-8s does before its second pooling. What comes of padding alone is the same for every image. So the first image
of a size is computed literally, and of each blob the frame that the image did not reach is remembered, as far as
somebody reads it; for all further images the window that they do reach is computed and put into its frame.

    data 500   conv1_1 502 of 698   conv1_2 504 of 698   pool1 253 of 349   ...   conv5_3 44 of 44
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.program import Rewrite, Step, free, readers
from caffe_fcn.engines.torch.registry import Computes, Layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_WORTH_IT = 0.9  # of a blob: a window of more is not worth the frame
_SIZES = 16  # whose frames are remembered; at 500 x 500 those of FCN-8s take 12 MB

Span: TypeAlias = tuple[int, int]
Rect: TypeAlias = tuple[Span, ...]


def rewriter(images: Collection[Blob], shape_of: Callable[[Blob], Shape]) -> Rewrite:
    """A rewrite that puts all steps from an image on that see windows of it into one, for each of the images."""

    def rewritten(steps: list[Step], kept: Collection[Blob]) -> list[Step]:
        for image in images:
            group = _seeing_windows(steps, image) if len(shape_of(image)) == 4 else []
            if group:
                whole = _grouped(group, readers(steps), image, kept, shape_of)
                place = steps.index(group[0])
                steps = [*steps[:place], whole, *(step for step in steps[place:] if step not in group)]
        return steps

    return rewritten


def _seeing_windows(steps: list[Step], image: Blob) -> list[Step]:
    inside, group = {image}, []
    for step in steps:
        if step.layer.sees() and step.plain and len(step.bottoms) == len(step.tops) == 1 and step.bottoms[0] in inside:
            inside.add(step.tops[0])
            group.append(step)
    return group


def _grouped(
    group: list[Step],
    read_by: Mapping[Blob, list[Step]],
    image: Blob,
    kept: Collection[Blob],
    shape_of: Callable[[Blob], Shape],
) -> Step:
    tops = [
        step.tops[0]
        for step in group
        if step.tops[0] in kept or any(reader not in group for reader in read_by.get(step.tops[0], ()))
    ]
    free(group, {image, *tops})
    return Step(Framed(group, image, tops, shape_of), [image], tops)


class Framed(Computes):
    """The steps of a group as one, from an ``image`` to the blobs that others read."""

    def __init__(self, steps: list[Step], image: Blob, tops: list[Blob], shape_of: Callable[[Blob], Shape]) -> None:
        self._steps, self._image, self._tops, self._shape_of = steps, image, tops, shape_of
        self._remembered: OrderedDict[object, dict[Blob, Frame]] = OrderedDict()
        self._params = [param for step in steps if isinstance(step.layer, Layer) for param in step.layer.params]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops of an image."""
        (image,) = bottoms
        key = (image.shape[1:], tuple((param.data_ptr(), param._version) for param in self._params))
        plan = Plan(self._steps, self._image, self._tops, self._shape_of)
        if not plan.windowed:
            return self._literally(image, {})
        frames = self._remembered.get(key)
        if frames is not None:
            self._remembered.move_to_end(key)
            return self._windowed(image, plan, frames)
        self._remembered[key] = frames = {}
        if len(self._remembered) > _SIZES:
            self._remembered.popitem(last=False)
        return self._literally(image, frames, plan)

    def _literally(self, image: Tensor, frames: dict[Blob, Frame], plan: Plan | None = None) -> list[Tensor]:
        live = {self._image: image}
        for step in self._steps:
            top = step.tops[0]
            y = step.run(live)[0]
            if plan and plan.held[top] != plan.needed[top]:
                frames[top] = Frame(y[:1], plan.held[top], plan.needed[top])
        return [live[top] for top in self._tops]

    def _windowed(self, image: Tensor, plan: Plan, frames: Mapping[Blob, Frame]) -> list[Tensor]:
        live = {self._image: image}
        for step in self._steps:
            (bottom,), (top,) = step.bottoms, step.tops
            piece = plan.pieces[top]
            part = _cut(live[bottom], piece.reads, plan.needed[bottom])
            y = step.layer.overwriting([part])[0] if step.overwrites else step.layer.within(part, piece.pads)
            live[top] = frames[top].around(y) if top in frames else y
            for blob in step.frees:
                del live[blob]
        return [live[top] for top in self._tops]


@dataclass(frozen=True)
class Piece:
    """What a step reads of its bottom, and how far that is padded, on every axis, before and behind."""

    reads: Rect
    pads: Rect


class Plan:
    """For images of one size: of every blob what is computed (``held``) and what somebody reads (``needed``)."""

    def __init__(
        self, steps: Sequence[Step], image: Blob, tops: Collection[Blob], shape_of: Callable[[Blob], Shape]
    ) -> None:
        def whole(blob: Blob) -> Rect:
            return tuple((0, size) for size in shape_of(blob)[2:])

        reached = {image: whole(image)}
        self.held, self.needed = dict(reached), dict(reached)
        self.pieces: dict[Blob, Piece] = {}
        self.windowed = False
        for step in steps:
            (bottom,), (top,) = step.bottoms, step.tops
            windows = step.layer.sees()
            reached[top] = tuple(map(_reached, windows, reached[bottom], whole(top)))
            worth_it = _area(reached[top]) <= _WORTH_IT * _area(whole(top))
            self.windowed |= worth_it
            self.held[top] = reached[top] if worth_it else whole(top)
            self.needed[top] = whole(top) if top in tops else self.held[top]
            ends = list(map(_read, windows, self.held[top], whole(bottom)))
            self.pieces[top] = Piece(tuple(end[0] for end in ends), tuple(end[1] for end in ends))
            self.needed[bottom] = tuple(map(_hull, self.needed[bottom], self.pieces[top].reads))


def _reached(window: Window, span: Span, whole: Span) -> Span:
    """The places whose windows reach into a span."""
    first = -(-(span[0] + window.pad - window.extent + 1) // window.stride)
    last = (span[1] - 1 + window.pad) // window.stride
    return max(first, 0), min(last + 1, whole[1])


def _read(window: Window, span: Span, whole: Span) -> tuple[Span, Span]:
    """What the windows of some places read of a whole, and how far they run out of it before and behind."""
    begin = span[0] * window.stride - window.pad
    end = (span[1] - 1) * window.stride - window.pad + window.extent
    inside = max(begin, 0), min(end, whole[1])
    return inside, (inside[0] - begin, end - inside[1])


def _hull(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])


def _area(rect: Rect) -> int:
    return math.prod(end - begin for begin, end in rect)


def _cut(x: Tensor, rect: Rect, held: Rect) -> Tensor:
    """A rectangle out of a tensor that holds another one."""
    for axis, ((begin, end), (start, _)) in enumerate(zip(rect, held, strict=True), 2):
        x = x.narrow(axis, begin - start, end - begin)
    return x


class Frame:
    """What lies around a window: four strips, of all that is ``needed`` but ``held``."""

    def __init__(self, x: Tensor, held: Rect, needed: Rect) -> None:
        (top, bottom), (left, right) = held
        (first, last), columns = needed
        strips = [
            ((first, top), columns),
            ((bottom, last), columns),
            ((top, bottom), (columns[0], left)),
            ((top, bottom), (right, columns[1])),
        ]
        everything = tuple((0, size) for size in x.shape[2:])
        self._held, self._needed = held, needed
        self._strips = [(rect, _cut(x, rect, everything).clone()) for rect in strips if _area(rect)]

    def around(self, window: Tensor) -> Tensor:
        """The window in its frame."""
        n, channels = window.shape[:2]
        sizes = [end - begin for begin, end in self._needed]
        framed = torch.empty(
            (n, channels, *sizes), dtype=window.dtype, device=window.device, memory_format=torch.channels_last
        )
        for rect, values in [(self._held, window), *self._strips]:
            _cut(framed, rect, self._needed).copy_(values)
        return framed
