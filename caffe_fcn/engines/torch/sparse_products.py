"""Products with a matrix that is mostly zeros, without the products of the zeros.

    if is_sparse(gradient, weights.shape[1], "30"):       # at most 30 % of its values are not zero
        of_rows = multiply(gradient, weights)             # gradient @ weights

A ReLU and a Dropout leave a quarter of the gradients of fc6 and fc7. Each row of such a product is a sum of rows of the
other matrix, weighted by the values that are not zero: what an embedding bag computes, for which torch has quick
kernels. They get 64 columns of the other matrix at a time, and some hundred rows of these one after another, which stay
in the caches.

Up to which density, in per cent of values that are not zero, this is quicker than a plain product, `product_ways`
measures. The sums have another order than there, and where a zero meets a value that is not finite nothing is added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DENSITIES = ("0", "10", "20", "30", "40")
"""Up to how many per cent of values that are not zero the zeros may be left out."""
NEVER = DENSITIES[0]

_COLUMNS = 64  # of the other matrix at a time: sums of them fit into the registers
_ROWS = 512  # of these one after another: 128 KB
_LEAST_VALUES = 1 << 18  # of the sparse matrix: with fewer, calling the kernels takes longer than they save
_LEAST_COLUMNS = 1024  # of the other matrix: with fewer, finding the zeros does


class _Bags(NamedTuple):
    """What is not zero in the rows of a matrix: its places in a row and its values, and where each row begins.

    The matrix is cut into ``pieces`` of some columns, of which one follows the other.
    """

    places: Tensor
    values: Tensor
    begins: Tensor
    pieces: int


def is_sparse(a: Tensor, columns: int, density: str) -> bool:
    """Whether ``a`` is so large, and at most so dense, that its product with so many columns leaves out zeros."""
    is_large = a.numel() >= _LEAST_VALUES and columns >= _LEAST_COLUMNS
    return density != NEVER and is_large and 100 * int((a != 0).count_nonzero()) <= int(density) * a.numel()


def multiply(a: Tensor, b: Tensor, total: Tensor | None = None) -> Tensor:
    """``a @ b`` without the zeros of ``a`` (M x N times N x K, float32), added to a ``total`` if there is one."""
    bags = _list_bags(a)
    result = b.new_empty(len(a), b.shape[1]) if total is None else total
    for part, columns in zip(result.split(_COLUMNS, 1), b.split(_COLUMNS, 1), strict=True):
        sums = F.embedding_bag(
            bags.places, columns.contiguous(), bags.begins, mode="sum", per_sample_weights=bags.values
        )
        made = sums.view(bags.pieces, *part.shape).sum(0) if bags.pieces > 1 else sums
        if total is None:
            part.copy_(made)
        else:
            part.add_(made)
    return result


def _list_bags(a: Tensor) -> _Bags:
    found, values, counts = [], [], []
    for number, piece in enumerate(a.split(_ROWS, 1)):
        piece = piece.contiguous()
        mask = piece != 0
        places = torch.from_numpy(np.flatnonzero(mask.numpy()))  # in a third of the time of torch
        values.append(piece.flatten().index_select(0, places))
        counts.append(mask.count_nonzero(1))
        found.append(places.remainder_(piece.shape[1]).add_(number * _ROWS))
    lengths = torch.cat(counts)
    return _Bags(torch.cat(found), torch.cat(values), lengths.cumsum(0) - lengths, len(found))
