"""Parameters of layers, made of a model's constants without holding large ones in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from caffe_fcn.weights.tensors import CHUNK, ITEM_SIZES, GeneratedSegment, Shape, Tensor

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.onnx_file import Array, Constant

_DTYPE = "float32"


def make_tensor(values: Constant) -> Tensor:
    """Return a handle on values of float32; the bytes of an array are made when they are written."""
    import numpy as np

    if isinstance(values, Tensor):
        return values.cast(_DTYPE, "a constant of the model")
    segment = GeneratedSegment(ITEM_SIZES[_DTYPE] * values.size, lambda: iter((np.asarray(values, "<f4").tobytes(),)))
    return Tensor(tuple(values.shape), _DTYPE, (segment,))


def change_rows(tensor: Tensor, change: Callable[[Array], Array], shape: Shape | None = None) -> Tensor:
    """Return a handle on what ``change`` makes of rows of the first axis, a few at a time, in all of ``shape``."""
    rows, size = tensor.shape[0], math.prod(tensor.shape[1:]) * tensor.item_size
    step = max(CHUNK // max(size, 1), 1)

    def generate() -> Iterator[bytes]:
        import numpy as np

        for begin in range(0, rows, step):
            changed = change(tensor.take_rows(begin, min(begin + step, rows)).load())
            yield np.asarray(changed, "<f4").tobytes()

    result = shape if shape is not None else tensor.shape
    segment = GeneratedSegment(math.prod(result) * ITEM_SIZES[_DTYPE], generate, tensor.files)
    return Tensor(result, _DTYPE, (segment,))
