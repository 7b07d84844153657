"""Every type of solver updates weights as real Caffe does: from one snapshot with histories, by exact gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import exact_gradients
import numpy as np
import outlines
import pytest
from exact_gradients import assert_same_histories, assert_same_updates
from trainings import SOLVERS, caffe_train, torch_train

from caffe_fcn.engines import solver_state
from caffe_fcn.errors import EngineError

UPDATES = 3


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the net of exact gradients."""
    monkeypatch.chdir(tmp_path)
    exact_gradients.write_files(tmp_path)
    return tmp_path


def histories(path: Path) -> list[np.ndarray]:
    return [np.array(history.load()) for history in solver_state.read(path).histories]


BEGUN = [
    *((kind, "caffe", "") for kind in SOLVERS),
    ("AdaDelta", "caffe", ".h5"),
    ("SGD", "torch", ""),
    ("Adam", "torch", ""),
    ("AdaDelta", "torch", ".h5"),
]
"""The type of solver, who makes the snapshot, and its form."""


@pytest.mark.caffe
@pytest.mark.numerics
@pytest.mark.parametrize(("kind", "begun_by", "end"), BEGUN)
def test_updates_from_a_snapshot_are_those_of_real_caffe(
    place: Path, caffe_bin: Path, kind: str, begun_by: str, end: str
) -> None:
    """The snapshot is made where all eight records are through, so that to start the data anew is to go on."""
    begun = 2 if SOLVERS[kind].get("iter_size") == 2 else 4  # of 1, 2 or 3 batches each
    last = begun + UPDATES
    rates = {"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [begun - 1, last - 1]}
    rates["snapshot_format"] = "HDF5" if end else "BINARYPROTO"

    def solver(name: str, max_iter: int) -> Path:
        return outlines.solver(place, **rates, **SOLVERS[kind], max_iter=max_iter, snapshot_prefix=name)

    if begun_by == "caffe":
        caffe_train(caffe_bin, solver("begun", begun), "-weights=start.caffemodel")
    else:
        torch_train(solver("begun", begun), weights=["start.caffemodel"])
    snapshot = f"begun_iter_{begun}.solverstate{end}"
    caffe_train(caffe_bin, solver("caffe", last), f"-snapshot={snapshot}")
    torch_train(solver("torch", last), snapshot=snapshot)
    before, ours, theirs = (
        outlines.weights(place / f"{name}.caffemodel{end}")
        for name in (f"begun_iter_{begun}", f"torch_iter_{last}", f"caffe_iter_{last}")
    )
    assert_same_updates(ours, theirs, before, UPDATES)
    our_histories, caffes = (histories(place / f"{name}_iter_{last}.solverstate{end}") for name in ("torch", "caffe"))
    assert_same_histories(our_histories, caffes, UPDATES)


REFUSED: list[tuple[dict[str, Any], str]] = [
    *(
        ({"lr_policy": policy, "gamma": -0.5, "stepsize": 5, "stepvalue": 5}, f"lr_policy '{policy}' has gamma -0.5")
        for policy in ("exp", "inv", "multistep", "sigmoid", "step")
    ),
    ({"lr_policy": "exp", "gamma": float("nan")}, "lr_policy 'exp' has gamma nan"),
    ({"lr_policy": "sigmoid", "gamma": 0.5}, "lr_policy 'sigmoid' has no stepsize"),
    ({"type": "RMSProp", "rms_decay": 1}, "rms_decay 1"),
]
TAKEN: list[dict[str, Any]] = [
    {"lr_policy": "poly", "gamma": -0.5, "power": 1},
    {"lr_policy": "fixed", "gamma": -0.5, "stepsize": -3},
    {"rms_decay": 2},
]


@pytest.mark.caffe
@pytest.mark.parametrize(("settings", "what"), REFUSED, ids=lambda value: str(value)[:40])
def test_figures_that_caffe_refuses_are_refused(
    place: Path, caffe_bin: Path, settings: dict[str, Any], what: str
) -> None:
    solver = outlines.solver(place, **settings, max_iter=1)
    with pytest.raises(AssertionError, match="Check failed"):
        caffe_train(caffe_bin, solver)
    with pytest.raises(EngineError) as caught:
        torch_train(solver)
    assert str(caught.value).startswith(f"solver: {what}")


@pytest.mark.caffe
@pytest.mark.parametrize("settings", TAKEN, ids=str)
def test_figures_that_nobody_reads_may_be_anything(place: Path, caffe_bin: Path, settings: dict[str, Any]) -> None:
    solver = outlines.solver(place, **settings, max_iter=1)
    assert len(caffe_train(caffe_bin, solver)) == len(torch_train(solver))
