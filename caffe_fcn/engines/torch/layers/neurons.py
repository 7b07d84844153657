"""Layers that compute each value of the top from one value of the bottom (src/caffe/layers/*_layer.cpp)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, TorchLayer, layer, python_layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.data import SPATIAL_DROPOUT, read_spatial_dropout


class _Neuron(TorchLayer):
    """A function of single values, which subclasses define in `apply`."""

    def find_windows(self) -> tuple[Window, ...]:
        return (Window(1), Window(1))

    def count_products(self) -> int:
        return 0

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        return self.apply(part)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [self.apply(bottoms[0])]

    def apply(self, x: Tensor) -> Tensor:
        """The top of a bottom."""
        raise NotImplementedError


@layer("AbsVal")
class AbsVal(_Neuron):
    """|x|"""

    def apply(self, x: Tensor) -> Tensor:
        return x.abs()


@layer("BNLL")
class BNLL(_Neuron):
    """log(1 + e^x)"""

    def apply(self, x: Tensor) -> Tensor:
        return F.softplus(x, threshold=50)


@layer("Clip")
class Clip(_Neuron):
    """x, limited to ``min`` and ``max``"""

    def apply(self, x: Tensor) -> Tensor:
        return x.clamp(self.param.min, self.param.max)


@layer("Dropout")
class Dropout(_Neuron):
    """Sets values to zero with probability ``dropout_ratio`` in training, and scales the others up to compensate.

    With ``scale_train: false`` (py-faster-rcnn's Caffe) it scales all values down in the TEST phase instead. With
    ``sample_weights_test`` (Bayesian SegNet's) it draws in the TEST phase, too.
    """

    @property
    def draws(self) -> bool:
        """Whether it takes random numbers."""
        return bool(self.state.training or self.param.sample_weights_test)

    def find_windows(self) -> tuple[Window, ...]:
        return () if self.draws else super().find_windows()

    def apply(self, x: Tensor) -> Tensor:
        p, ratio = self.param, self.param.dropout_ratio
        if not self.draws or ratio == 0:
            return x if p.scale_train else x * (1 - ratio)
        factors = self._draw_kept(x).to(x.dtype)
        return x * (factors.div_(1 - ratio) if p.scale_train else factors)

    def _draw_kept(self, x: Tensor) -> Tensor:
        """Which values are kept. On the processor numpy draws 32 bits for each, in less than half of torch's time."""
        ratio = self.param.dropout_ratio
        if x.device.type != "cpu":
            return torch.rand(x.shape, generator=self.state.random, device=x.device) >= ratio
        seed = int(torch.randint(1 << 62, (1,), generator=self.state.random))
        numbers = np.random.PCG64(seed).random_raw(-(-x.numel() // 2)).view(np.int32)
        least = min(round(ratio * 2**32) - 2**31, 2**31 - 1)
        return (torch.from_numpy(numbers)[: x.numel()] >= least).view(x.shape)


@python_layer(*SPATIAL_DROPOUT)
class SpatialDropout(_Neuron):
    """Sets whole channels to zero with probability ``p`` if its param_str says the phase TRAIN, and scales the others.

    In another phase it scales all of them, as ENet's layer does, with which its published weights are used. Each image
    has channels of its own that are dropped; the fork's gradient takes those of the last image for all.
    Source: python/spatial_dropout.py of TimoSaemann/caffe-enet.
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.draws, self.ratio = read_spatial_dropout(site)

    def find_windows(self) -> tuple[Window, ...]:
        return () if self.draws else super().find_windows()

    def apply(self, x: Tensor) -> Tensor:
        if not self.draws:
            return x / (1 - self.ratio)
        chances = torch.rand((*x.shape[:2], *[1] * (x.dim() - 2)), generator=self.state.random, device=x.device)
        return x * ((chances >= self.ratio) / (1 - self.ratio)).to(x.dtype)


@layer("ELU")
class ELU(_Neuron):
    """x above zero, alpha * (e^x - 1) below"""

    def apply(self, x: Tensor) -> Tensor:
        return F.elu(x, self.param.alpha)


@layer("Exp")
class Exp(_Neuron):
    """base ^ (shift + scale * x); base -1 means e"""

    def apply(self, x: Tensor) -> Tensor:
        p = self.param
        rate = 1.0 if p.base == -1 else math.log(p.base)
        return torch.exp(x * (rate * p.scale) + rate * p.shift)


@layer("Log")
class Log(_Neuron):
    """log_base(shift + scale * x); base -1 means e"""

    def apply(self, x: Tensor) -> Tensor:
        p = self.param
        return torch.log(x * p.scale + p.shift) / (1.0 if p.base == -1 else math.log(p.base))


@layer("Power")
class Power(_Neuron):
    """(shift + scale * x) ^ power"""

    def apply(self, x: Tensor) -> Tensor:
        p = self.param
        shifted = x * p.scale + p.shift
        return shifted if p.power == 1 else shifted.pow(p.power)


@layer("PReLU")
class PReLU(_Neuron):
    """x above zero, slope * x below, with one slope per channel or one for all"""

    def apply(self, x: Tensor) -> Tensor:
        slope = self.params[0]
        per_channel = slope if slope.dim() == 0 else slope.view(-1, *[1] * (x.dim() - 2))
        return torch.where(x > 0, x, x * per_channel)


@layer("ReLU")
class ReLU(_Neuron):
    """x above zero, negative_slope * x below"""

    supports_in_place = True

    def apply(self, x: Tensor) -> Tensor:
        slope = self.param.negative_slope
        return F.leaky_relu(x, slope) if slope else F.relu(x)

    def forward_in_place(self, bottoms: list[Tensor]) -> list[Tensor]:
        return self.forward(bottoms) if self.param.negative_slope else [F.relu_(bottoms[0])]


@layer("ReLU6")
class ReLU6(_Neuron):
    """x, but at most 6; below zero, negative_slope * x (src/caffe/layers/relu6_layer.cpp of eric612/MobileNet-YOLO)."""

    def apply(self, x: Tensor) -> Tensor:
        slope = self.param.negative_slope
        return F.leaky_relu(x, slope).clamp(max=6) if slope else F.relu6(x)


@layer("Sigmoid")
class Sigmoid(_Neuron):
    """1 / (1 + e^-x)"""

    def apply(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)


@layer("Swish")
class Swish(_Neuron):
    """x / (1 + e^(-beta * x))"""

    def apply(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.param.beta * x)


@layer("TanH")
class TanH(_Neuron):
    """tanh x"""

    def apply(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


@layer("Threshold")
class Threshold(_Neuron):
    """1 above ``threshold``, otherwise 0; without a gradient, as in Caffe"""

    def apply(self, x: Tensor) -> Tensor:
        return (x > self.param.threshold).to(x.dtype)


@layer("Mish")
class Mish(_Neuron):
    """x * tanh(log(1 + e^x)) (Misra, Mish; MobileNet-YOLO)"""

    def apply(self, x: Tensor) -> Tensor:
        return F.mish(x)


@layer("SeLu")
class SeLu(_Neuron):
    """lambda * x above zero, lambda * alpha * (e^x - 1) below (Klambauer et al., Self-Normalizing Neural Networks)"""

    def apply(self, x: Tensor) -> Tensor:
        scale, alpha = (
            next(iter(self.site.numbers("selu_param", name, float)), default)
            for name, default in (("lambda", 1.050700987), ("alpha", 1.67326324))
        )
        return scale * torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))
