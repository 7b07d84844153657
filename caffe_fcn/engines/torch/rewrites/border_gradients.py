"""Borders in training: computed in every pass, since the weights have changed, and with gradients.

A pixel of the small image stands for all pixels of a border that are equal to it (`borders`). They are the same
function of the weights, so its gradient is the sum of theirs, and the gradients of the weights are those of the whole
blobs, but for the order of the sums. A window and its border are saved for the backward pass as one blob, and a ReLU
writes into that blob at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.neurons import ReLU
from caffe_fcn.engines.torch.program import Instruction
from caffe_fcn.engines.torch.rewrites.bands import Chain
from caffe_fcn.engines.torch.rewrites.border_cache import BorderCache
from caffe_fcn.engines.torch.rewrites.borders import Borders, SmallImage
from caffe_fcn.engines.torch.rewrites.windows import Rect, WindowPlan
from caffe_fcn.net.graph import Blob


class LearningBorders(BorderCache):
    """A group of instructions as one operation, whose borders get gradients."""

    def _find_chains(self, windows: WindowPlan) -> dict[Instruction, Chain]:
        return {}  # the backward pass reads all blobs

    def _find_borders(self, image: Tensor, small: SmallImage) -> Borders:
        return small.compute_borders(image)

    def _put_around(self, y: Tensor, top: Blob, small: SmallImage, borders: Borders, rectifies: bool = False) -> Tensor:
        result: Tensor = _Surround.apply(y, borders[top], top, small, self._memory_format, rectifies)
        return result

    def _run_part(
        self, instruction: Instruction, part: Tensor, pads: Rect, small: SmallImage, borders: Borders
    ) -> Tensor:
        """The top of a part of the bottom, with its border."""
        (top,), operation = instruction.tops, instruction.operation
        if (
            top in borders
            and instruction.in_place
            and isinstance(operation, ReLU)
            and not operation.param.negative_slope
        ):
            return self._put_around(part, top, small, borders, rectifies=True)
        return super()._run_part(instruction, part, pads, small, borders)


class _Surround(torch.autograd.Function):
    """Puts the border of the blob ``top`` around a window, of which negative values become 0 if ``rectifies``."""

    @staticmethod
    def forward(
        ctx: Any,
        window: Tensor,
        kept: Tensor,
        top: Blob,
        small: SmallImage,
        memory_format: torch.memory_format,
        rectifies: bool,
    ) -> Tensor:
        result = small.put_around(window, top, {top: kept}, memory_format, rectifies)
        ctx.save_for_backward(result if rectifies else None, kept)
        ctx.top, ctx.small = top, small
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        result, kept = ctx.saved_tensors
        of_window = of_kept = None
        if ctx.needs_input_grad[0]:
            of_window = ctx.small.cut_window(gradient, ctx.top)
            if result is not None:
                of_window = torch.ops.aten.threshold_backward(of_window, ctx.small.cut_window(result, ctx.top), 0)
        if ctx.needs_input_grad[1]:
            of_kept = ctx.small.sum_border(gradient, ctx.top, kept)
        return of_window, of_kept, None, None, None, None
