"""The tops of a Python layer without pycaffe: blobs that behave as pycaffe's do.

    top = LayerBlob()
    top.reshape(1, 3, 4, 5)
    top.data[...] = image

As in Caffe (Blob in src/caffe/blob.cpp, python/caffe/_caffe.cpp), ``data`` and ``diff`` are float32 views that begin
as zeros, and keep their values if a blob is reshaped to at most as many.
"""

from __future__ import annotations

import math
import operator
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.net.geometry import INT_MAX, MOST_AXES

_LEGACY_AXES = 4


class LayerBlob:
    """A top of a Python layer; it is empty before the first `reshape`."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = (0,)
        self._values: NDArray[np.float32] = np.zeros(0, np.float32)
        self._gradients: NDArray[np.float32] = np.zeros(0, np.float32)

    def reshape(self, *shape: SupportsIndex) -> None:
        """Change the shape; raises ValueError or TypeError if it is not one."""
        sizes = tuple(operator.index(size) for size in shape)
        count = math.prod(sizes)
        if len(sizes) > MOST_AXES or any(size < 0 for size in sizes) or count > INT_MAX:
            raise ValueError(f"a blob cannot have the shape {sizes}")
        if count > len(self._values):
            self._values, self._gradients = (np.zeros(count, np.float32) for _ in range(2))
        self._shape = sizes

    @property
    def data(self) -> NDArray[np.float32]:
        """The values."""
        return self._values[: self.count].reshape(self._shape)

    @property
    def diff(self) -> NDArray[np.float32]:
        """The gradients."""
        return self._gradients[: self.count].reshape(self._shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return self._shape

    @property
    def count(self) -> int:
        """How many values there are."""
        return math.prod(self._shape)

    @property
    def num(self) -> int:
        """The first of four axes."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """The second of four axes."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """The third of four axes."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """The fourth of four axes."""
        return self._legacy(3)

    def _legacy(self, axis: int) -> int:
        if len(self._shape) > _LEGACY_AXES:
            raise ValueError(f"a blob of {len(self._shape)} axes has no num, channels, height and width")
        return self._shape[axis] if axis < len(self._shape) else 1
