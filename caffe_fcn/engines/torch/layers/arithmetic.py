"""Layers of arithmetic on whole blobs: Eltwise, Axpy, Scale, Bias, Reduction; Add and MaskPooling, of forks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import TorchLayer, layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.proto.schema import EltwiseParameter, ReductionParameter

_OPERATIONS = EltwiseParameter.EltwiseOp
_REDUCTIONS = ReductionParameter.ReductionOp


@layer("Add")  # Cambricon's, whose other operations nobody uses
@layer("Eltwise")
class Eltwise(TorchLayer):
    """The product, the weighted sum or the maximum of all bottoms, value by value."""

    allocates_tops = True

    @property
    def is_plain_sum(self) -> bool:
        """Whether it adds its bottoms as they are."""
        return _OPERATIONS.Name(self.param.operation) == "SUM" and {*self.param.coeff} <= {1.0}

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        operation = _OPERATIONS.Name(self.param.operation)
        if operation == "PROD":
            return [reduce(torch.mul, bottoms)]
        if operation == "MAX":
            return [reduce(_take_larger, bottoms)]
        weights = list(self.param.coeff) or [1.0] * len(bottoms)
        return [reduce(torch.add, (x if w == 1 else x * w for x, w in zip(bottoms, weights, strict=True)))]


def _take_larger(a: Tensor, b: Tensor) -> Tensor:
    """The maximum; of equal values the second gets the gradient, as in Caffe."""
    return torch.where(a > b, a, b)


@layer("Axpy")
class Axpy(TorchLayer):
    """factor * x + y, with one factor for each channel of each image (src/caffe/layers/axpy_layer.cpp of SENet)."""

    allocates_tops = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        factor, x, y = bottoms
        return [torch.addcmul(y, factor.reshape(*x.shape[:2], *[1] * (x.dim() - 2)), x)]


def _align(part: Tensor, axis: int, whole: Tensor) -> Tensor:
    """``part`` in a shape that broadcasts against ``whole``, where it spans the axes from ``axis``."""
    start = axis % whole.dim() if part.dim() else 0
    return part.reshape(*part.shape, *[1] * (whole.dim() - start - part.dim()))


@layer("Scale")
class Scale(TorchLayer):
    """The product with a second bottom, or a parameter, that spans some axes; and perhaps a bias of the same span."""

    allocates_tops = True

    def find_windows(self) -> tuple[Window, ...]:
        return (Window(1), Window(1)) if self._is_per_channel() else ()

    def find_channel_factors(self) -> tuple[Tensor, Tensor] | None:
        if not (self._is_per_channel() and self.params):
            return None
        factors, *shifts = self.params
        return factors, shifts[0] if shifts else torch.zeros_like(factors)

    def _is_per_channel(self) -> bool:
        return bool(self.param.axis == 1 and self.param.num_axes == 1)

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        return self.forward([part])[0]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, *factors = [*bottoms, *self.params]
        scale, *bias = (_align(each, self.param.axis, x) for each in factors)
        return [torch.addcmul(bias[0], x, scale) if bias else x * scale]


@layer("Bias")
class Bias(TorchLayer):
    """The sum with a second bottom, or a parameter, that spans some axes."""

    allocates_tops = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, bias = [*bottoms, *self.params]
        return [x + _align(bias, self.param.axis, x)]


_REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "SUM": lambda x: x.sum(-1),
    "ASUM": lambda x: x.abs().sum(-1),
    "SUMSQ": lambda x: x.square().sum(-1),
    "MEAN": lambda x: x.mean(-1),
}


@layer("Reduction")
class Reduction(TorchLayer):
    """The sum, mean, ... over all axes from ``axis``, times ``coeff``."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        flat = bottoms[0].flatten(self.param.axis % bottoms[0].dim())
        return [_REDUCE[_REDUCTIONS.Name(self.param.operation)](flat) * self.param.coeff]


@layer("MaskPooling")
class MaskPooling(TorchLayer):
    """The product of each channel with a mask, the second bottom (MNC's mask_pooling_layer.cu)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, mask = bottoms
        return [x * mask]
