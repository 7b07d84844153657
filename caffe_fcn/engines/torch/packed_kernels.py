"""Convolutions and products by oneDNN, with kernels that were brought into its order once.

    packed = pack_kernels(kernels, (1, 64, 56, 56), pads=(1, 1))        # None where this torch cannot do it
    top = packed.convolve(x, bias)

    packed = pack_matrix(weights)                                       # None as well
    product = multiply_packed(rows, packed, bias)

A plain convolution brings its kernels into that order in each call. The operators that do without are private to
torch: they are looked for, and tried on small blobs, before they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.allocator import note_kept

_REFUSALS = (RuntimeError, TypeError, AttributeError)
"""What another torch raises, whose operators are missing or have other signatures."""

_ROWS = 512  # for which the order of a matrix is asked; it does not depend on them


@dataclass(frozen=True)
class PackedKernels:
    """Kernels in oneDNN's order, and the windows of their convolution."""

    kernels: Tensor
    pads: Sequence[int]
    stride: Sequence[int]
    dilation: Sequence[int]
    group: int

    def convolve(self, x: Tensor, bias: Tensor | None, added: Tensor | None = None) -> Tensor:
        """The convolution of ``x`` (N x C x H x W), plus another blob of its shape if there is one."""
        windows = self.pads, self.stride, self.dilation, self.group
        operator = _find_convolution()
        if added is None:
            return operator(x, self.kernels, bias, *windows, "none", [], "")
        return operator.binary(x, added, self.kernels, bias, *windows, "add", None, None, [], None)


def pack_kernels(
    kernels: Tensor,
    shape: Sequence[int],
    pads: Sequence[int] = (0, 0),
    stride: Sequence[int] = (1, 1),
    dilation: Sequence[int] = (1, 1),
    group: int = 1,
) -> PackedKernels | None:
    """Bring kernels into the order that suits images of a shape; None where the operators are missing.

    Images of other shapes may be convolved, too. That takes longer where oneDNN wants another order for them.
    """
    if _find_convolution() is None:
        return None
    note_kept(kernels.nbytes)
    return _pack(kernels, shape, pads, stride, dilation, group)


def pack_matrix(weights: Tensor) -> Tensor | None:
    """Bring weights (N x K) into oneDNN's order, which is the same for any number of rows; None as `pack_kernels`."""
    if _find_packed_product() is None:
        return None
    note_kept(weights.nbytes)
    return _reorder_matrix(weights)


def multiply_packed(rows: Tensor, packed: Tensor, bias: Tensor | None = None) -> Tensor:
    """rows (M x K) times the transpose of weights (N x K), packed or as they are, plus the bias, as M x N."""
    return _find_packed_product()(rows, packed, bias, "none", [], "")


@cache
def find_product() -> Callable[..., Tensor] | None:
    """torch's product by oneDNN, if this torch has it and it multiplies."""
    operator = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None
    if operator is None:
        return None
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        works = torch.equal(operator(a, b, None, "none", [], ""), a @ b.t())
    except _REFUSALS:
        return None
    return operator if works else None


def _pack(
    kernels: Tensor,
    shape: Sequence[int],
    pads: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    group: int,
) -> PackedKernels:
    reorder = torch.ops.aten.mkldnn_reorder_conv2d_weight
    made = reorder(kernels.to_mkldnn(), pads, stride, dilation, group, shape)
    return PackedKernels(made, pads, stride, dilation, group)


@cache
def _find_convolution() -> Any:
    """oneDNN's convolution by packed kernels, if this torch has it and it gives what a plain one does."""
    if not torch.backends.mkldnn.is_available():
        return None
    operator = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    if operator is None:
        return None
    x, kernels = torch.arange(32.0).view(1, 2, 4, 4), torch.arange(8.0).view(2, 2, 2, 1)
    step, pads = (1, 1), (0, 1)
    plain = F.conv2d(x, kernels, padding=pads)
    try:
        packed = _pack(kernels, x.shape, pads, step, step, 1).kernels
        alone = operator(x, packed, None, pads, step, step, 1, "none", [], "")
        added = operator.binary(x, plain, packed, None, pads, step, step, 1, "add", None, None, [], None)
    except _REFUSALS:
        return None
    return operator if torch.equal(alone, plain) and torch.equal(added, 2 * plain) else None


def _reorder_matrix(weights: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weights, _ROWS)


@cache
def _find_packed_product() -> Any:
    """oneDNN's product (`products`), if it takes packed weights, too, and gives what a plain one does."""
    operator = find_product()
    if operator is None:
        return None
    rows, weights, bias = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3), torch.arange(4.0)
    try:
        found = operator(rows, _reorder_matrix(weights), bias, "none", [], "")
    except _REFUSALS:
        return None
    return operator if torch.equal(found, F.linear(rows, weights, bias)) else None
