"""Layers that multiply by a matrix of weights: Convolution, Deconvolution, InnerProduct, Embed; and Im2col."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from caffe_fcn.engines.torch import winograd, winograd_ways
from caffe_fcn.engines.torch.kernel_gradients import add_up_kernel_gradient, compute_kernel_gradient, exceeds_cache
from caffe_fcn.engines.torch.products import ONEDNN, multiply
from caffe_fcn.engines.torch.registry import State, TorchLayer, layer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.layer_types import Site, windows

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_MOST_TURNED_CHANNELS = 128
_MOST_ROWS = 512
_DECONVOLUTIONS: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}

_PLAIN = winograd.DIRECT, winograd.DIRECT


class _Options(NamedTuple):
    """Of a convolution that gets gradients: its geometry, and how it and its gradient for the kernels are computed.

    The ``way`` is also that of its gradient for the bottom. ``way_of_kernels`` is that of its gradient for the kernels,
    which a ``library`` computes where the way is direct.
    """

    pad: tuple[int, ...]
    dilation: tuple[int, ...]
    group: int
    library: str
    way: str
    way_of_kernels: str

    @property
    def pads(self) -> list[tuple[int, int]]:
        """Padding before and after each axis."""
        return [(each, each) for each in self.pad]


class _Windowed(TorchLayer):
    """Slides a kernel over the one to three axes after the channels. The axes before the channels are a batch."""

    allocates_tops = True
    functions: ClassVar[dict[int, Any]]

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.axis = site.axis(self.param.axis)
        axes = len(site.shapes[0]) - self.axis - 1
        if axes not in self.functions:
            site.fail(f"slides over {axes} axes of {site.blob()}", "the torch engine slides over 1 to 3")
        declared = windows(site.layer)
        self.windows: tuple[Window, ...] = declared * axes if len(declared) == 1 else declared
        self.function = self.functions[axes]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [self._slide(bottom) for bottom in bottoms]

    def _slide(self, x: Tensor) -> Tensor:
        batch = x.shape[: self.axis]
        y = self.convolve(x.reshape(-1, *x.shape[self.axis :]) if self.axis != 1 else x)
        return y.reshape(*batch, *y.shape[1:]) if self.axis != 1 else y

    def convolve(self, x: Tensor) -> Tensor:
        """The top of a bottom with one batch axis."""
        raise NotImplementedError

    @property
    def bias(self) -> Tensor | None:
        """The bias, if the layer has one."""
        return self.params[1] if self.param.bias_term else None

    def per_axis(self, name: str) -> tuple[int, ...]:
        """A property of the windows, such as their stride, for each axis."""
        return tuple(getattr(window, name) for window in self.windows)


@layer("Convolution")
class Convolution(_Windowed):
    """Weights are (outputs, channels / group, kernel...)."""

    functions = _CONVOLUTIONS

    @property
    def group(self) -> int:
        """How many parts the channels are convolved in."""
        return int(self.param.group)

    def convolve(self, x: Tensor) -> Tensor:
        return self._convolve_with_pad(x, self.per_axis("pad"))

    def find_windows(self) -> tuple[Window, ...]:
        return self.windows if self.axis == 1 and len(self.windows) == 2 else ()

    def count_products(self) -> int:
        return self.params[0][0].numel()

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        symmetric = [min(pad) for pad in pads]
        (top, bottom), (left, right) = (
            (before - pad, after - pad) for (before, after), pad in zip(pads, symmetric, strict=True)
        )
        if any((top, bottom, left, right)):
            part = F.pad(part, (left, right, top, bottom))
        return self._convolve_with_pad(part, symmetric)

    def _convolve_with_pad(self, x: Tensor, pad: Sequence[int]) -> Tensor:
        stride, dilation, group = self.per_axis("stride"), self.per_axis("dilation"), self.group
        if group == 1 and len(pad) == 2 and self._has_few_positions(x.shape, pad):
            return self._multiply_windows(x, pad)
        if group == 1 and len(pad) == 2 and self._turns_quicker(x, pad):
            turned: Tensor = TurnedConvolution.apply(x, self.params[0], self.bias, tuple(pad))
            return turned
        library = self._find_kernel_library(x, pad) if len(pad) == 2 else None
        ways = self._find_ways(x, pad) if len(pad) == 2 else _PLAIN
        if library or ways != _PLAIN:
            options = _Options(tuple(pad), dilation, group, library or ONEDNN, *ways)
            made: Tensor = LearningConvolution.apply(x, self.params[0], self.bias, options)
            return made
        y: Tensor = self.function(x, self.params[0], self.bias, stride, pad, dilation, group)
        return y

    def _turns_quicker(self, x: Tensor, pad: Sequence[int]) -> bool:
        """Whether the gradient of the bottom is computed sooner as a convolution, on a GPU.

        In float32, at 64 channels and 698 x 698 pixels, it takes 1.0 ms in place of 7.8 on an H200 with cuDNN 9; at
        256 channels it takes longer.
        """
        is_exact = x.dtype == torch.float32 and not (
            torch.is_autocast_enabled() or torch.backends.cudnn.allow_tf32  # both have quick kernels of their own
        )
        is_plain = all(
            window.stride == window.dilation == 1 and window.kernel > each
            for window, each in zip(self.windows, pad, strict=True)
        )
        return x.is_cuda and x.requires_grad and is_exact and is_plain and x.shape[1] <= _MOST_TURNED_CHANNELS

    def _find_kernel_library(self, x: Tensor, pad: Sequence[int]) -> str | None:
        """By which library the gradient of the kernels is computed, or None if torch's own is as quick."""
        kernels = self.params[0]
        if not (torch.is_grad_enabled() and kernels.requires_grad) or {*self.per_axis("stride")} != {1}:
            return None
        positions = math.prod(self._count_positions(x.shape, pad))
        library = self.state.find_kernel_library(x, kernels, positions)
        is_small = not exceeds_cache(x, len(x) * positions * len(kernels))
        return None if library == ONEDNN and is_small else library

    def _find_ways(self, x: Tensor, pad: Sequence[int]) -> tuple[str, str]:
        """How a convolution that gets gradients is computed, on the processor and in float32 (`winograd`)."""
        kernels = self.params[0]
        learns = torch.is_grad_enabled() and (x.requires_grad or kernels.requires_grad)
        is_plain = {*self.per_axis("stride"), *self.per_axis("dilation"), self.group} == {1}
        is_exact = x.device.type == "cpu" and x.dtype == kernels.dtype == torch.float32
        if not (learns and is_plain and is_exact and self.per_axis("kernel") == (3, 3)):
            return _PLAIN
        pixels = len(x) * math.prod(self._count_positions(x.shape, pad))
        if not winograd_ways.may_learn_quickly(kernels, pixels):
            return _PLAIN
        return winograd_ways.fit_ways(self.state.find_ways(), kernels, pixels)

    @property
    def prefers_channels_last(self) -> bool:
        """Whether a GPU computes it sooner if the weights have channels last, as the images have.

        A product with all windows reads them in Caffe's order.
        """
        is_product = self.param.group == 1 and self._has_few_positions(self.site.shapes[0], self.per_axis("pad"))
        return bool(self.find_windows()) and not is_product

    def _has_few_positions(self, shape: Sequence[int], pad: Sequence[int]) -> bool:
        """Whether writing out all windows costs less than bringing the weights into the order of a convolution."""
        return shape[0] * math.prod(self._count_positions(shape, pad)) < self.param.num_output

    def _count_positions(self, shape: Sequence[int], pad: Sequence[int]) -> list[int]:
        return [
            replace(window, pad=each).size_after_convolution(size)
            for window, each, size in zip(self.windows, pad, shape[2:], strict=True)
        ]

    def _multiply_windows(self, x: Tensor, pad: Sequence[int]) -> Tensor:
        """The convolution as one matrix product with all windows, which computes fc6 in a quarter of the time."""
        pointwise = {*self.per_axis("kernel"), *self.per_axis("stride")} == {1} and not any(pad)
        if pointwise:
            columns = x.flatten(2)
        elif torch.is_grad_enabled() and x.requires_grad:
            columns = _Windows.apply(x, self, tuple(pad)).mT
        else:
            columns = self.write_windows(x, pad).mT
        weights = self.params[0].flatten(1)
        libraries = self.state.find_libraries(columns.mT, weights)
        positions = self._count_positions(x.shape, pad)
        if libraries:
            rows = multiply(columns.mT, weights, libraries, self.state.adds_gradients)
            y = rows.unflatten(1, positions).permute(0, 3, 1, 2)
        elif len(columns) > 1:
            y = (weights @ columns).unflatten(2, positions)
        else:  # MKL multiplies some rows of fc6 at a time in 6 to 20 % less time than all of them
            y = torch.cat([rows @ columns[0] for rows in weights.split(_MOST_ROWS)])[None].unflatten(2, positions)
        return y if self.bias is None else y + self.bias[:, None, None].to(y.dtype)

    def write_windows(self, x: Tensor, pad: Sequence[int]) -> Tensor:
        """All windows as rows, N x positions x (channels * taps): in a quarter of the time of `F.unfold`."""
        if any(pad):
            x = F.pad(x, [each for each in reversed(pad) for _ in range(2)])
        windows = x.contiguous()
        for axis, window in enumerate(self.windows, 2):
            windows = windows.unfold(axis, window.extent, window.stride)[..., :: window.dilation]
        return windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


class _Windows(torch.autograd.Function):
    """The windows of a convolution as rows, N x positions x (channels * taps)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: Convolution, pad: tuple[int, ...]) -> Tensor:
        ctx.size, ctx.convolution, ctx.pad = x.shape[2:], convolution, pad
        return convolution.write_windows(x, pad)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kernel, dilation, stride = map(ctx.convolution.per_axis, ("kernel", "dilation", "stride"))
        return F.fold(gradient.mT, ctx.size, kernel, dilation, ctx.pad, stride), None, None


class TurnedConvolution(torch.autograd.Function):
    """A convolution of stride 1. Its gradient for the bottom is a convolution with kernels turned by 180 degrees."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, bias: Tensor | None, pad: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weights)
        ctx.pad = pad
        return F.conv2d(x, weights, bias, padding=pad)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weights = ctx.saved_tensors
        of_x = of_weights = of_bias = None
        if ctx.needs_input_grad[0]:
            pad = [size - 1 - each for size, each in zip(weights.shape[2:], ctx.pad, strict=True)]
            of_x = F.conv2d(gradient, weights.flip(2, 3).transpose(0, 1), padding=pad)
        if ctx.needs_input_grad[1]:
            of_weights = conv2d_weight(x, weights.shape, gradient, padding=ctx.pad)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_x, of_weights, of_bias, None


class LearningConvolution(torch.autograd.Function):
    """A convolution of stride 1 on the processor, with the gradients of `winograd` or `kernel_gradients`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor, bias: Tensor | None, options: _Options) -> Tensor:
        ctx.save_for_backward(x, weights)
        ctx.options = options
        if options.way == winograd.DIRECT:
            return F.conv2d(x, weights, bias, 1, options.pad, options.dilation, options.group)
        kernels = winograd.transform_learned_kernels(weights, bias, options.way)
        return winograd.convolve(x, kernels, options.pads)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weights = ctx.saved_tensors
        if x.is_contiguous(memory_format=torch.channels_last):  # the gradient may be a part of another
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_x, of_weights, of_bias, _ = ctx.needs_input_grad
        return (
            _compute_gradient(x, weights, gradient, ctx.options) if of_x else None,
            _compute_gradient_of_kernels(x, weights, gradient, ctx.options) if of_weights else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
            None,
        )


def _compute_gradient(x: Tensor, weights: Tensor, gradient: Tensor, options: _Options) -> Tensor:
    """The gradient for the bottom."""
    if options.way == winograd.DIRECT:
        steps, wanted = ((1, 1), options.pad, options.dilation), (True, False, False)
        made: Tensor = torch.ops.aten.convolution_backward(
            gradient, x, weights, None, *steps, False, (0, 0), options.group, wanted
        )[0]
        return made
    kernels = winograd.transform_learned_kernels(weights, None, options.way, turned=True)
    return winograd.convolve(gradient, kernels, [(2 - each, 2 - each) for each in options.pad])


def _compute_gradient_of_kernels(x: Tensor, weights: Tensor, gradient: Tensor, options: _Options) -> Tensor:
    if options.way_of_kernels != winograd.DIRECT:
        return winograd.compute_kernel_gradient(x, gradient, options.pads, options.way_of_kernels)
    geometry = options.pad, options.dilation, options.group
    if options.library == ONEDNN:
        return add_up_kernel_gradient(x, gradient, weights, *geometry)
    return compute_kernel_gradient(x, gradient, weights.shape, *geometry)


@layer("ConvolutionDepthwise")
@layer("DepthwiseConvolution")
class DepthwiseConvolution(Convolution):
    """A Convolution of each channel by itself.

    Sources: src/caffe/layers/depthwise_conv_layer.cpp of eric612/MobileNet-YOLO, conv_dw_layer.cpp of Lamply/caffe.
    """

    @property
    def group(self) -> int:
        return int(self.site.shapes[0][self.axis] // self.params[0].shape[1])


@layer("Deconvolution")
class Deconvolution(_Windowed):
    """Computes what is the gradient of a Convolution. Weights are (channels, outputs / group, kernel...)."""

    functions = _DECONVOLUTIONS

    def convolve(self, x: Tensor) -> Tensor:
        stride, pad, dilation = self.per_axis("stride"), self.per_axis("pad"), self.per_axis("dilation")
        y: Tensor = self.function(x, self.params[0], self.bias, stride, pad, 0, self.param.group, dilation)
        return y


@layer("InnerProduct")
class InnerProduct(TorchLayer):
    """Flattens the axes from ``axis``. Weights are (outputs, inputs), or (inputs, outputs) with ``transpose``."""

    allocates_tops = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        weights, *bias = self.params
        flat = bottoms[0].flatten(self.param.axis % bottoms[0].dim())
        if self.param.transpose:
            weights = weights.T
        if libraries := self.state.find_libraries(flat, weights):
            y = multiply(flat, weights, libraries, self.state.adds_gradients)
            return [y + bias[0] if bias else y]
        return [F.linear(flat, weights, *bias)]


@layer("Embed")
class Embed(TorchLayer):
    """Replaces each value ``x`` by row ``x`` of the weights."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        weights, *bias = self.params
        rows = F.embedding(bottoms[0].long(), weights)
        return [rows + bias[0] if bias else rows]


@layer("Im2col")
class Im2col(TorchLayer):
    """Writes each window as a column: (channels * taps) x positions."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if len(site.shapes[0]) != 4:
            site.fail(f"reads {site.blob()}", "the torch engine takes 4 axes here")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        declared = windows(self.site.layer)
        rows, columns = declared * 2 if len(declared) == 1 else declared
        kernel, dilation = (rows.kernel, columns.kernel), (rows.dilation, columns.dilation)
        y = F.unfold(x, kernel, dilation, (rows.pad, columns.pad), (rows.stride, columns.stride))
        taps = x.shape[1] * math.prod(kernel)
        return [
            y.reshape(
                x.shape[0], taps, rows.size_after_convolution(x.shape[2]), columns.size_after_convolution(x.shape[3])
            )
        ]
