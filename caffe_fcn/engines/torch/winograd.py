"""Convolutions of 3 x 3 kernels with fewer products: 16 in place of 36, or 36 in place of 144.

    transformed = transform_kernels(kernels, bias)
    top = convolve(x, transformed, [(1, 1), (1, 1)])

A tile of the bottom is transformed, along the rows and along the columns, and so is a kernel (`winograd_tiles`). Their
product, value by value, is then the transform of a smaller tile of the top: sums over channels of such products are 16
products of matrices for 2 x 2 pixels of the top, or 36 for 4 x 4. The sums are shorter than those of a plain
convolution: with small tiles, whose transforms only add and halve, the result is closer to the exact one.

The gradients take as few products. That for the bottom is a convolution of the gradient of the top, with kernels that
are turned by 180 degrees. That for the kernels is made by the transposed transforms, in the other order. Where these
ways take less time is in `winograd_ways`.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caffe_fcn.engines.torch.packed_kernels import find_product, multiply_packed, pack_matrix
from caffe_fcn.engines.torch.winograd_tiles import LARGE, SMALL, Tiling

DIRECT, BLAS, ONEDNN, LARGE_BLAS, LARGE_ONEDNN = WAYS = (
    "direct",
    "winograd",
    "winograd-onednn",
    "winograd-4x4",
    "winograd-4x4-onednn",
)
"""A plain convolution; products by torch's own library, or by oneDNN; and both with large tiles."""

_BY_ONEDNN = (ONEDNN, LARGE_ONEDNN)
_MOST_BYTES = 16 << 20  # of tiles that are transformed at a time


@dataclass(frozen=True)
class Kernels:
    """Transformed kernels: a matrix K x C for each value of a tile, in one tensor for torch's own library.

    oneDNN takes them one by one, perhaps in its own order.
    """

    tiling: Tiling
    outputs: int
    matrices: Tensor | Sequence[Tensor]
    bias: Tensor | None

    def multiply(self, tiles: Tensor) -> Sequence[Tensor]:
        """The products of transformed tiles (matrices x n x C): for each matrix, n x K."""
        bias_matrix = self.tiling.bias_matrix
        if not isinstance(self.matrices, Tensor):
            biases = [self.bias if number == bias_matrix else None for number in range(self.tiling.matrices)]
            return [*map(multiply_packed, tiles, self.matrices, biases)]
        products = torch.bmm(tiles, self.matrices.mT)
        if self.bias is not None:
            products[bias_matrix] += self.bias
        return products.unbind()


def transform_kernels(kernels: Tensor, bias: Tensor | None = None, way: str = BLAS) -> Kernels:
    """Transform kernels (K x C x 3 x 3) to be used often, by one of the `WAYS`.

    Where torch lacks oneDNN's operators, they are for its own library.
    """
    tiling = _find_tiling(way)
    matrices = _transform_taps(kernels, tiling.make_kernel_transform(kernels))
    packed = [each for each in map(pack_matrix, matrices) if each is not None] if way in _BY_ONEDNN else []
    return Kernels(tiling, len(kernels), packed or matrices, bias)


def transform_learned_kernels(
    kernels: Tensor, bias: Tensor | None = None, way: str = BLAS, turned: bool = False
) -> Kernels:
    """Transform kernels that are used once, in a 30th of the time.

    If they are ``turned``, they are those that take the gradient of the top to that of the bottom.
    """
    tiling = _find_tiling(way)
    transform = tiling.make_kernel_transform(kernels)
    matrices = _transform_taps(kernels, transform.flip(1) if turned else transform)
    matrices = matrices.mT if turned else matrices
    return Kernels(tiling, matrices.shape[1], [*matrices] if _multiplies_by_onednn(way) else matrices, bias)


def convolve(x: Tensor, kernels: Kernels, pads: Sequence[tuple[int, int]], relu: bool = False) -> Tensor:
    """The convolution, of stride 1, of ``x`` (N x C x H x W) padded by ``pads`` (before, after) on each axis.

    With ``relu`` negative values become 0.
    """
    tiling = kernels.tiling
    sizes = [size + sum(pad) - 2 for size, pad in zip(x.shape[2:], pads, strict=True)]
    height, width = whole_sizes = [*map(tiling.round_up, sizes)]
    pads = _pad_more(pads, _subtract(whole_sizes, sizes))
    shape = len(x), kernels.outputs, *sizes
    y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for image, result in zip(_list_images(x), _list_images(y), strict=True):
        for band in _list_bands(height, width, tiling, image):
            whole = result[band]
            is_whole = whole.shape[:2] == (band.stop - band.start, width)
            part = whole if is_whole else whole.new_empty((band.stop - band.start, width, kernels.outputs))
            tiling.transform_back(kernels.multiply(tiling.transform_image(_read_rows(image, band, pads))), part)
            if relu:
                part.relu_()
            if not is_whole:
                whole.copy_(part[: whole.shape[0], : whole.shape[1]])
    return y


def compute_kernel_gradient(x: Tensor, gradient: Tensor, pads: Sequence[tuple[int, int]], way: str) -> Tensor:
    """The gradient (K x C x 3 x 3) for the kernels of a convolution of ``x`` (N x C x H x W), from that of its top."""
    tiling = _find_tiling(way)
    sizes = gradient.shape[2:]
    height, width = whole_sizes = [*map(tiling.round_up, sizes)]
    added = _subtract(whole_sizes, sizes)
    around, behind = _pad_more(pads, added), [(0, more) for more in added]
    sums = x.new_zeros((tiling.matrices, gradient.shape[1], x.shape[1]))
    for image, made in zip(_list_images(x), _list_images(gradient), strict=True):
        for band in _list_bands(height, width, tiling, image):
            rows, read = _read_rows(made, band, behind, 0), _read_rows(image, band, around)
            _add_products(sums, tiling.transform_gradient(rows), tiling.transform_image(read), way)
    transform = tiling.make_kernel_transform(sums)
    return (transform.t() @ sums.flatten(1)).t().reshape(*sums.shape[1:], 3, 3)


def _add_products(sums: Tensor, rows: Tensor, tiles: Tensor, way: str) -> None:
    """Add the products of the transformed gradient's rows and of tiles (each matrices x n x channels)."""
    if not _multiplies_by_onednn(way):
        sums.baddbmm_(rows.mT, tiles)
        return
    for total, row, tile in zip(sums, rows, tiles, strict=True):
        total += multiply_packed(row.t(), tile.t())


def _find_tiling(way: str) -> Tiling:
    return LARGE if way in (LARGE_BLAS, LARGE_ONEDNN) else SMALL


def _multiplies_by_onednn(way: str) -> bool:
    return way in _BY_ONEDNN and find_product() is not None


def _transform_taps(kernels: Tensor, transform: Tensor) -> Tensor:
    return (transform @ kernels.reshape(-1, transform.shape[1]).t()).view(-1, *kernels.shape[:2])


def _subtract(whole: Sequence[int], sizes: Sequence[int]) -> list[int]:
    return [each - size for each, size in zip(whole, sizes, strict=True)]


def _pad_more(pads: Sequence[tuple[int, int]], added: Sequence[int]) -> list[tuple[int, int]]:
    return [(before, after + more) for (before, after), more in zip(pads, added, strict=True)]


def _list_images(x: Tensor) -> Iterable[Tensor]:
    """The images of N x C x H x W, each as H x W x C."""
    return x.permute(0, 2, 3, 1)


def _read_rows(image: Tensor, rows: slice, pads: Sequence[tuple[int, int]], more: int = 2) -> Tensor:
    """Rows of an image (H x W x C) that is padded by zeros (before, after) on each axis, and ``more`` rows behind."""
    (top, _), (left, right) = pads
    height, width, channels = image.shape
    spans = (rows.start - top, rows.stop + more - top), (-left, width + right)
    (first, last), (begin, end) = [_clip(span, size) for span, size in zip(spans, (height, width), strict=True)]
    part = image[first:last, begin:end]
    if spans == ((first, last), (begin, end)):
        return part.contiguous()
    (row, after_row), (column, after_column) = spans
    padded = image.new_zeros((after_row - row, after_column - column, channels))
    padded[first - row : last - row, begin - column : end - column] = part
    return padded


def _clip(span: tuple[int, int], size: int) -> tuple[int, int]:
    """What of a span lies between 0 and a size."""
    begin, end = (min(max(place, 0), size) for place in span)
    return begin, end


def _list_bands(height: int, width: int, tiling: Tiling, image: Tensor) -> list[slice]:
    """The rows of a top, of which tiles of an image give all, that are computed at a time."""
    rows, columns = height // tiling.step, width // tiling.step
    bands = -(-rows * columns * tiling.matrices * image.shape[2] * image.element_size() // _MOST_BYTES)
    step = tiling.step * -(-rows // bands)
    return [slice(begin, min(begin + step, height)) for begin in range(0, height, step)]
