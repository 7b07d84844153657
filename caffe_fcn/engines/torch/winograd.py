"""Convolutions of 3 x 3 kernels with fewer products: 16 in place of 36 for each 2 x 2 pixels of the top.

A tile of 4 x 4 pixels of the bottom is transformed, along the rows and along the columns, and so is a kernel. Their
product, value by value, is then the transform of 2 x 2 pixels of the top: sums over channels of such products are 16
products of matrices. The transforms only add and halve, and the sums are shorter than those of a plain convolution: the
result is closer to the exact one.

    along one axis   d0 - d2, d1 + d2, d2 - d1, d1 - d3     g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
                     y0 = m0 + m1 + m2                      y1 = m1 - m2 - m3

The gradients take as few products. That for the bottom is a convolution of the gradient of the top, with kernels that
are turned by 180 degrees: transformed, these are the same values in another order. That for the kernels is made by the
transposed transforms, in the other order:

    along one axis   e0, e0 + e1, e0 - e1, -e1              m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 + m3

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1, F(2x2, 3x3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.choices import choose_quickest, find_choice
from caffe_fcn.engines.torch.kernel_gradients import add_up_kernel_gradient
from caffe_fcn.engines.torch.packed_kernels import find_product, multiply_packed, pack_matrix

DIRECT, BLAS, ONEDNN = WAYS = ("direct", "winograd", "winograd-onednn")
"""A plain convolution; and products by torch's own library, or by oneDNN."""

_LEAST_KERNELS = 128 * 256  # and _LEAST_CHANNELS: with fewer, the transforms take longer than they save
_LEAST_CHANNELS = 128
_LEAST_LEARNED = 256 * 256  # kernels whose gradient is computed in this way
_LEAST_PIXELS = 1 << 10  # of a top: fewer are too few rows for the products
_TILE = 4
_MATRICES = _TILE * _TILE
_BIASED = _TILE + 1  # of the products, the one that goes into all four pixels
_TURNED = [3, 1, 2, 0]  # where a tile's values are if its kernel is turned, along one axis
_MOST_TILES = 512  # that are transformed at a time, which keeps them in the processor's cache
_MEASURED = (256, 64)  # channels, and height and width, of the convolution that is measured
_MEASURED_GRADIENT = (512, 36)
_GAIN = 0.9  # of the time of a plain convolution: what this one must stay below


def is_quick() -> bool:
    """Whether this machine computes large convolutions sooner in this way: measured, unless a setting says it.

    Raises `EngineError` where the variable CAFFE_FCN_CONVOLUTIONS names no way.
    """
    return find_way() != DIRECT


def find_way() -> str:
    """The way of `WAYS` that is the quickest one on this machine, or that the variable names; raises as `is_quick`."""
    return find_choice("convolutions", WAYS, _measure)


def find_gradient_way() -> str:
    """The way to the gradient for the kernels of a convolution; raises as `is_quick`."""
    return find_choice("kernel_gradients", WAYS, _measure_gradient, "convolutions")


def is_wide(kernels: Tensor) -> bool:
    """Whether kernels have so many inputs and outputs that fewer products save time."""
    return kernels.shape[1] >= _LEAST_CHANNELS and kernels.shape[0] * kernels.shape[1] >= _LEAST_KERNELS


def has_many_pixels(pixels: int) -> bool:
    """Whether a top has so many pixels, of all images, that fewer products save time."""
    return pixels >= _LEAST_PIXELS


def has_wide_gradient(kernels: Tensor) -> bool:
    """Whether a convolution, with its gradients for bottom and kernels, takes less time with fewer products."""
    return is_wide(kernels) and kernels.shape[0] * kernels.shape[1] >= _LEAST_LEARNED


@dataclass(frozen=True)
class Kernels:
    """Transformed kernels: 16 matrices K x C, in one tensor for torch's own library.

    oneDNN takes them one by one, perhaps in its own order.
    """

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
    """Transform kernels (K x C x 3 x 3) to be used often, by one of the `WAYS`.

    Where torch lacks oneDNN's operators, they are for `BLAS`.
    """
    matrices = _transform_taps(kernels, _make_transform(kernels))
    packed = [each for each in map(pack_matrix, matrices) if each is not None] if way == ONEDNN else []
    return Kernels(len(kernels), packed or matrices, bias)


def transform_learned_kernels(
    kernels: Tensor, bias: Tensor | None = None, way: str = BLAS, turned: bool = False
) -> Kernels:
    """Transform kernels that are used once, in a 30th of the time.

    If they are ``turned``, they are those that take the gradient of the top to that of the bottom.
    """
    transform = _make_transform(kernels)
    if turned:
        transform = transform.view(_TILE, _TILE, -1)[_TURNED][:, _TURNED].flatten(0, 1)
    matrices = _transform_taps(kernels, transform)
    matrices = matrices.mT if turned else matrices
    return Kernels(matrices.shape[1], [*matrices] if _multiplies_by_onednn(way) else matrices, bias)


def _multiplies_by_onednn(way: str) -> bool:
    return way == ONEDNN and find_product() is not None


def _transform_taps(kernels: Tensor, transform: Tensor) -> Tensor:
    return (transform @ kernels.reshape(-1, transform.shape[1]).t()).view(_MATRICES, *kernels.shape[:2])


def _make_transform(values: Tensor) -> Tensor:
    """The matrix (16 x 9) that transforms the taps of a kernel, row by row, in the type of some ``values``."""
    along_axis = values.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return torch.kron(along_axis, along_axis)


def convolve(x: Tensor, kernels: Kernels, pads: Sequence[tuple[int, int]], relu: bool = False) -> Tensor:
    """The convolution, of stride 1, of ``x`` (N x C x H x W) padded by ``pads`` (before, after) on each axis.

    With ``relu`` negative values become 0.
    """
    sizes = [size + sum(pad) - 2 for size, pad in zip(x.shape[2:], pads, strict=True)]
    images = _pad(x, [(before, after + size % 2) for (before, after), size in zip(pads, sizes, strict=True)])
    shape = len(x), kernels.outputs, *sizes
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    height, width = (size + size % 2 for size in sizes)
    for image, result in zip(images, y.permute(0, 2, 3, 1), strict=True):
        for band in _list_bands(height, width):
            whole = result[band]
            is_even = whole.shape[:2] == (band.stop - band.start, width)
            part = whole if is_even else whole.new_empty((band.stop - band.start, width, kernels.outputs))
            _convolve_band(image[band.start : band.stop + 2], kernels, part)
            if relu:
                part.relu_()
            if not is_even:
                whole.copy_(part[: whole.shape[0], : whole.shape[1]])
    return y


def _convolve_band(image: Tensor, kernels: Kernels, result: Tensor) -> None:
    """Some rows of one image, height x width x channels, into ``result``."""
    rows, columns = (size // 2 for size in result.shape[:2])
    products = kernels.multiply(_transform_image(image))
    sums = image.new_empty((2, _TILE, rows, columns, kernels.outputs))
    for column in range(_TILE):
        _transform_back([each.view(rows, columns, -1) for each in products[column::_TILE]], sums[:, column])
    for row, each in enumerate(sums):
        _transform_back(each.unbind(), result[row::2].unflatten(1, (columns, 2)).movedim(2, 0))


def compute_kernel_gradient(x: Tensor, gradient: Tensor, pads: Sequence[tuple[int, int]], way: str) -> Tensor:
    """The gradient (K x C x 3 x 3) for the kernels of a convolution of ``x`` (N x C x H x W), from that of its top."""
    odd = [size % 2 for size in gradient.shape[2:]]
    images = _pad(x, [(before, after + more) for (before, after), more in zip(pads, odd, strict=True)])
    gradients = _pad(gradient, [(0, more) for more in odd])
    sums = x.new_zeros((_MATRICES, gradient.shape[1], x.shape[1]))
    for image, made in zip(images, gradients, strict=True):
        for band in _list_bands(*made.shape[:2]):
            tiles = _transform_image(image[band.start : band.stop + 2])
            transformed = _transform_gradient(made[band])
            if _multiplies_by_onednn(way):
                for total, rows, read in zip(sums, transformed, tiles, strict=True):
                    total += multiply_packed(rows.t(), read.t())
            else:
                sums.baddbmm_(transformed.mT, tiles)
    transform = _make_transform(sums)
    return (transform.t() @ sums.flatten(1)).t().reshape(*sums.shape[1:], 3, 3)


def _pad(x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
    """Images (N x C x H x W), padded by zeros (before, after) on each axis, as N x H x W x C."""
    (top, bottom), (left, right) = pads
    if any((top, bottom, left, right)):
        x = F.pad(x, (left, right, top, bottom))
    return x.permute(0, 2, 3, 1).contiguous()


def _list_bands(height: int, width: int) -> list[slice]:
    """The rows of a top, of even height and width, that are computed at a time."""
    rows = height // 2
    bands = -(-rows * width // 2 // _MOST_TILES)
    step = 2 * -(-rows // bands)
    return [slice(begin, min(begin + step, height)) for begin in range(0, height, step)]


def _transform_image(image: Tensor) -> Tensor:
    """The tiles of some rows of one image, height x width x channels, as 16 x tiles x channels."""
    rows, columns = (size // 2 - 1 for size in image.shape[:2])
    vertical = image.new_empty((_TILE, rows, image.shape[1], image.shape[2]))
    _transform(lambda i: image[i : i + 2 * rows - 1 : 2], vertical)
    tiles = image.new_empty((_TILE, _TILE, rows, columns, image.shape[2]))
    _transform(lambda i: vertical[:, :, i : i + 2 * columns - 1 : 2], tiles.transpose(0, 1))
    return tiles.view(_MATRICES, rows * columns, -1)


def _transform_gradient(gradient: Tensor) -> Tensor:
    """The gradient of some rows of a top, height x width x channels, as 16 x tiles x channels."""
    rows, columns = (size // 2 for size in gradient.shape[:2])
    vertical = gradient.new_empty((_TILE, rows, gradient.shape[1], gradient.shape[2]))
    _spread(gradient[::2], gradient[1::2], vertical)
    tiles = gradient.new_empty((_TILE, _TILE, rows, columns, gradient.shape[2]))
    _spread(vertical[:, :, ::2], vertical[:, :, 1::2], tiles.transpose(0, 1))
    return tiles.view(_MATRICES, rows * columns, -1)


def _spread(first: Tensor, second: Tensor, out: Tensor) -> None:
    """Four values in place of the gradients of two pixels, along one axis: what `_transform_back` transposed does."""
    out[0].copy_(first)
    torch.add(first, second, out=out[1])
    torch.sub(first, second, out=out[2])
    torch.neg(second, out=out[3])


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
    x, kernels = _make_measured(*_MEASURED)
    transformed = {way: transform_kernels(kernels, way=way) for way in (BLAS, ONEDNN)}
    pads = [(1, 1)] * 2
    ways: dict[str, Callable[[], object]] = {DIRECT: lambda: F.conv2d(x, kernels, padding=1)}
    ways |= {way: partial(convolve, x, each, pads) for way, each in transformed.items()}
    return choose_quickest(ways, _GAIN)


def _measure_gradient() -> str:
    """The quickest way to the gradient for the kernels."""
    x, kernels = _make_measured(*_MEASURED_GRADIENT)
    pads = [(1, 1)] * 2
    ways: dict[str, Callable[[], object]] = {DIRECT: lambda: add_up_kernel_gradient(x, x, kernels, (1, 1), (1, 1), 1)}
    ways |= {way: partial(compute_kernel_gradient, x, x, pads, way) for way in (BLAS, ONEDNN)}
    return choose_quickest(ways, _GAIN)


def _make_measured(channels: int, size: int) -> tuple[Tensor, Tensor]:
    """An image, and kernels that keep its shape."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn((1, channels, size, size), generator=random).contiguous(memory_format=torch.channels_last)
    return x, torch.randn((channels, channels, 3, 3), generator=random)
