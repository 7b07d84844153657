"""A rewrite that computes a Deconvolution which interpolates, and its Crop, as two matrix products.

Bilinear interpolation is separable: a product with a matrix of the kernel's taps along the rows, and another along
the columns. Only the pixels that the Crop keeps are computed, 500 x 500 of the 568 x 568 that FCN-8s upsamples to.
And each class is computed from its own scores; the Deconvolution multiplies those of all classes, mostly by 0.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.convolution import Deconvolution
from caffe_fcn.engines.torch.layers.shaping import Crop
from caffe_fcn.engines.torch.program import Instruction, Program, find_readers
from caffe_fcn.engines.torch.registry import Operation
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob

_ROUNDING = 1e-6  # relative: how far a kernel may be from the product of its middle row and column

Taps: TypeAlias = tuple[Tensor, Tensor]
"""A kernel's taps along the rows and along the columns, whose product it is."""


def fuse_upscores(program: Program, kept: Collection[Blob]) -> Program:
    """Replace each frozen Deconvolution, and the Crop that alone reads it, by one instruction (a `Rewrite`)."""
    readers = find_readers(program)
    makers = {top: instruction for instruction in program for top in instruction.tops}
    result, replaced = [], set()
    for instruction in program:
        up = makers.get(instruction.bottoms[0])
        is_private = up and up.tops[0] not in kept and len(readers[up.tops[0]]) == 1
        if up and is_private and (fused := _try_to_fuse(up, instruction)):
            result.append(Instruction(fused, [up.bottoms[0], instruction.bottoms[1]], instruction.tops))
            replaced.add(up)
        else:
            result.append(instruction)
    return [instruction for instruction in result if instruction not in replaced]


def _try_to_fuse(first: Instruction, second: Instruction) -> CroppedUpscore | None:
    """The two as one operation; None unless they are a frozen Deconvolution and a Crop of height and width."""
    up, crop = first.operation, second.operation
    if not (isinstance(up, Deconvolution) and isinstance(crop, Crop) and first.is_plain and second.is_plain):
        return None
    learns = any(param.requires_grad for param in up.params)
    is_plane = up.axis == 1 and len(up.windows) == 2 and all(window.dilation == 1 for window in up.windows)
    return CroppedUpscore(up, crop) if is_plane and not learns and crop.param.axis in (2, -2) else None


class CroppedUpscore(Operation):
    """A Deconvolution and its Crop: two matrix products if the weights interpolate, otherwise the layers themselves."""

    def __init__(self, up: Deconvolution, crop: Crop) -> None:
        self._up, self._crop = up, crop
        self._cached: tuple[object, Taps | None] = (None, None)  # the state of the weights, and their taps

    @property
    def remembered_state(self) -> object:
        weights = self._up.params[0]
        return weights.data_ptr(), weights._version

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The cropped upscore, from the scores and the blob whose size the Crop takes."""
        x, reference = bottoms
        taps = self._find_taps()
        if taps is None:
            return self._crop.forward([self._up.forward([x])[0], reference])
        offsets = list(self._crop.param.offset) or [0]
        offsets = offsets * 2 if len(offsets) == 1 else offsets
        rows, columns = (
            _make_matrix(*each)
            for each in zip(taps, self._up.windows, offsets, x.shape[2:], reference.shape[2:], strict=True)
        )
        with torch.autocast(x.device.type, enabled=False):  # the scores that are compared keep their precision
            y = rows @ (x.to(rows.dtype) @ columns.T)
        return [y if self._up.bias is None else y + self._up.bias[:, None, None]]

    def _find_taps(self) -> Taps | None:
        """The kernel's taps, found again only if the weights have changed."""
        state = self.remembered_state
        if self._cached[0] != state:
            self._cached = (state, _separate(self._up.params[0].detach(), self._up.param.group))
        return self._cached[1]


def _separate(weights: Tensor, group: int) -> Taps | None:
    """The taps whose product is the kernel from each channel to itself; None if the weights are anything else."""
    channels, width = weights.shape[:2]
    if (group, width) not in ((1, channels), (channels, 1)):
        return None
    own = torch.arange(channels, device=weights.device) % width
    kernels = weights[torch.arange(channels, device=weights.device), own]
    peak = int(kernels[0].abs().argmax())
    row, column = divmod(peak, weights.shape[3])
    if not kernels[0, row, column]:
        return None
    vertical, horizontal = kernels[0, :, column], kernels[0, row] / kernels[0, row, column]
    allowed = _ROUNDING * kernels[0].abs().max()
    if (kernels - torch.outer(vertical, horizontal)).abs().max() > allowed:
        return None
    if weights.count_nonzero() != kernels.count_nonzero():
        return None
    return vertical, horizontal


def _make_matrix(taps: Tensor, window: Window, offset: int, size: int, wanted: int) -> Tensor:
    """The matrix from ``size`` pixels to the ``wanted`` pixels that begin at ``offset``, along one axis."""
    places = torch.arange(wanted, device=taps.device)[:, None] + offset + window.pad
    index = places - torch.arange(size, device=taps.device) * window.stride
    return torch.where((index >= 0) & (index < len(taps)), taps[index.clamp(0, len(taps) - 1)], taps.new_zeros(()))
