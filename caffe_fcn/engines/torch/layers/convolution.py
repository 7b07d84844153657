"""Convolution and Deconvolution over any of one to three spatial axes, InnerProduct, Embed, Im2col."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, State, layer
from caffe_fcn.geometry import Window
from caffe_fcn.layer_types import Site, windows

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_DECONVOLUTIONS: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class _Windowed(Layer):
    """What slides a kernel over all axes behind the channels; those before are a batch."""

    functions: ClassVar[dict[int, Any]]

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.axis = site.axis(self.param.axis)
        axes = len(site.shapes[0]) - self.axis - 1
        if axes not in self.functions:
            site.fail(f"slides over {axes} axes of {site.blob()}", "the torch engine does so over 1 to 3")
        given = windows(site.layer)
        self.windows: tuple[Window, ...] = given * axes if len(given) == 1 else given
        self.function = self.functions[axes]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [self._slid(bottom) for bottom in bottoms]

    def _slid(self, x: Tensor) -> Tensor:
        batch = x.shape[: self.axis]
        y = self.computed(x.reshape(-1, *x.shape[self.axis :]) if self.axis != 1 else x)
        return y.reshape(*batch, *y.shape[1:]) if self.axis != 1 else y

    def computed(self, x: Tensor) -> Tensor:
        """The layer of a bottom with one batch axis."""
        raise NotImplementedError

    @property
    def bias(self) -> Tensor | None:
        """The bias, where there is one."""
        return self.params[1] if self.param.bias_term else None

    def per_axis(self, name: str) -> tuple[int, ...]:
        """A figure of the windows, for every axis."""
        return tuple(getattr(window, name) for window in self.windows)


@layer("Convolution")
class Convolution(_Windowed):
    """Weights are (outputs, channels / group, kernel...)."""

    functions = _CONVOLUTIONS

    def computed(self, x: Tensor) -> Tensor:
        stride, pad, dilation = self.per_axis("stride"), self.per_axis("pad"), self.per_axis("dilation")
        y: Tensor = self.function(x, self.params[0], self.bias, stride, pad, dilation, self.param.group)
        return y


@layer("Deconvolution")
class Deconvolution(_Windowed):
    """The gradient of a Convolution: weights are (channels, outputs / group, kernel...)."""

    functions = _DECONVOLUTIONS

    def computed(self, x: Tensor) -> Tensor:
        stride, pad, dilation = self.per_axis("stride"), self.per_axis("pad"), self.per_axis("dilation")
        y: Tensor = self.function(x, self.params[0], self.bias, stride, pad, 0, self.param.group, dilation)
        return y


@layer("InnerProduct")
class InnerProduct(Layer):
    """Flattens from ``axis``; weights are (outputs, inputs), with ``transpose`` (inputs, outputs)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        weights, *bias = self.params
        flat = bottoms[0].flatten(self.param.axis % bottoms[0].dim())
        return [F.linear(flat, weights.T if self.param.transpose else weights, *bias)]


@layer("Embed")
class Embed(Layer):
    """Row ``x`` of the weights for each value ``x``."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        weights, *bias = self.params
        rows = F.embedding(bottoms[0].long(), weights)
        return [rows + bias[0] if bias else rows]


@layer("Im2col")
class Im2col(Layer):
    """Every window as a column: (channels * taps) x positions."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if len(site.shapes[0]) != 4:
            site.fail(f"reads {site.blob()}", "the torch engine takes 4 axes here")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        given = windows(self.site.layer)
        rows, columns = given * 2 if len(given) == 1 else given
        kernel, dilation = (rows.kernel, columns.kernel), (rows.dilation, columns.dilation)
        y = F.unfold(x, kernel, dilation, (rows.pad, columns.pad), (rows.stride, columns.stride))
        taps = x.shape[1] * math.prod(kernel)
        return [y.reshape(x.shape[0], taps, rows.convolved(x.shape[2]), columns.convolved(x.shape[3]))]
