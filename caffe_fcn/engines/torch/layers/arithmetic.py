"""Layers that combine blobs value by value, or sum them up: Eltwise, Scale, Bias, Reduction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.proto.schema import EltwiseParameter, ReductionParameter

_OPERATIONS = EltwiseParameter.EltwiseOp
_REDUCTIONS = ReductionParameter.ReductionOp


@layer("Eltwise")
class Eltwise(Layer):
    """The product, the weighted sum or the maximum of all bottoms."""

    fresh = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        operation = _OPERATIONS.Name(self.param.operation)
        if operation == "PROD":
            return [reduce(torch.mul, bottoms)]
        if operation == "MAX":
            return [reduce(_larger, bottoms)]
        weights = list(self.param.coeff) or [1.0] * len(bottoms)
        return [reduce(torch.add, (x if w == 1 else x * w for x, w in zip(bottoms, weights, strict=True)))]


def _larger(a: Tensor, b: Tensor) -> Tensor:
    """The maximum; where both are the same the gradient is the second's alone."""
    return torch.where(a > b, a, b)


def _spread(part: Tensor, axis: int, over: Tensor) -> Tensor:
    """``part`` as it lies on ``over`` from ``axis`` on."""
    start = axis % over.dim() if part.dim() else 0
    return part.reshape(*part.shape, *[1] * (over.dim() - start - part.dim()))


@layer("Scale")
class Scale(Layer):
    """A product with a blob, or with a parameter, that spans some of the axes; and a bias of the same span."""

    fresh = True

    def sees(self) -> tuple[Window, ...]:
        return (Window(1), Window(1)) if self.param.axis == 1 and self.param.num_axes == 1 else ()

    def within(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        return self.forward([x])[0]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, *own = [*bottoms, *self.params]
        scale, *bias = (_spread(part, self.param.axis, x) for part in own)
        return [torch.addcmul(bias[0], x, scale) if bias else x * scale]


@layer("Bias")
class Bias(Layer):
    """A sum with a blob, or with a parameter, that spans some of the axes."""

    fresh = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, bias = [*bottoms, *self.params]
        return [x + _spread(bias, self.param.axis, x)]


_REDUCED: dict[str, Callable[[Tensor], Tensor]] = {
    "SUM": lambda x: x.sum(-1),
    "ASUM": lambda x: x.abs().sum(-1),
    "SUMSQ": lambda x: x.square().sum(-1),
    "MEAN": lambda x: x.mean(-1),
}


@layer("Reduction")
class Reduction(Layer):
    """All axes from ``axis`` on as one value, times ``coeff``."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        flat = bottoms[0].flatten(self.param.axis % bottoms[0].dim())
        return [_REDUCED[_REDUCTIONS.Name(self.param.operation)](flat) * self.param.coeff]
