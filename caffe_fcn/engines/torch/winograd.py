"""Convolutions of 3 x 3 kernels with fewer products: 16 in place of 36 for each 2 x 2 pixels of the top.

A tile of 4 x 4 pixels of the bottom is transformed, along the rows and along the columns, and so is a kernel. Their
product, value by value, is then the transform of 2 x 2 pixels of the top: sums over channels of such products are 16
products of matrices. The transforms only add and halve, and the sums are shorter than those of a plain convolution: the
result is closer to the exact one.

    along one axis   d0 - d2, d1 + d2, d2 - d1, d1 - d3     g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
                     y0 = m0 + m1 + m2                      y1 = m1 - m2 - m3

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1, F(2x2, 3x3).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.choices import find_choice
from caffe_fcn.engines.torch.packed_kernels import multiply_packed, pack_matrix

DIRECT, BLAS, ONEDNN = WAYS = ("direct", "winograd", "winograd-onednn")
"""A plain convolution; and products by torch's own library, or by oneDNN."""

_LEAST_KERNELS = 128 * 256  # and _LEAST_CHANNELS: with fewer, the transforms take longer than they save
_LEAST_CHANNELS = 128
_TILE = 4
_MATRICES = _TILE * _TILE
_BIASED = _TILE + 1  # of the products, the one that goes into all four pixels
_MOST_TILES = 512  # that are transformed at a time, which keeps them in the processor's cache
_MEASURED = (256, 64)  # channels, and height and width, of the convolution that is measured
_MEASUREMENTS = 5  # of which the quickest counts
_GAIN = 0.9  # of the time of a plain convolution: what this one must stay below


def is_quick() -> bool:
    """Whether this machine computes large convolutions sooner in this way: measured, unless a setting says it.

    Raises `EngineError` where the variable CAFFE_FCN_CONVOLUTIONS names no way.
    """
    return find_way() != DIRECT


def find_way() -> str:
    """The way of `WAYS` that is the quickest one on this machine, or that the variable names; raises as `is_quick`."""
    return find_choice("convolutions", WAYS, _measure)


def is_wide(kernels: Tensor) -> bool:
    """Whether kernels have so many inputs and outputs that fewer products save time."""
    return kernels.shape[1] >= _LEAST_CHANNELS and kernels.shape[0] * kernels.shape[1] >= _LEAST_KERNELS


@dataclass(frozen=True)
class Kernels:
    """Transformed kernels: 16 matrices K x C, which oneDNN has in its own order where it multiplies."""

    outputs: int
    matrices: Tensor | Sequence[Tensor]
    bias: Tensor | None

    def multiply(self, tiles: Tensor) -> Sequence[Tensor]:
        """The products of transformed tiles (16 x n x C): 16 times n x K."""
        if not isinstance(self.matrices, Tensor):
            biases = [self.bias if number == _BIASED else None for number in range(_MATRICES)]
            return [*map(multiply_packed, tiles, self.matrices, biases)]
        products = torch.bmm(tiles, self.matrices.mT)
        if self.bias is not None:
            products[_BIASED] += self.bias
        return products.unbind()


def transform_kernels(kernels: Tensor, bias: Tensor | None = None, way: str = BLAS) -> Kernels:
    """Transform kernels (K x C x 3 x 3) for one of the `WAYS`; where torch lacks oneDNN's operators, for `BLAS`."""
    made = kernels.new_empty((_TILE, _TILE, *kernels.shape[:2]))
    for row, out in zip(_transform_taps(kernels.unbind(2)), made, strict=True):
        for column, matrix in zip(_transform_taps(row.unbind(2)), out, strict=True):
            matrix.copy_(column)
    matrices = made.flatten(0, 1)
    packed = [each for each in map(pack_matrix, matrices) if each is not None] if way == ONEDNN else []
    return Kernels(len(kernels), packed or matrices, bias)


def _transform_taps(taps: Sequence[Tensor]) -> list[Tensor]:
    """Four values in place of three taps, along one axis of kernels."""
    first, second, third = taps
    outer = first + third
    return [first, (outer + second) / 2, (outer - second) / 2, third]


def convolve(x: Tensor, kernels: Kernels, pads: Sequence[tuple[int, int]], relu: bool = False) -> Tensor:
    """The convolution, of stride 1, of ``x`` (N x C x H x W) padded by ``pads`` (before, after) on each axis.

    With ``relu`` negative values become 0.
    """
    sizes = [size + sum(pad) - 2 for size, pad in zip(x.shape[2:], pads, strict=True)]
    (top, bottom), (left, right) = (
        (before, after + size % 2) for (before, after), size in zip(pads, sizes, strict=True)
    )
    if any((top, bottom, left, right)):
        x = F.pad(x, (left, right, top, bottom))
    images = x.permute(0, 2, 3, 1).contiguous()
    even = [size + size % 2 for size in sizes]
    y = x.new_empty((len(x), *even, kernels.outputs))
    rows, columns = (size // 2 for size in even)
    bands = -(-rows * columns // _MOST_TILES)
    height = -(-rows // bands)
    for image, result in zip(images, y, strict=True):
        for start in range(0, rows, height):
            end = min(start + height, rows)
            part = result[2 * start : 2 * end]
            _convolve_band(image[2 * start : 2 * end + 2], kernels, part)
            if relu:
                part.relu_()
    return y[:, : sizes[0], : sizes[1]].permute(0, 3, 1, 2)


def _convolve_band(image: Tensor, kernels: Kernels, result: Tensor) -> None:
    """Some rows of one image, height x width x channels, into ``result``."""
    rows, columns = (size // 2 for size in result.shape[:2])
    vertical = image.new_empty((_TILE, rows, image.shape[1], image.shape[2]))
    _transform(lambda i: image[i : i + 2 * rows - 1 : 2], vertical)
    tiles = image.new_empty((_TILE, _TILE, rows, columns, image.shape[2]))
    _transform(lambda i: vertical[:, :, i : i + 2 * columns - 1 : 2], tiles.transpose(0, 1))
    products = kernels.multiply(tiles.view(_MATRICES, rows * columns, -1))
    sums = image.new_empty((2, _TILE, rows, columns, kernels.outputs))
    for column in range(_TILE):
        _transform_back([each.view(rows, columns, -1) for each in products[column::_TILE]], sums[:, column])
    for row, each in enumerate(sums):
        _transform_back(each.unbind(), result[row::2].unflatten(1, (columns, 2)).movedim(2, 0))


def _transform(part: Callable[[int], Tensor], out: Tensor) -> None:
    """Transform tiles along one axis; ``part(i)`` are the pixels i of all tiles."""
    first, second, third, fourth = map(part, range(_TILE))
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _transform_back(products: Sequence[Tensor], out: Tensor) -> None:
    """Two pixels of the top from four products, along one axis."""
    torch.add(products[0], products[1], out=out[0])
    out[0].add_(products[2])
    torch.sub(products[1], products[2], out=out[1])
    out[1].sub_(products[3])


def _measure() -> str:
    """The quickest way to convolve an image."""
    channels, size = _MEASURED
    random = torch.Generator().manual_seed(0)
    x = torch.randn((1, channels, size, size), generator=random).contiguous(memory_format=torch.channels_last)
    kernels = torch.randn((channels, channels, 3, 3), generator=random)
    transformed = {way: transform_kernels(kernels, way=way) for way in (BLAS, ONEDNN)}
    pads = [(1, 1)] * 2
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with torch.no_grad():
        for _ in range(_MEASUREMENTS + 1):
            for way, taken in seconds.items():  # in turn, so that other load slows all of them
                started = time.perf_counter()
                F.conv2d(x, kernels, padding=1) if way == DIRECT else convolve(x, transformed[way], pads)
                taken.append(time.perf_counter() - started)
    quickest = {way: min(taken[1:]) for way, taken in seconds.items()}  # the first time libraries prepare
    found = min((BLAS, ONEDNN), key=quickest.__getitem__)
    return found if quickest[found] < _GAIN * quickest[DIRECT] else DIRECT
