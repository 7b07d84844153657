"""The numbers of parameters, against numpy on the same arrays."""

from __future__ import annotations

import numpy as np
import pytest

from caffe_fcn.inspection import ParameterNumbers, inspect_weights
from caffe_fcn.weights import open_weights

BIG = (1100, 600)  # more values than are read at a time


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], dict[str, ParameterNumbers]]:
    random = np.random.default_rng(0)
    big = random.normal(0, 0.1, BIG).astype(np.float32)
    big[[3, 700]] = 0
    conv = random.normal(0, 1, (4, 3, 5, 5)).astype(np.float32)
    conv[2, 1, 3, 4] = -9
    given = {"fc/0": big, "conv/0": conv, "conv/1": np.zeros(4, np.float32)}
    path = tmp_path_factory.mktemp("weights") / "net.npz"
    np.savez(path, **given)
    with open_weights(path) as weights:
        return given, {f"{each.layer}/{each.index}": each for each in inspect_weights(weights)}


def test_the_figures_are_those_of_the_arrays(
    arrays: tuple[dict[str, np.ndarray], dict[str, ParameterNumbers]],
) -> None:
    given, found = arrays
    assert found.keys() == given.keys()
    for name, values in given.items():
        figures = found[name].statistics
        assert found[name].shape == values.shape
        assert figures.mean == pytest.approx(values.mean(dtype=np.float64))
        assert figures.deviation == pytest.approx(values.std(dtype=np.float64))
        assert figures.zeros == np.sum(values == 0)


def test_the_largest_weights_are_named_with_their_positions(
    arrays: tuple[dict[str, np.ndarray], dict[str, ParameterNumbers]],
) -> None:
    given, found = arrays
    assert found["conv/0"].largest[0] == ((2, 1, 3, 4), -9.0)
    for name in ("fc/0", "conv/0"):
        flat = given[name].ravel()
        places = np.argsort(-np.abs(flat), kind="stable")[:5]
        expected = [(np.unravel_index(place, given[name].shape), flat[place]) for place in places]
        assert [(position, np.float32(value)) for position, value in found[name].largest] == expected


def test_rows_of_zeros_are_counted(arrays: tuple[dict[str, np.ndarray], dict[str, ParameterNumbers]]) -> None:
    _, found = arrays
    assert [found[name].zero_rows for name in ("fc/0", "conv/0", "conv/1")] == [2, 0, 0]
