"""The best class of each pixel is the one that numpy finds, the first one of several equal ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from caffe_fcn.evaluation.predict import classify_pixels

SHAPES = st.tuples(st.integers(2, 6), st.integers(1, 9), st.integers(1, 9))


@given(arrays(np.float32, SHAPES, elements=st.sampled_from([-1e30, -1.0, -0.0, 0.0, 1.0, 3e38])))
def test_the_best_class_is_the_first_of_the_highest_scores(score: np.ndarray) -> None:
    assert (classify_pixels(score) == score.argmax(0)).all()
    turned = score[:, ::-1].transpose(0, 2, 1)
    channels_last = np.ascontiguousarray(score.transpose(1, 2, 0)).transpose(2, 0, 1)
    for each in (turned, channels_last):
        assert (classify_pixels(each) == each.argmax(0)).all()


@pytest.mark.parametrize(("classes", "dtype"), [(2, np.uint8), (256, np.uint8), (257, np.uint16), (700, np.uint16)])
def test_many_classes_and_pixels(classes: int, dtype: type) -> None:
    size = (300, 400) if classes == 2 else (20, 30)
    score = np.random.default_rng(0).integers(0, 2 * classes, (classes, *size)).astype(np.float32)
    found = classify_pixels(score)
    assert found.dtype == dtype
    assert (found == score.argmax(0)).all()
