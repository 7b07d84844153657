"""Boundary IoU: intersection over union of the bands along the contours, which large objects cannot dominate.

    boundaries = Boundaries(21)
    boundaries.add(label, prediction, ignore=255)
    boundaries.iou()                    # of each class

The band of a mask is the part of it that is at most d pixels away from its contour. Of the bands of a class in label
and prediction, intersections and unions are summed over all images, and then divided.

Source: Cheng, Girshick, Dollar, Berg and Kirillov, "Boundary IoU: Improving Object-Centric Image Segmentation
Evaluation", CVPR 2021. As there, d is 0.02 of the image's diagonal, rounded, at least 1; distance is that of d
erosions by a 3x3 square; and the border of the image is a contour. Pixels of the ignored label belong to no class, in
the label as well as in the prediction, so that both have the same contour there. Counts are exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATIO = 0.02
"""The width of the band as a share of the image's diagonal: that of the paper."""


class Boundaries:
    """Accumulates the bands of each class; ``pixels`` is their width, by default `RATIO` of each image's diagonal."""

    def __init__(self, classes: int, pixels: int | None = None) -> None:
        self.pixels = pixels
        self.intersections: NDArray[np.int64] = np.zeros(classes, np.int64)
        self.unions: NDArray[np.int64] = np.zeros(classes, np.int64)

    def add(self, label: NDArray[np.integer[Any]], prediction: NDArray[np.integer[Any]], ignore: int | None) -> None:
        """Add a label and a prediction, both H x W, whose pixels are classes but for those of the label ``ignore``."""
        classes = len(self.unions)
        counted = np.ones(label.shape, bool) if ignore is None else label != ignore
        width = self.pixels or measure_width(label.shape)
        bands = [
            np.where(find_bands(each, width), each, classes)
            for each in (np.where(counted, values, classes).astype(np.int64) for values in (label, prediction))
        ]
        mine, theirs = (np.bincount(each.ravel(), minlength=classes + 1)[:classes] for each in bands)
        both = np.bincount(bands[0][bands[0] == bands[1]], minlength=classes + 1)[:classes]
        self.intersections += both
        self.unions += mine + theirs - both

    def iou(self) -> list[float | None]:
        """Return the measure of each class; None for one that is in no label and in no prediction."""
        pairs = zip(self.intersections.tolist(), self.unions.tolist(), strict=True)
        return [both / either if either else None for both, either in pairs]


def measure_width(shape: tuple[int, ...]) -> int:
    """Return the width of the bands for an image H x W."""
    return max(1, round(RATIO * math.hypot(*shape)))


def find_bands(classes: NDArray[np.integer[Any]], width: int) -> NDArray[np.bool_]:
    """Return where a pixel of H x W belongs to the band of its class.

    It does not where the square of 2 ``width`` + 1 pixels around it lies inside the image and has one class: the rows
    of such a square are of one class each, and so is its middle column.
    """
    height, columns = classes.shape
    size = 2 * width + 1
    bands = np.ones(classes.shape, bool)
    if height < size or columns < size:
        return bands
    changes = np.cumsum(np.diff(classes, axis=1, prepend=classes[:, :1]) != 0, axis=1)
    is_even_row = changes[:, size - 1 :] == changes[:, : columns - size + 1]
    middle = classes[:, width : columns - width]
    changed = np.diff(middle, axis=0, prepend=middle[:1]) != 0
    steps, uneven = np.cumsum(changed, axis=0), np.cumsum(~is_even_row, axis=0)
    uneven = np.concatenate([np.zeros_like(uneven[:1]), uneven])
    is_even = (steps[size - 1 :] == steps[: height - size + 1]) & (uneven[size:] == uneven[: height - size + 1])
    bands[width : height - width, width : columns - width] = ~is_even
    return bands
