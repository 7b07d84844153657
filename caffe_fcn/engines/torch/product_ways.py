"""Which library is quicker on this machine, for each kind of product.

    describe_libraries(find_libraries())         # "onednn onednn onednn onednn blas direct direct 30"

Which one takes less time for a product with its two gradients is measured once a machine, in a second, and kept in the
user's cache; also which one multiplies a few rows sooner, for which reading the weights takes longer than multiplying,
and whether the gradient of a convolution for its kernels is computed sooner by oneDNN, or as products of matrices by
torch's library (`kernel_gradients`). The variable CAFFE_FCN_PRODUCTS overrules that: ``blas``, ``onednn``, or ``auto``.

A second measurement, of another second, says up to how many per cent of values that are not zero a gradient is
multiplied sooner without its zeros (`sparse_products`). CAFFE_FCN_SPARSE_GRADIENTS overrules it: ``0`` (never), ``10``,
``20``, ``30`` or ``40``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch import sparse_products
from caffe_fcn.engines.torch.choices import choose_quickest, find_choice, measure_ratios
from caffe_fcn.engines.torch.kernel_gradients import compute_kernel_gradient
from caffe_fcn.engines.torch.measured import recall
from caffe_fcn.engines.torch.packed_kernels import find_product
from caffe_fcn.engines.torch.products import BLAS, LIBRARIES, ONEDNN, PLAIN, Libraries, compute
from caffe_fcn.engines.torch.sparse_products import DENSITIES, NEVER
from caffe_fcn.engines.torch.winograd import WAYS
from caffe_fcn.engines.torch.winograd_ways import find_learned_ways
from caffe_fcn.errors import EngineError, nearest

SETTING = "CAFFE_FCN_PRODUCTS"

_GAIN = 0.95  # of the time of the plain way: what others must stay below, so that noise decides nothing that matters
_MEASURED = (256, 4096, 1024)  # rows, inputs and outputs of the product that is measured, a small fc6
_MEASURED_READ = (4096, 2048)  # inputs and outputs of the product of one row
_MEASURED_IMAGE = (128, 64)  # channels, and height and width, of the convolution that is measured
_MEASURED_SPARSE = (256, 2048, 4096)  # rows, outputs and inputs of the product whose gradients are measured
_MEASURED_NAMES = 5  # `winograd_ways` measures the other ones
CHOICES: tuple[tuple[str, ...], ...] = (*[LIBRARIES] * _MEASURED_NAMES, *[WAYS] * 2, DENSITIES)
"""The names that each field may have."""
_LEAST_NAMES = 4

_Way: TypeAlias = Callable[[], object]


def find_libraries(learns: bool = True) -> Libraries:
    """The libraries that the setting names, or else the quickest ones of this machine.

    What only a net that ``learns`` takes is measured for one alone. Raises `EngineError` for a setting that names no
    library, or no way of a convolution. Where torch has no oneDNN, or not the operator that multiplies by it, which is
    private, products are plain.
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
    if not learns:
        return found
    way, way_of_kernels = find_learned_ways()
    density = find_choice("sparse_gradients", DENSITIES, _measure_density)
    return found._replace(of_wide=way, of_wide_kernels=way_of_kernels, density=density)


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
        made = compute(rows, weights, library)
        back = torch.empty_like(made).copy_(gradient)  # gradients have the order in memory of what they are for
        compute(back, weights.t(), library)
        compute(back.t(), rows.t(), library)

    def compute_few(library: str) -> None:
        compute(row, read, library)

    of_products, of_few = (
        choose_quickest({library: partial(measured, library) for library in LIBRARIES}, _GAIN)
        if find_product() is not None
        else BLAS
        for measured in (compute_all, compute_few)
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


def _measure_density() -> str:
    """The largest one of `DENSITIES` at which both gradients of a product are computed sooner without zeros."""
    count, outputs, inputs = _MEASURED_SPARSE
    libraries = _find_quickest(torch.get_num_threads())
    random = torch.Generator().manual_seed(0)
    rows, weights, gradient = (
        torch.randn(shape, generator=random) for shape in ((count, inputs), (outputs, inputs), (count, outputs))
    )
    chances = torch.rand(gradient.shape, generator=random)

    def multiply_plainly() -> None:
        compute(gradient, weights.t(), libraries.of_rows)
        compute(gradient.t(), rows.t(), libraries.of_weights)

    def multiply_sparse(sparse: Tensor) -> None:
        sparse_products.multiply(sparse, weights)
        sparse_products.multiply(sparse.t(), rows)

    ways: dict[str, _Way] = {NEVER: multiply_plainly}
    for density in DENSITIES[1:]:
        ways[density] = partial(multiply_sparse, gradient * (chances < int(density) / 100))
    quicker = [density for density, ratio in measure_ratios(ways).items() if ratio < _GAIN]
    return max(quicker, key=int, default=NEVER)
