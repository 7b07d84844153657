"""Statistics that come in parts are those of all values, as numpy computes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from caffe_fcn.inspection.statistics import measure

FLOATS = st.floats(-1e6, 1e6, width=32)
PARTS = st.lists(arrays(np.float32, st.integers(0, 40), elements=st.one_of(FLOATS, st.just(0.0))), max_size=5)


@given(PARTS)
def test_parts_have_the_statistics_of_the_whole(parts: list[np.ndarray]) -> None:
    found, whole = measure(lambda: parts, bins=7), np.concatenate([*parts, np.zeros(0, np.float32)]).astype(np.float64)
    assert (found.count, found.zeros, found.not_finite) == (whole.size, np.sum(whole == 0), 0)
    if whole.size:
        assert (found.low, found.high) == (whole.min(), whole.max())
        assert found.mean == pytest.approx(whole.mean(), rel=1e-9, abs=1e-6)
        assert found.deviation == pytest.approx(whole.std(), rel=1e-6, abs=1e-6)
        assert found.histogram == tuple(np.histogram(whole, 7, (whole.min(), whole.max()))[0])


def test_values_that_are_not_finite_are_counted_and_left_out() -> None:
    found = measure(lambda: [np.array([1.0, math.nan, math.inf, 3.0, -math.inf])])
    assert (found.count, found.not_finite, found.mean, found.deviation, found.high) == (5, 3, 2.0, 1.0, 3.0)
    assert sum(found.histogram) == 2


def test_nothing_finite_has_no_figures() -> None:
    found = measure(lambda: [np.array([math.nan])])
    assert found.to_json() == {
        "count": 1,
        "not_finite": 1,
        **dict.fromkeys(("mean", "deviation", "low", "high")),
        "zero_share": 0.0,
        "histogram": [],
    }


def test_a_small_deviation_of_large_values_is_not_lost() -> None:
    values = 1e8 + np.tile([0.0, 1.0], 1 << 19)  # several parts, whose squares have no digits left for it
    assert measure(lambda: [values]).deviation == pytest.approx(0.5, rel=1e-9)
