"""A rewrite that computes the border of a blob, which depends on padding alone, once for images of all sizes.

A net that pads its first convolution by 100 spends most of its time on padding: at 500 x 500, half of what FCN-8s
computes before its second pooling. For every image only the window that depends on it is computed, and put inside the
border, which a small image of zeros gives (`borders`).

    data 500   conv1_1 502 of 698   conv1_2 504 of 698   pool1 253 of 349   ...   conv5_3 44 of 44
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from caffe_fcn.engines.torch.program import Instruction, Program, Rewrite, assign_frees, find_readers
from caffe_fcn.engines.torch.registry import Operation
from caffe_fcn.engines.torch.rewrites.bands import Chain, find_chains
from caffe_fcn.engines.torch.rewrites.borders import Borders, SmallImage
from caffe_fcn.engines.torch.rewrites.windows import Rect, ShapeOf, WindowPlan, cut, measure_area
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_MOST_BYTES = 64 << 20  # of borders that are remembered; for FCN-8s and one remainder of sizes they take 0.6 MB
_MOST_PLANS = 256  # sizes whose plans are remembered


def make_border_rewrite(
    images: Collection[Blob],
    shape_of: ShapeOf,
    memory_format: torch.memory_format = torch.channels_last,
    kind: type[BorderCache] | None = None,
) -> Rewrite:
    """A rewrite that replaces all instructions which see windows of an image by one, for each of the ``images``.

    ``memory_format`` is that of the blobs which are put together from a window and a border; ``kind`` is the operation,
    by default `BorderCache`.
    """

    def rewrite(program: Program, kept: Collection[Blob]) -> Program:
        for image in images:
            group = _find_group(program, image) if len(shape_of(image)) == 4 else []
            if group:
                tops = _list_tops(group, find_readers(program), kept)
                assign_frees(group, {image, *tops})
                operation = (kind or BorderCache)(group, image, tops, shape_of, memory_format)
                fused = Instruction(operation, [image], tops)
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


def _list_tops(group: Program, readers: Mapping[Blob, Program], kept: Collection[Blob]) -> list[Blob]:
    """What is read of the group's blobs elsewhere, or kept."""
    return [
        instruction.tops[0]
        for instruction in group
        if instruction.tops[0] in kept or any(reader not in group for reader in readers.get(instruction.tops[0], ()))
    ]


class _Plan(NamedTuple):
    """How an image of one size is computed."""

    windows: WindowPlan
    small: SmallImage
    chains: Mapping[Instruction, Chain]


class BorderCache(Operation):
    """A group of instructions as one operation, which computes the ``tops`` that others read from an ``image``."""

    def __init__(
        self, group: Program, image: Blob, tops: list[Blob], shape_of: ShapeOf, memory_format: torch.memory_format
    ) -> None:
        self._memory_format = memory_format
        self._group, self._image, self._tops, self._shape_of = group, image, tops, shape_of
        self._plans: OrderedDict[Shape, _Plan] = OrderedDict()
        self._borders: OrderedDict[object, Borders] = OrderedDict()
        self._state: object = None  # of the weights that made the borders
        self._recorded: list[Borders] = []  # which recordings on a GPU read

    @property
    def is_recordable(self) -> bool:
        return all(instruction.operation.is_recordable for instruction in self._group)

    def list_params(self) -> list[Tensor]:
        return [param for instruction in self._group for param in instruction.operation.list_params()]

    @property
    def remembered_state(self) -> object:
        return tuple((param.data_ptr(), param._version) for param in self.list_params())

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops of an image."""
        (image,) = bottoms
        plan = self._find_plan(tuple(image.shape[1:]), image.is_cuda)
        if not plan.windows.is_worthwhile and not plan.chains:
            return self._run_whole(image)
        return self._run_windows(image, plan, self._find_borders(image, plan.small))

    def list_whole(self, shape: Shape) -> Program:
        """The instructions, if images of this shape (N x C x H x W) are computed whole by them; else none."""
        plan = self._find_plan(shape[1:], is_on_gpu=False)
        return [] if plan.windows.is_worthwhile or plan.chains else self._group

    def _find_plan(self, shape: Shape, is_on_gpu: bool) -> _Plan:
        if shape not in self._plans:
            windows = WindowPlan(self._group, self._image, self._tops, self._shape_of)
            small = SmallImage(self._group, self._image, windows)
            chains = {} if is_on_gpu else self._find_chains(windows)
            self._plans[shape] = _Plan(windows, small, chains)
            for instruction in self._group:
                instruction.operation.prepare(measure_area(windows.computed[instruction.tops[0]]))
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(shape)
        return self._plans[shape]

    def _find_chains(self, windows: WindowPlan) -> dict[Instruction, Chain]:
        return find_chains(self._group, windows, self._tops, find_readers(self._group), self._shape_of)

    def _find_borders(self, image: Tensor, small: SmallImage) -> Borders:
        state = self.remembered_state
        if state != self._state:
            self._borders.clear()
            self._recorded.clear()
            self._state = state
        if small.key not in self._borders:
            self._borders[small.key] = small.compute_borders(image)
            while len(self._borders) > 1 and sum(map(_count_bytes, self._borders.values())) > _MOST_BYTES:
                self._borders.popitem(last=False)
        self._borders.move_to_end(small.key)
        borders = self._borders[small.key]
        if image.is_cuda and torch.cuda.is_current_stream_capturing():
            self._recorded.append(borders)
        return borders

    def _run_whole(self, image: Tensor) -> list[Tensor]:
        """Run the instructions as they are."""
        blobs = {self._image: image}
        for instruction in self._group:
            instruction.run(blobs)
        return [blobs[top] for top in self._tops]

    def _run_windows(self, image: Tensor, plan: _Plan, borders: Borders) -> list[Tensor]:
        """Run the instructions on what depends on the image."""
        blobs = {self._image: image}
        program = iter(self._group)
        for instruction in program:
            (bottom,), (top,) = instruction.bottoms, instruction.tops
            done = [instruction]
            if chain := plan.chains.get(instruction):
                done += [next(program) for _ in chain.instructions[1:]]
                blobs[done[-1].tops[0]] = self._run_chain(chain, blobs[bottom], plan, borders)
            else:
                region = plan.windows.regions[top]
                part = cut(blobs[bottom], region.rect, plan.windows.needed[bottom])
                blobs[top] = self._run_part(instruction, part, region.pads, plan.small, borders)
            for blob in (blob for each in done for blob in each.frees):
                blobs.pop(blob, None)  # those inside of a chain were never there
        return [blobs[top] for top in self._tops]

    def _run_chain(self, chain: Chain, x: Tensor, plan: _Plan, borders: Borders) -> Tensor:
        """The last top of a chain, with its border."""
        bottom, top = chain.instructions[0].bottoms[0], chain.instructions[-1].tops[0]
        if top in borders:
            result, room = plan.small.make_border(len(x), top, borders, self._memory_format)
        else:
            shape = (len(x), self._shape_of(top)[1], *(end - begin for begin, end in plan.windows.computed[top]))
            result = room = torch.empty(shape, dtype=x.dtype, memory_format=self._memory_format)
        chain.run(x, plan.windows.needed[bottom], room)
        return result

    def _run_part(
        self, instruction: Instruction, part: Tensor, pads: Rect, small: SmallImage, borders: Borders
    ) -> Tensor:
        """The top of a part of the bottom, with its border."""
        (top,), operation = instruction.tops, instruction.operation
        in_place = instruction.in_place
        y = operation.forward_in_place([part])[0] if in_place else operation.forward_part(part, pads)
        return self._put_around(y, top, small, borders) if top in borders else y

    def _put_around(self, y: Tensor, top: Blob, small: SmallImage, borders: Borders) -> Tensor:
        return small.put_around(y, top, borders, self._memory_format)


def _count_bytes(borders: Borders) -> int:
    return sum(each.nbytes for each in borders.values())
