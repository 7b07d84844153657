"""Large products of matrices, by whichever of two libraries is quicker on this processor.

    multiply(rows, weights, find_libraries())            # rows @ weights.T, and its gradients

torch multiplies matrices by the library that it was built with, mostly MKL: "blas" here. It also ships oneDNN, whose
matmul is more than twice as quick on some processors, and slower on others. `product_ways` measures which one to take.

The results of the libraries differ in the last digits. A training therefore keeps the libraries that it began with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from caffe_fcn.engines.torch import sparse_products
from caffe_fcn.engines.torch.packed_kernels import find_product
from caffe_fcn.engines.torch.sparse_products import NEVER
from caffe_fcn.engines.torch.winograd import DIRECT

BLAS, ONEDNN = LIBRARIES = ("blas", "onednn")

_LEAST = 1 << 26  # multiply-accumulates of a large product: below, either takes a few milliseconds
_LEAST_ROWS = 16  # with fewer, reading the weights takes longer than multiplying
_LEAST_READ = 1 << 20  # weights that are multiplied by few rows: fewer are read in a moment
_ADDED = 16 << 20  # bytes of a gradient that are added at a time


class Libraries(NamedTuple):
    """By which library a product is computed, and its gradients for the rows and for the weights.

    ``of_kernels`` is how the gradient of a convolution for its kernels is computed: by oneDNN's convolution, or as
    products by torch's own library. ``of_few`` computes products of few rows, where no gradient is wanted. ``of_wide``
    is the way of a wide convolution and of its gradient for the bottom (`winograd`), ``of_wide_kernels`` that of its
    gradient for the kernels. ``density`` is up to how many per cent of a gradient's values are not zero where its
    products leave out zeros (`sparse_products`).
    """

    forward: str = BLAS
    of_rows: str = BLAS
    of_weights: str = BLAS
    of_kernels: str = ONEDNN
    of_few: str = BLAS
    of_wide: str = DIRECT
    of_wide_kernels: str = DIRECT
    density: str = NEVER


PLAIN = Libraries()


def multiply(rows: Tensor, weights: Tensor, libraries: Libraries, adds: bool = False) -> Tensor:
    """rows (... x K) times the transpose of weights (N x K), as ... x N.

    If it ``adds``, a gradient of the weights that is there already gets this one added piece by piece, so that the new
    one is never there whole; it must be wanted there, as `Net.compute_gradients` wants it.
    """
    product: Tensor = _Product.apply(rows.reshape(-1, rows.shape[-1]), weights, libraries, adds)
    return product.unflatten(0, rows.shape[:-1])


def is_large(rows: Tensor, weights: Tensor) -> bool:
    """Whether it matters which library multiplies: there is much to do, in float32, and on the processor."""
    count = rows.numel() // max(rows.shape[-1], 1)
    return (
        rows.device.type == "cpu"
        and rows.dtype == weights.dtype == torch.float32
        and count >= _LEAST_ROWS
        and count * weights.numel() >= _LEAST
    )


def has_few_rows(rows: Tensor, weights: Tensor) -> bool:
    """Whether it matters which library reads the weights, in float32, on the processor, and without gradients."""
    count = rows.numel() // max(rows.shape[-1], 1)
    return (
        rows.device.type == "cpu"
        and rows.dtype == weights.dtype == torch.float32
        and not torch.is_grad_enabled()
        and 0 < count < _LEAST_ROWS
        and weights.numel() >= _LEAST_READ
        and weights.is_contiguous()
    )


def has_large_gradient(x: Tensor, kernels: Tensor, positions: int) -> bool:
    """Whether it matters how a convolution's gradient for its kernels is computed, at so many places of an image."""
    return (
        x.device.type == "cpu" and x.dtype == kernels.dtype == torch.float32 and positions * kernels.numel() >= _LEAST
    )


def choose_kernel_library(kernels: Tensor, libraries: Libraries) -> str:
    """By which of the libraries a convolution's gradient for its kernels is computed.

    oneDNN multiplies few channels sooner. Its own gradient for their bias would take 60 ms for an image in place of 4,
    which is why such a convolution is not left to torch.
    """
    return libraries.of_kernels if min(kernels.shape[:2]) >= _LEAST_ROWS else ONEDNN


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, libraries: Libraries, adds: bool) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.libraries, ctx.owner = libraries, _find_owner(weights) if adds else None
        return compute(rows, weights, libraries.forward)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights = ctx.saved_tensors
        wants_rows, wants_weights = ctx.needs_input_grad[:2]
        skips = sparse_products.is_sparse(gradient, weights.shape[1], ctx.libraries.density)
        of_rows = of_weights = None
        if wants_rows:
            of_rows = _multiply(gradient, weights, ctx.libraries.of_rows, skips)
        total = ctx.owner.grad if ctx.owner is not None and wants_weights else None
        if total is not None and total.is_contiguous():
            _add_product(total.view(weights.shape), gradient.t(), rows, ctx.libraries.of_weights, skips)
        elif wants_weights:
            of_weights = _multiply(gradient.t(), rows, ctx.libraries.of_weights, skips)
        return of_rows, of_weights, None, None


def _find_owner(weights: Tensor) -> Tensor | None:
    """The parameter of which ``weights`` are all values, in their order; None if they are not those of one."""
    owner = weights if weights._base is None else weights._base
    is_whole = owner.is_leaf and owner.numel() == weights.numel()
    return owner if is_whole and owner.is_contiguous() and weights.is_contiguous() else None


def _multiply(a: Tensor, b: Tensor, library: str, skips: bool) -> Tensor:
    """``a @ b`` by a library, or without the zeros of ``a`` if it ``skips`` them."""
    return sparse_products.multiply(a, b) if skips else compute(a, b.t(), library)


def _add_product(total: Tensor, a: Tensor, b: Tensor, library: str, skips: bool) -> None:
    """Add ``a @ b`` to a total, some rows or columns at a time."""
    if skips:
        sparse_products.multiply(a, b, total)
        return
    step = max(1, _ADDED // (total.shape[1] * total.element_size()))
    for some, part in zip(total.split(step), a.split(step), strict=True):
        some.add_(compute(part, b.t(), library))


def compute(a: Tensor, b: Tensor, library: str) -> Tensor:
    """``a @ b.T`` by a library; transposed in memory where ``a`` is, which spares torch's library the quicker way."""
    operator = find_product() if library == ONEDNN else None
    if operator is None:
        return (b @ a.t()).t() if a.stride(0) == 1 else a @ b.t()
    return operator(a, b, None, "none", [], "")  # without a bias or a function of the result
