"""Images and scores brought to another size, bilinearly, the centres of their pixels aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines.readers.resize import resize_bilinear

Size = tuple[int, int]


def resize_image(pixels: NDArray[Any], size: Size) -> NDArray[Any]:
    """Scale what a record has, C x H x W, to another size (H, W): pixels as Caffe's data layers do it."""
    return resize_bilinear(pixels, size) if pixels.dtype == np.uint8 else resample(pixels, size)


def resample(values: NDArray[Any], size: Size) -> NDArray[np.float32]:
    """Interpolate C x H x W numbers to another size (H, W)."""
    result = values.astype(np.float32, copy=False)
    for axis, new in enumerate(size, 1):
        old = result.shape[axis]
        if old != new:
            places = ((np.arange(new) + 0.5) * (old / new) - 0.5).clip(0, old - 1)
            first = np.minimum(places.astype(np.int64), max(old - 2, 0))
            shape = [-1 if each == axis else 1 for each in range(3)]
            weights = (places - first).astype(np.float32).reshape(shape)
            second = np.minimum(first + 1, old - 1)
            result = result.take(first, axis) * (1 - weights) + result.take(second, axis) * weights
    return result


def stretch(labels: NDArray[Any], size: Size) -> NDArray[Any]:
    """Repeat the pixels of H x W classes, so that they fill another size (H, W)."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, labels.shape, strict=True))
    return labels[np.ix_(rows, columns)]
