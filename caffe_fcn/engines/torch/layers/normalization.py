"""Layers that normalize an image by itself: LRN, MVN, Softmax; and Normalize, of forks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, TorchLayer, layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.pointwise import NORM_EPS, takes_absolute_values


@layer("LRN")
class LRN(TorchLayer):
    """x / (k + alpha / n * the sum of squares nearby) ^ beta.

    Nearby are n channels; with WITHIN_CHANNEL n x n pixels, and then k is always 1 (lrn_layer.cpp).
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if self.param.local_size % 2 == 0:
            site.fail(f"local_size {self.param.local_size} is even", "Caffe takes odd ones only")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        sums = self._sum_pixels(x.square()) if self._is_within_channel() else self._sum_channels(x.square())
        return [x * sums.pow(-self.param.beta)]

    def find_windows(self) -> tuple[Window, ...]:
        return () if self._is_within_channel() else (Window(1), Window(1))

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        return self.forward([part])[0]

    def _is_within_channel(self) -> bool:
        return bool(self.param.norm_region == self.param.WITHIN_CHANNEL)

    def _sum_channels(self, squares: Tensor) -> Tensor:
        """The sums, by a 1x1 convolution with a band of weights: fast whatever the order of the blob in memory."""
        channels, reach = squares.shape[1], self.param.local_size // 2
        band = squares.new_ones(channels, channels).tril(reach).triu(-reach) * (
            self.param.alpha / self.param.local_size
        )
        return F.conv2d(squares, band[:, :, None, None], squares.new_full((channels,), self.param.k))

    def _sum_pixels(self, squares: Tensor) -> Tensor:
        size = self.param.local_size
        return 1 + self.param.alpha * F.avg_pool2d(squares, size, 1, size // 2)


@layer("MVN")
class MVN(TorchLayer):
    """Subtracts the mean of each channel, or of each image with ``across_channels``, and divides by the deviation."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        rows = x.shape[0] if self.param.across_channels or x.dim() < 2 else x.shape[0] * x.shape[1]
        flat = x.reshape(rows, -1)
        if self.param.normalize_variance:
            normalized: Tensor = _NormalizeRows.apply(flat, self.param.eps)
            return [normalized.reshape(x.shape)]
        return [(flat - flat.mean(1, keepdim=True)).reshape(x.shape)]


class _NormalizeRows(torch.autograd.Function):
    """Gives rows mean 0 and deviation 1. Torch's own gradient of a constant row is not finite; Caffe's is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        deviation = centred.square().mean(1, keepdim=True).sqrt() + eps
        y = centred / deviation
        ctx.save_for_backward(y, deviation)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        y, deviation = ctx.saved_tensors
        common = y * (gradient * y).mean(1, keepdim=True) + gradient.mean(1, keepdim=True)
        return (gradient - common) / deviation, None


@layer("Softmax")
class Softmax(TorchLayer):
    """Exponentials, divided by their sum over ``axis``."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].softmax(self.param.axis)]


@layer("Normalize")
class Normalize(TorchLayer):
    """Divides by the norm of each place's channels, or of the image, and multiplies by a parameter.

    The source is normalize_layer.cpp of two forks.

    SSD's has the parameter; NormFace's has none, L1 norms if ``normalize_type`` says so, and the norms as a second top.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        if not self.params:
            norms = self._measure(x)
            return [x / norms, norms][: len(self.site.layer.top)]
        axes = list(range(1, x.dim())) if self.param.across_spatial else [1]
        scale = self.params[0]
        per_channel = scale if scale.dim() == 0 else scale.reshape(-1, *[1] * (x.dim() - 2))
        return [x * (x.square().sum(axes, keepdim=True) + self.param.eps).rsqrt() * per_channel]

    def _measure(self, x: Tensor) -> Tensor:
        """The norm of each place's channels; a little is added below the root, or to the sum of absolute values."""
        if takes_absolute_values(self.site):
            return x.abs().sum(1, keepdim=True) + NORM_EPS
        return (x.square().sum(1, keepdim=True) + NORM_EPS).sqrt()
