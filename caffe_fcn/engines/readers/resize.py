"""Images scaled as OpenCV scales them, because Caffe's ImageData uses OpenCV.

Bilinear, without smoothing first, pixel centres aligned, in fixed point with 11 fractional bits
(cv::resize with INTER_LINEAR on 8-bit images, modules/imgproc/src/resize.cpp).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ONE = 1 << 11


def resize_bilinear(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image C x H x W to another size (H, W)."""
    if pixels.shape[1:] == size:
        return pixels
    (top, bottom, down), (left, right, across) = map(_find_taps, pixels.shape[1:], size)
    rows = pixels[:, :, left] * (_ONE - across) + pixels[:, :, right] * across
    over, under = rows[:, top] >> 4, rows[:, bottom] >> 4
    down = down[:, None]
    mixed = ((over * (_ONE - down)) >> 16) + ((under * down) >> 16)
    return ((mixed + 2) >> 2).astype(np.uint8)


def resize_nearest(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale an image C x H x W to another size (H, W), of the pixels as they are (cv::resize with INTER_NEAREST)."""
    rows, columns = (
        np.floor(np.arange(new) * (1 / (new / old))).astype(np.int64).clip(0, old - 1)
        for old, new in zip(pixels.shape[1:], size, strict=True)
    )
    return pixels[:, rows[:, None], columns]


def _find_taps(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each new pixel along an axis, the two old ones beside it, and the weight of the second."""
    places = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int64)
    weights = np.rint((places - first) * np.float32(_ONE)).astype(np.int64)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), weights
