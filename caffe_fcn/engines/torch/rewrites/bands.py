"""Runs several instructions on one band of rows after another, so that large blobs between them are never there whole.

    conv1_1, conv1_2, pool1     of FCN-8s at 500 x 500: the first two have 66 MB each, a band of them 8 MB

A band of the last top reads a band of each blob before it. Neighbouring bands read some rows in common, which are
computed twice. All bands have the same height, so that libraries prepare once; the last one overlaps the one before.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from caffe_fcn.engines.torch.program import Instruction, Program
from caffe_fcn.engines.torch.rewrites.windows import Rect, Region, ShapeOf, Span, WindowPlan, cut, find_read
from caffe_fcn.net.graph import Blob

_LEAST_BYTES = 32 << 20  # of a blob of one image that is worth it
_BAND_BYTES = 8 << 20  # of the largest blob of a band
_BYTES = 4  # of a value


@dataclass(frozen=True)
class Band:
    """Rows of the last top, and what each instruction reads for them."""

    rows: Span
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Chain:
    """Instructions that each read the top of the one before, and the bands in which they run."""

    instructions: tuple[Instruction, ...]
    bands: tuple[Band, ...]
    columns: tuple[Span, ...]
    """Of each top, those that are computed."""

    def run(self, x: Tensor, held: Rect, place: Tensor) -> None:
        """Compute into ``place`` what is computed of the last top; ``x`` holds a rectangle of the first bottom."""
        first = self.bands[0].rows[0]
        for band in self.bands:
            y, rect = x, held
            tops = [*(region.rect[0] for region in band.regions[1:]), band.rows]
            for instruction, region, rows, columns in zip(
                self.instructions, band.regions, tops, self.columns, strict=True
            ):
                part, operation = cut(y, region.rect, rect), instruction.operation
                in_place = instruction.in_place
                y = operation.forward_in_place([part])[0] if in_place else operation.forward_part(part, region.pads)
                rect = rows, columns
            place[:, :, band.rows[0] - first : band.rows[1] - first].copy_(y)


def find_chains(
    group: Program, plan: WindowPlan, tops: Collection[Blob], readers: Mapping[Blob, Program], shape_of: ShapeOf
) -> dict[Instruction, Chain]:
    """The chains in a group of instructions, by their first ones. The ``tops`` of the group are made whole."""
    inner = {
        blob
        for blob in plan.computed
        if blob not in tops and blob not in plan.bordered and len(readers.get(blob, ())) == 1
    }
    chains: dict[Instruction, Chain] = {}
    rest = list(group)
    while rest:
        length = _measure_chain(rest, inner)
        chain, rest = rest[: max(length, 1)], rest[max(length, 1) :]
        if length:
            heights = _choose_rows(chain, plan, shape_of)
            if heights is not None:
                chains[chain[0]] = _make_chain(chain, plan, heights)
    return chains


def _measure_chain(program: Program, inner: Collection[Blob]) -> int:
    """How many of the first instructions make a chain: up to one that steps over rows; 0 if they make none."""
    if program[0].in_place:
        return 0
    for count, (instruction, follower) in enumerate(pairwise(program), 2):
        (top,) = instruction.tops
        if top not in inner or follower.bottoms != [top]:
            return 0
        if follower.operation.find_windows()[0].stride > 1:
            return count
    return 0


def _choose_rows(chain: Program, plan: WindowPlan, shape_of: ShapeOf) -> int | None:
    """How many rows of the last top a band has; None if all blobs between are small."""
    begin, end = plan.computed[chain[-1].tops[0]][0]
    sizes = [
        shape_of(top)[1] * math.prod(last - first for first, last in plan.computed[top]) * _BYTES
        for instruction in chain[:-1]
        for top in instruction.tops
    ]
    if max(sizes) < _LEAST_BYTES:
        return None
    bands = -(-max(sizes) // _BAND_BYTES)
    return -(-(end - begin) // bands)


def _make_chain(chain: Program, plan: WindowPlan, height: int) -> Chain:
    begin, end = plan.computed[chain[-1].tops[0]][0]
    starts = [min(start, end - height) for start in range(begin, end, height)]
    bands = tuple(_make_band(chain, plan, (start, start + height)) for start in starts)
    return Chain(tuple(chain), bands, tuple(plan.computed[each.tops[0]][1] for each in chain))


def _make_band(chain: Program, plan: WindowPlan, rows: Span) -> Band:
    """What the instructions read for some rows of the last top."""
    regions, span = [], rows
    for instruction in reversed(chain):
        (bottom,), (top,) = instruction.bottoms, instruction.tops
        window, whole = instruction.operation.find_windows()[0], (0, plan.sizes[bottom][0])
        read, pads = find_read(window, span, whole)
        region = plan.regions[top]
        regions.append(Region((read, region.rect[1]), (pads, region.pads[1])))
        span = read
    return Band(rows, tuple(reversed(regions)))
