"""Convolution and Deconvolution over any of one to three spatial axes, InnerProduct, Embed, Im2col."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, State, layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.layer_types import Site, windows

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_DECONVOLUTIONS: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class _Windowed(Layer):
    """What slides a kernel over all axes behind the channels; those before are a batch."""

    fresh = True
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
        return self._padded_by(x, self.per_axis("pad"))

    def sees(self) -> tuple[Window, ...]:
        return self.windows if self.axis == 1 and len(self.windows) == 2 else ()

    def within(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        even = [min(pad) for pad in pads]
        (top, bottom), (left, right) = (
            (before - pad, after - pad) for (before, after), pad in zip(pads, even, strict=True)
        )
        return self._padded_by(F.pad(x, (left, right, top, bottom)) if any((top, bottom, left, right)) else x, even)

    def _padded_by(self, x: Tensor, pad: Sequence[int]) -> Tensor:
        stride, dilation, group = self.per_axis("stride"), self.per_axis("dilation"), self.param.group
        if group == 1 and len(pad) == 2 and self._fewer_places_than_outputs(x, pad):
            return self._as_product(x, pad)
        y: Tensor = self.function(x, self.params[0], self.bias, stride, pad, dilation, group)
        return y

    def _fewer_places_than_outputs(self, x: Tensor, pad: Sequence[int]) -> bool:
        """Whether the windows are less to write out than the weights are to put into a convolution's order."""
        return len(x) * math.prod(self._places(x, pad)) < self.param.num_output

    def _places(self, x: Tensor, pad: Sequence[int]) -> list[int]:
        return [
            replace(window, pad=more).convolved(size)
            for window, more, size in zip(self.windows, pad, x.shape[2:], strict=True)
        ]

    def _as_product(self, x: Tensor, pad: Sequence[int]) -> Tensor:
        """One matrix product with all windows, written out: fc6 in a quarter of the time."""
        kernel, stride, dilation = self.per_axis("kernel"), self.per_axis("stride"), self.per_axis("dilation")
        pointwise = {*kernel, *stride} == {1} and not any(pad)
        columns = x.flatten(2) if pointwise else F.unfold(x, kernel, dilation, tuple(pad), stride)
        y = self.params[0].flatten(1) @ columns
        return (y if self.bias is None else y + self.bias[:, None]).unflatten(2, self._places(x, pad))


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

    fresh = True

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
