"""Which 3 x 3 convolutions are computed with fewer products (`winograd`), and in which way.

    if is_wide(kernels) and has_many_pixels(pixels) and is_quick():
        transformed = transform_kernels(kernels, bias, find_way())

The quickest way of this machine is measured once, and kept in the user's cache: for kernels that are transformed once
for many images, for those that learn, and for their gradients. The variable CAFFE_FCN_CONVOLUTIONS overrules all three.

Large tiles are measured for kernels that learn. Kernels that are kept would take four times their memory, and the
scores of an image would be less exact than with small tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch import winograd
from caffe_fcn.engines.torch.choices import choose_quickest, find_choice
from caffe_fcn.engines.torch.kernel_gradients import add_up_kernel_gradient
from caffe_fcn.engines.torch.winograd import BLAS, DIRECT, LARGE_BLAS, LARGE_ONEDNN, ONEDNN, WAYS

_Measured: TypeAlias = Callable[[], object]

_LEAST_CHANNELS = 128  # and _LEAST_KERNELS: with fewer, the transforms take longer than they save
_LEAST_KERNELS = 128 * 256
_LEAST_LEARNED = {BLAS: 256 * 256, ONEDNN: 256 * 256, LARGE_BLAS: 128 * 256, LARGE_ONEDNN: 128 * 256}
_LEAST_GRADIENTS = {**_LEAST_LEARNED, LARGE_BLAS: 128 * 128, LARGE_ONEDNN: 128 * 128}
_LEAST_PIXELS = 1 << 10  # of a top: fewer are too few rows for the products
_LEAST_PIXELS_OF_LARGE = 1 << 11  # for large tiles
_SMALL = {LARGE_BLAS: BLAS, LARGE_ONEDNN: ONEDNN}
_MEASURED = (256, 64)  # channels, and height and width, of the convolution that is measured
_MEASURED_LEARNED = (256, 80)
_PADS = [(1, 1), (1, 1)]
_GAIN = 0.9  # of the time of a plain convolution: what the others must stay below


def is_quick() -> bool:
    """Whether this machine computes large convolutions sooner in this way: measured, unless a setting says it.

    Raises `EngineError` where the variable CAFFE_FCN_CONVOLUTIONS names no way.
    """
    return find_way() != DIRECT


def find_way() -> str:
    """The way of `WAYS` that is the quickest one on this machine, or that the variable names; raises as `is_quick`."""
    return find_choice("convolutions", WAYS, _measure)


def find_learned_ways() -> tuple[str, str]:
    """The ways of a convolution that gets gradients, and of its gradient for the kernels; raises as `is_quick`."""
    subjects = {"learned_convolutions": _measure_learned_convolutions, "kernel_gradients": _measure_kernel_gradients}
    way, way_of_kernels = (find_choice(subject, WAYS, measure, "convolutions") for subject, measure in subjects.items())
    return way, way_of_kernels


def is_wide(kernels: Tensor) -> bool:
    """Whether kernels have so many inputs and outputs that fewer products save time."""
    return kernels.shape[1] >= _LEAST_CHANNELS and kernels.shape[0] * kernels.shape[1] >= _LEAST_KERNELS


def has_many_pixels(pixels: int) -> bool:
    """Whether a top has so many pixels, of all images, that fewer products save time."""
    return pixels >= _LEAST_PIXELS


def may_learn_quickly(kernels: Tensor, pixels: int) -> bool:
    """Whether `fit_ways` may give other ways than plain ones, for a top of so many pixels."""
    return kernels.shape[1] >= _LEAST_CHANNELS and has_many_pixels(pixels)


def fit_ways(ways: tuple[str, str], kernels: Tensor, pixels: int) -> tuple[str, str]:
    """The ways of `find_learned_ways`, or the quicker ones for so few kernels, or pixels of the top."""
    way, way_of_kernels = (_SMALL.get(way, way) if pixels < _LEAST_PIXELS_OF_LARGE else way for way in ways)
    count = kernels.shape[0] * kernels.shape[1]
    return (
        way if count >= _LEAST_LEARNED.get(way, 0) else DIRECT,
        way_of_kernels if count >= _LEAST_GRADIENTS.get(way_of_kernels, 0) else DIRECT,
    )


def _measure() -> str:
    """The quickest way to convolve images by kernels that are kept."""
    x, kernels = _make_measured(*_MEASURED)
    transformed = {way: winograd.transform_kernels(kernels, way=way) for way in (BLAS, ONEDNN)}
    ways: dict[str, _Measured] = {DIRECT: lambda: F.conv2d(x, kernels, padding=1)}
    ways |= {way: partial(winograd.convolve, x, each, _PADS) for way, each in transformed.items()}
    return choose_quickest(ways, _GAIN)


def _measure_learned_convolutions() -> str:
    return _measure_learned(_list_convolutions)


def _measure_kernel_gradients() -> str:
    return _measure_learned(_list_kernel_gradients)


def _measure_learned(list_ways: Callable[[Tensor, Tensor], dict[str, _Measured]]) -> str:
    """The quickest way of those that a function lists, for an image and kernels."""
    return choose_quickest(list_ways(*_make_measured(*_MEASURED_LEARNED)), _GAIN)


def _list_convolutions(x: Tensor, kernels: Tensor) -> dict[str, _Measured]:
    def convolve(way: str) -> Tensor:
        return winograd.convolve(x, winograd.transform_learned_kernels(kernels, way=way), _PADS)

    return {DIRECT: lambda: F.conv2d(x, kernels, padding=1), **{way: partial(convolve, way) for way in WAYS[1:]}}


def _list_kernel_gradients(x: Tensor, kernels: Tensor) -> dict[str, _Measured]:
    """The ways to the gradient for the kernels, with ``x`` as the gradient of the top, too."""
    ways: dict[str, _Measured] = {DIRECT: lambda: add_up_kernel_gradient(x, x, kernels, (1, 1), (1, 1), 1)}
    return ways | {way: partial(winograd.compute_kernel_gradient, x, x, _PADS, way) for way in WAYS[1:]}


def _make_measured(channels: int, size: int) -> tuple[Tensor, Tensor]:
    """An image, and kernels that keep its shape."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn((1, channels, size, size), generator=random).contiguous(memory_format=torch.channels_last)
    return x, torch.randn((channels, channels, 3, 3), generator=random)
