"""An upscore that interpolates, and its Crop, as two matrix products.

Interpolation is a product along each axis: of the kernel's taps with the rows, then with the columns. Only what
the Crop keeps is computed: 500 x 500 of the 568 x 568 pixels that FCN-8s makes, and each from the few that it
depends on instead of from all channels.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.convolution import Deconvolution
from caffe_fcn.engines.torch.layers.shaping import Crop
from caffe_fcn.engines.torch.program import Step, readers
from caffe_fcn.engines.torch.registry import Computes
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob

_ROUNDING = 1e-6  # relative: what a kernel may differ from the product of its own row and column

Taps: TypeAlias = tuple[Tensor, Tensor]


def rewritten(steps: list[Step], kept: Collection[Blob]) -> list[Step]:
    """Steps in which each frozen upscore and the Crop that alone reads it are one."""
    read_by, makers = readers(steps), {top: step for step in steps for top in step.tops}
    result, replaced = [], set()
    for step in steps:
        up = makers.get(step.bottoms[0])
        if up and up.tops[0] not in kept and len(read_by[up.tops[0]]) == 1 and (pair := _pair(up, step)):
            result.append(Step(pair, [up.bottoms[0], step.bottoms[1]], step.tops))
            replaced.add(up)
        else:
            result.append(step)
    return [step for step in result if step not in replaced]


def _pair(first: Step, second: Step) -> Interpolation | None:
    """An upscore and its Crop, of which nothing speaks against their being one."""
    up, crop = first.layer, second.layer
    if not (isinstance(up, Deconvolution) and isinstance(crop, Crop) and first.plain and second.plain):
        return None
    learns = any(param.requires_grad for param in up.params)
    flat = up.axis == 1 and len(up.windows) == 2 and all(window.dilation == 1 for window in up.windows)
    return Interpolation(up, crop) if flat and not learns and crop.param.axis in (2, -2) else None


class Interpolation(Computes):
    """A Deconvolution and a Crop of it; literally those two where the weights do not interpolate."""

    def __init__(self, up: Deconvolution, crop: Crop) -> None:
        self._up, self._crop = up, crop
        self._known: tuple[object, Taps | None] = (None, None)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The crop, of what is enlarged and of the blob that gives its size."""
        x, reference = bottoms
        taps = self._taps()
        if taps is None:
            return self._crop.forward([self._up.forward([x])[0], reference])
        offsets = list(self._crop.param.offset) or [0]
        offsets = offsets * 2 if len(offsets) == 1 else offsets
        rows, columns = (
            _matrix(*each)
            for each in zip(taps, self._up.windows, offsets, x.shape[2:], reference.shape[2:], strict=True)
        )
        y = rows @ (x @ columns.T)
        return [y if self._up.bias is None else y + self._up.bias[:, None, None]]

    def _taps(self) -> Taps | None:
        """The kernel along each axis, found once for as long as the weights stay what they are."""
        weights = self._up.params[0]
        state = (weights.data_ptr(), weights._version)
        if self._known[0] != state:
            self._known = (state, _separated(weights.detach(), self._up.param.group))
        return self._known[1]


def _separated(weights: Tensor, group: int) -> Taps | None:
    """Two lines of taps whose product is the kernel of every channel into itself; None where there are none such."""
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


def _matrix(taps: Tensor, window: Window, offset: int, size: int, wanted: int) -> Tensor:
    """What each of the ``wanted`` pixels from ``offset`` on takes of each of ``size`` pixels."""
    places = torch.arange(wanted, device=taps.device)[:, None] + offset + window.pad
    index = places - torch.arange(size, device=taps.device) * window.stride
    return torch.where((index >= 0) & (index < len(taps)), taps[index.clamp(0, len(taps) - 1)], taps.new_zeros(()))
