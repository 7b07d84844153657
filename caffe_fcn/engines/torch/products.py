"""Large products of matrices, by whichever of two libraries is quicker on this processor.

    multiply(rows, weights, find_libraries())            # rows @ weights.T, and its gradients

torch multiplies matrices by the library that it was built with, mostly MKL: "blas" here. It also ships oneDNN, whose
matmul is more than twice as quick on some processors, and slower on others. Which one takes less time for a product
with its two gradients is measured once a machine, in a second, and kept in the user's cache; also which one multiplies
a few rows sooner, for which reading the weights takes longer than multiplying, and whether the gradient of a
convolution for its kernels is computed sooner by oneDNN, or as products of matrices by torch's library
(`kernel_gradients`). The variable CAFFE_FCN_PRODUCTS overrules that: ``blas``, ``onednn``, or ``auto``.

The results of the libraries differ in the last digits. A training therefore keeps the libraries that it began with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.choices import choose_quickest
from caffe_fcn.engines.torch.kernel_gradients import compute_kernel_gradient
from caffe_fcn.engines.torch.measured import recall
from caffe_fcn.engines.torch.packed_kernels import find_product
from caffe_fcn.engines.torch.winograd import DIRECT, WAYS
from caffe_fcn.engines.torch.winograd_ways import find_learned_ways
from caffe_fcn.errors import EngineError, nearest

BLAS, ONEDNN = LIBRARIES = ("blas", "onednn")
SETTING = "CAFFE_FCN_PRODUCTS"

_LEAST = 1 << 26  # multiply-accumulates of a large product: below, either takes a few milliseconds
_LEAST_ROWS = 16  # with fewer, reading the weights takes longer than multiplying
_LEAST_READ = 1 << 20  # weights that are multiplied by few rows: fewer are read in a moment
_GAIN = 0.95  # of the time by blas: what oneDNN must stay below, so that noise decides nothing that matters
_MEASURED = (256, 4096, 1024)  # rows, inputs and outputs of the product that is measured, a small fc6
_MEASURED_READ = (4096, 2048)  # inputs and outputs of the product of one row
_MEASURED_IMAGE = (128, 64)  # channels, and height and width, of the convolution that is measured
_ADDED = 16 << 20  # bytes of a gradient that are added at a time

_Way: TypeAlias = Callable[[], object]


class Libraries(NamedTuple):
    """By which library a product is computed, and its gradients for the rows and for the weights.

    ``of_kernels`` is how the gradient of a convolution for its kernels is computed: by oneDNN's convolution, or as
    products by torch's own library. ``of_few`` computes products of few rows, where no gradient is wanted. ``of_wide``
    is the way of a wide convolution and of its gradient for the bottom (`winograd`), ``of_wide_kernels`` that of its
    gradient for the kernels.
    """

    forward: str = BLAS
    of_rows: str = BLAS
    of_weights: str = BLAS
    of_kernels: str = ONEDNN
    of_few: str = BLAS
    of_wide: str = DIRECT
    of_wide_kernels: str = DIRECT


_MEASURED_NAMES = 5  # `winograd_ways` measures the other ones
PLAIN = Libraries()
CHOICES: tuple[tuple[str, ...], ...] = (*[LIBRARIES] * _MEASURED_NAMES, *[WAYS] * 2)
"""The names that each field may have."""
_LEAST_NAMES = 4


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


def find_libraries() -> Libraries:
    """The libraries that the setting names, or else the quickest ones of this machine.

    Raises `EngineError` for a setting that names no library, or no way of a convolution. Where torch has no oneDNN, or
    not the operator that multiplies by it, which is private, products are plain.
    """
    setting = os.environ.get(SETTING) or "auto"
    if setting not in ("auto", *LIBRARIES):
        mend = nearest(setting, LIBRARIES) or f"auto, {' or '.join(LIBRARIES)}"
        raise EngineError(f"{SETTING}={setting}", "no such library", mend)
    if setting == "auto":
        found = _find_quickest(torch.get_num_threads())
    else:
        is_missing = setting == ONEDNN and find_product() is None
        found = PLAIN if is_missing else Libraries(*[setting] * _MEASURED_NAMES)
    way, way_of_kernels = find_learned_ways()
    return found._replace(of_wide=way, of_wide_kernels=way_of_kernels)


def parse_libraries(text: str) -> Libraries:
    """Libraries from their names, as `describe_libraries` gives them; raises ValueError for anything else.

    A training that was begun when there were fewer libraries to choose has fewer names.
    """
    names = text.split(" ")
    if not (_LEAST_NAMES <= len(names) <= len(PLAIN) and _are_possible(names)):
        raise ValueError(f"{text!r} are no libraries for products")
    return Libraries(*names)


def describe_libraries(libraries: Libraries) -> str:
    """The names, such as ``onednn onednn blas blas``."""
    return " ".join(libraries)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, libraries: Libraries, adds: bool) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.libraries, ctx.owner = libraries, _find_owner(weights) if adds else None
        return _compute(rows, weights, libraries.forward)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights = ctx.saved_tensors
        wants_rows, wants_weights = ctx.needs_input_grad[:2]
        of_rows = _compute(gradient, weights.t(), ctx.libraries.of_rows) if wants_rows else None
        of_weights, library = None, ctx.libraries.of_weights
        total = ctx.owner.grad if ctx.owner is not None and wants_weights else None
        if total is not None and total.is_contiguous():
            _add_product(total.view(weights.shape), gradient.t(), rows.t(), library)
        elif wants_weights:
            of_weights = _compute(gradient.t(), rows.t(), library)
        return of_rows, of_weights, None, None


def _find_owner(weights: Tensor) -> Tensor | None:
    """The parameter of which ``weights`` are all values, in their order; None if they are not those of one."""
    owner = weights if weights._base is None else weights._base
    is_whole = owner.is_leaf and owner.numel() == weights.numel()
    return owner if is_whole and owner.is_contiguous() and weights.is_contiguous() else None


def _add_product(total: Tensor, a: Tensor, b: Tensor, library: str) -> None:
    """Add ``a @ b.T`` to a total, some rows at a time."""
    step = max(1, _ADDED // (total.shape[1] * total.element_size()))
    for some, part in zip(total.split(step), a.split(step), strict=True):
        some.add_(_compute(part, b, library))


def _compute(a: Tensor, b: Tensor, library: str) -> Tensor:
    """``a @ b.T`` by a library; transposed in memory where ``a`` is, which spares torch's library the quicker way."""
    operator = find_product() if library == ONEDNN else None
    if operator is None:
        return (b @ a.t()).t() if a.stride(0) == 1 else a @ b.t()
    return operator(a, b, None, "none", [], "")  # without a bias or a function of the result


@cache
def _find_quickest(threads: int) -> Libraries:
    """The libraries of this machine, from the cache or else measured now, with so many threads."""
    return parse_libraries(recall("products", lambda: " ".join(_measure()), _are_measured))


def _are_measured(text: str) -> bool:
    names = text.split(" ")
    return len(names) == _MEASURED_NAMES and _are_possible(names)


def _are_possible(names: Sequence[str]) -> bool:
    return all(name in choices for name, choices in zip(names, CHOICES, strict=False))


def _measure() -> tuple[str, ...]:
    """Which library is quicker, for each of the products: the first fields of `Libraries`."""
    count, inputs, outputs = _MEASURED
    channels, size = _MEASURED_IMAGE
    few_inputs, few_outputs = _MEASURED_READ
    random = torch.Generator().manual_seed(0)
    rows, weights, gradient, row, read = (  # in memory as a convolution has them
        torch.randn(shape, generator=random)
        for shape in ((inputs, count), (outputs, inputs), (outputs, count), (1, few_inputs), (few_outputs, few_inputs))
    )
    rows, gradient = rows.t(), gradient.t()
    image = torch.randn((1, channels, size, size), generator=random).contiguous(memory_format=torch.channels_last)

    def compute_all(library: str) -> None:
        made = _compute(rows, weights, library)
        back = torch.empty_like(made).copy_(gradient)  # gradients have the order in memory of what they are for
        _compute(back, weights.t(), library)
        _compute(back.t(), rows.t(), library)

    def compute_few(library: str) -> None:
        _compute(row, read, library)

    of_products, of_few = (
        choose_quickest({library: partial(compute, library) for library in LIBRARIES}, _GAIN)
        if find_product() is not None
        else BLAS
        for compute in (compute_all, compute_few)
    )
    of_kernels = choose_quickest(_list_kernel_gradients(image), _GAIN)
    return of_products, of_products, of_products, of_kernels, of_few


def _list_kernel_gradients(image: Tensor) -> dict[str, _Way]:
    """The ways to the gradient of 3 x 3 kernels, with an image as the bottom and as the gradient of the top."""
    shape = (image.shape[1], image.shape[1], 3, 3)
    kernels = image.new_zeros(shape)
    own = torch.ops.aten.convolution_backward
    wanted = (False, True, False)
    return {
        BLAS: partial(compute_kernel_gradient, image, image, shape, (1, 1), (1, 1), 1),
        ONEDNN: partial(own, image, image, kernels, None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1, wanted),
    }
