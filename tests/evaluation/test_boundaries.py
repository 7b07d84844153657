"""Boundary IoU against its definition: erosions by OpenCV, mask by mask, as the paper describes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from caffe_fcn.evaluation.boundaries import Boundaries, find_bands, measure_width

IGNORED = 255


def band(mask: np.ndarray, width: int) -> np.ndarray:
    """The mask without what ``width`` erosions by a 3x3 square leave of it, outside of the image being no mask."""
    padded = np.pad(mask.astype(np.uint8), width)
    left = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width, borderValue=0)
    return mask & ~left[width:-width, width:-width].astype(bool)


@given(
    classes=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)),
    grown=st.integers(1, 4),
    width=st.integers(1, 3),
)
def test_the_band_is_what_erosions_remove(classes: np.ndarray, grown: int, width: int) -> None:
    label = np.kron(classes, np.ones((grown, grown), np.uint8))
    found = find_bands(label, width)
    for each in (0, 1):
        np.testing.assert_array_equal(found & (label == each), band(label == each, width))


@pytest.mark.parametrize("pixels", [None, 1, 3])
def test_bands_of_a_class_are_summed_over_images(pixels: int | None) -> None:
    random = np.random.default_rng(0)
    boundaries = Boundaries(4, pixels)
    both, either = np.zeros(4), np.zeros(4)
    for shape in ((40, 60), (150, 130), (5, 90)):
        small = random.integers(0, 3, (2, *(-(-side // 8) for side in shape)))
        label, prediction = np.kron(small, np.ones((1, 8, 8), np.int64))[:, : shape[0], : shape[1]]
        prediction = np.roll(prediction, 1, axis=1)
        label[:3, -20:] = IGNORED
        boundaries.add(label.astype(np.uint8), prediction, IGNORED)
        width = pixels or max(1, round(0.02 * (shape[0] ** 2 + shape[1] ** 2) ** 0.5))
        for each in range(4):
            mine, theirs = (band((values == each) & (label != IGNORED), width) for values in (label, prediction))
            both[each] += (mine & theirs).sum()
            either[each] += (mine | theirs).sum()
    assert boundaries.iou() == pytest.approx([*(both[:3] / either[:3]), None])


def test_the_width_is_two_percent_of_the_diagonal() -> None:
    assert measure_width((375, 500)) == round(0.02 * 625) == 12
    assert measure_width((3, 4)) == 1
