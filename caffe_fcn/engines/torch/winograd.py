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

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.choices import find_choice

DIRECT, WINOGRAD = WAYS = ("direct", "winograd")

_LEAST_KERNELS = 128 * 256  # and _LEAST_CHANNELS: with fewer, the transforms take longer than they save
_LEAST_CHANNELS = 128
_TILE = 4
_MOST_TILES = 512  # that are transformed at a time, which keeps them in the processor's cache
_MEASURED = (256, 32)  # channels, and height and width, of the convolution that is measured
_MEASUREMENTS = 5  # of which the quickest counts
_GAIN = 0.9  # of the time of a plain convolution: what this one must stay below


def is_quick() -> bool:
    """Whether this machine computes large convolutions sooner in this way: measured, unless a setting says it.

    Raises `EngineError` where the variable CAFFE_FCN_CONVOLUTIONS names no way.
    """
    return find_choice("convolutions", WAYS, _measure) == WINOGRAD


def is_wide(kernels: Tensor) -> bool:
    """Whether kernels have so many inputs and outputs that fewer products save time."""
    return kernels.shape[1] >= _LEAST_CHANNELS and kernels.shape[0] * kernels.shape[1] >= _LEAST_KERNELS


def transform_kernels(kernels: Tensor) -> Tensor:
    """Kernels (K x C x 3 x 3) as 16 matrices C x K."""
    made = kernels.new_empty((_TILE, _TILE, kernels.shape[1], kernels.shape[0]))
    for row, out in zip(_transform_taps(kernels.unbind(2)), made, strict=True):
        for column, matrix in zip(_transform_taps(row.unbind(2)), out, strict=True):
            matrix.copy_(column.T)
    return made.flatten(0, 1)


def _transform_taps(taps: Sequence[Tensor]) -> list[Tensor]:
    """Four values in place of three taps, along one axis of kernels."""
    first, second, third = taps
    outer = first + third
    return [first, (outer + second) / 2, (outer - second) / 2, third]


def convolve(
    x: Tensor, transformed: Tensor, bias: Tensor | None, pads: Sequence[tuple[int, int]], relu: bool = False
) -> Tensor:
    """The convolution, of stride 1, of ``x`` (N x C x H x W) padded by ``pads`` (before, after) on each axis.

    ``transformed`` are the kernels, from `transform_kernels`. With ``relu`` negative values become 0.
    """
    sizes = [size + sum(pad) - 2 for size, pad in zip(x.shape[2:], pads, strict=True)]
    (top, bottom), (left, right) = (
        (before, after + size % 2) for (before, after), size in zip(pads, sizes, strict=True)
    )
    if any((top, bottom, left, right)):
        x = F.pad(x, (left, right, top, bottom))
    images = x.permute(0, 2, 3, 1).contiguous()
    even = [size + size % 2 for size in sizes]
    y = x.new_empty((len(x), *even, transformed.shape[2]))
    rows, columns = (size // 2 for size in even)
    bands = -(-rows * columns // _MOST_TILES)
    height = -(-rows // bands)
    for image, result in zip(images, y, strict=True):
        for start in range(0, rows, height):
            end = min(start + height, rows)
            part = result[2 * start : 2 * end]
            _convolve_band(image[2 * start : 2 * end + 2], transformed, bias, part)
            if relu:
                part.relu_()
    return y[:, : sizes[0], : sizes[1]].permute(0, 3, 1, 2)


def _convolve_band(image: Tensor, transformed: Tensor, bias: Tensor | None, result: Tensor) -> None:
    """Some rows of one image, height x width x channels, into ``result``."""
    rows, columns = (size // 2 for size in result.shape[:2])
    vertical = image.new_empty((_TILE, rows, image.shape[1], image.shape[2]))
    _transform(lambda i: image[i : i + 2 * rows - 1 : 2], vertical)
    tiles = image.new_empty((_TILE, _TILE, rows, columns, image.shape[2]))
    _transform(lambda i: vertical[:, :, i : i + 2 * columns - 1 : 2], tiles.transpose(0, 1))
    products = torch.bmm(tiles.view(_TILE * _TILE, rows * columns, -1), transformed)
    products = products.view(_TILE, _TILE, rows, columns, -1)
    if bias is not None:
        products[1, 1] += bias  # which goes into all four pixels
    sums = image.new_empty((2, *products.shape[1:]))
    _transform_back(products, sums)
    for row, each in enumerate(sums):
        _transform_back(each, result[row::2].unflatten(1, (columns, 2)).movedim(2, 0))


def _transform(part: Callable[[int], Tensor], out: Tensor) -> None:
    """Transform tiles along one axis; ``part(i)`` are the pixels i of all tiles."""
    first, second, third, fourth = map(part, range(_TILE))
    torch.sub(first, third, out=out[0])
    torch.add(second, third, out=out[1])
    torch.sub(third, second, out=out[2])
    torch.sub(second, fourth, out=out[3])


def _transform_back(products: Tensor, out: Tensor) -> None:
    """Two pixels of the top from four products, along the first axis."""
    torch.add(products[0], products[1], out=out[0])
    out[0].add_(products[2])
    torch.sub(products[1], products[2], out=out[1])
    out[1].sub_(products[3])


def _measure() -> str:
    """The quicker way to convolve an image."""
    channels, size = _MEASURED
    random = torch.Generator().manual_seed(0)
    x = torch.randn((1, channels, size, size), generator=random).contiguous(memory_format=torch.channels_last)
    kernels = torch.randn((channels, channels, 3, 3), generator=random)
    transformed = transform_kernels(kernels)
    pads = [(1, 1)] * 2
    ways = {
        DIRECT: lambda: F.conv2d(x, kernels, padding=1),
        WINOGRAD: lambda: convolve(x, transformed, None, pads),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with torch.no_grad():
        for _ in range(_MEASUREMENTS + 1):
            for way, taken in seconds.items():  # in turn, so that other load slows both
                started = time.perf_counter()
                ways[way]()
                taken.append(time.perf_counter() - started)
    direct, winograd = (min(taken[1:]) for taken in seconds.values())  # the first time libraries prepare
    return WINOGRAD if winograd < _GAIN * direct else DIRECT
