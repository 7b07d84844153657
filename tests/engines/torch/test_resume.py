"""Solver states: real Caffe goes on from ours, we from Caffe's, and from our own as if nothing had happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trainings import MOMENTUM, SOLVERS, assert_same_weights, caffe_train, losses, torch_train

from caffe_fcn.engines import solver_state
from caffe_fcn.engines.solver_state import DataPosition, SavedState
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import SolverState
from caffe_fcn.weights.tensors import from_array

FORMS = {"BINARYPROTO": "", "HDF5": ".h5"}


@pytest.mark.caffe
@pytest.mark.numerics
def test_caffe_and_torch_go_on_halfway_for_each_other(
    triangles: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path
) -> None:
    """Fifty iterations are four times through the images, so who starts over goes on where the other stopped."""
    monkeypatch.chdir(triangles)
    whole = {**MOMENTUM, "max_iter": 100, "snapshot": 50}
    start = "start.caffemodel"
    straight = losses(caffe_train(caffe_bin, outlines.solver(triangles, **whole), f"-weights={start}"))
    torch_train(outlines.solver(triangles, **{**whole, "max_iter": 50}, snapshot_prefix="ours"), weights=[start])
    by_caffe = outlines.solver(triangles, **whole, snapshot_prefix="by_caffe")
    theirs = losses(caffe_train(caffe_bin, by_caffe, "-snapshot=ours_iter_50.solverstate"))
    by_torch = outlines.solver(triangles, **whole, snapshot_prefix="by_torch")
    ours = losses(torch_train(by_torch, snapshot="snap_iter_50.solverstate"))
    for found in (theirs, ours):
        np.testing.assert_allclose(found, straight[50:], rtol=1e-3)
    for who in ("by_caffe", "by_torch"):
        assert_same_weights(triangles / f"{who}_iter_100.caffemodel", triangles / "snap_iter_100.caffemodel")


@pytest.mark.parametrize(("kind", "form"), [*((kind, "BINARYPROTO") for kind in SOLVERS), ("AdaDelta", "HDF5")])
def test_to_resume_is_to_have_never_stopped(place: Path, kind: str, form: str) -> None:
    outlines.net(place, outlines.data(3, more="mirror: true crop_size: 14"), outlines.DROPOUT)
    options = {**SOLVERS[kind], "max_iter": 9, "snapshot": 4, "snapshot_format": form}
    options |= {"lr_policy": "step", "gamma": 0.7, "stepsize": 3, "test_iter": 2, "test_interval": 3, "random_seed": -1}
    end = FORMS[form]
    straight = torch_train(outlines.solver(place, **options), weights=["start.caffemodel"])
    resumed = torch_train(
        outlines.solver(place, **options, snapshot_prefix="again"), snapshot=f"snap_iter_4.solverstate{end}"
    )
    assert losses(resumed).tolist() == losses(straight)[4:].tolist()
    once, twice = (outlines.weights(place / f"{name}_iter_9.caffemodel{end}") for name in ("snap", "again"))
    for name in once:
        assert (once[name] == twice[name]).all()
    states = [solver_state.read(place / f"{name}_iter_9.solverstate{end}") for name in ("snap", "again")]
    assert states[0].position == states[1].position
    for one, other in zip(*(each.histories for each in states), strict=True):
        assert (one.load() == other.load()).all()


@pytest.mark.caffe
@pytest.mark.numerics
def test_a_snapshot_of_caffes_starts_the_data_anew_as_caffe_does(place: Path, caffe_bin: Path) -> None:
    solver = outlines.solver(place, max_iter=3, momentum=0.9)
    caffe_train(caffe_bin, solver, "-weights=start.caffemodel")
    onwards = outlines.solver(place, max_iter=8, momentum=0.9)
    theirs = losses(caffe_train(caffe_bin, onwards, "-snapshot=snap_iter_3.solverstate"))
    np.testing.assert_allclose(losses(torch_train(onwards, snapshot="snap_iter_3.solverstate")), theirs, rtol=1e-4)


def test_weights_are_found_beside_a_snapshot_that_was_moved(place: Path) -> None:
    solver = outlines.solver(place, max_iter=2)
    torch_train(solver, weights=["start.caffemodel"])
    (place / "away").mkdir()
    for suffix in ("caffemodel", "solverstate"):
        (place / f"snap_iter_2.{suffix}").rename(place / "away" / f"snap_iter_2.{suffix}")
    with Solver(outlines.solver(place, max_iter=4), snapshot="away/snap_iter_2.solverstate") as training:
        assert training.iteration == 2
    (place / "away/snap_iter_2.caffemodel").unlink()
    with pytest.raises(CaffeFcnError, match=r"its weights 'snap_iter_2.caffemodel' are neither there nor beside it"):
        Solver(solver, snapshot="away/snap_iter_2.solverstate")


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "another type": ({"type": "Adam"}, "holds 8 histories, and Adam keeps 16 for this net"),
    "another net": (
        {"net": "other.prototxt"},
        "the history of layer 'conv1', parameter 0, is 8x1x3x3 (this net's is 8x1x5x5)",
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_snapshot_that_does_not_fit_is_refused(place: Path, misfit: str) -> None:
    torch_train(outlines.solver(place, max_iter=2), weights=["start.caffemodel"])
    text = (place / "net.prototxt").read_text().replace("kernel_size: 3 pad: 1", "kernel_size: 5 pad: 2", 1)
    (place / "other.prototxt").write_text(text)
    (place / "snap_iter_2.caffemodel").write_bytes((place / "start.caffemodel").read_bytes())
    settings, what = MISFITS[misfit]
    if "net" in settings:
        torch_train(outlines.solver(place, "tmp.prototxt", max_iter=0, snapshot_prefix="other", **settings))
        (place / "snap_iter_2.caffemodel").write_bytes((place / "other_iter_0.caffemodel").read_bytes())
    with pytest.raises(CaffeFcnError) as caught:
        Solver(outlines.solver(place, **settings), snapshot="snap_iter_2.solverstate")
    assert str(caught.value).startswith("snap_iter_2.solverstate: ")
    assert what in str(caught.value)


def test_caffes_schema_reads_the_binary_form(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    path = tmp_path / "x.solverstate"
    position = DataPosition(5, (12, 3))
    solver_state.write(path, SavedState(7, "x.caffemodel", 2, [from_array(values), from_array(-values)], position))
    message = SolverState.FromString(path.read_bytes())
    assert (message.iter, message.learned_net, message.current_step) == (7, "x.caffemodel", 2)
    assert [list(blob.shape.dim) for blob in message.history] == [[2, 3], [2, 3]]
    assert list(message.history[1].data) == [-0.0, -1, -2, -3, -4, -5]
    assert solver_state.read(path).position == position


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans(), form=st.sampled_from(["", ".h5"]))
@settings(max_examples=150, deadline=None)
def test_damaged_states_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool, form: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.solverstate{form}"
    histories = [from_array(np.ones((4, 5), np.float32))]
    solver_state.write(path, SavedState(7, "x.caffemodel", 2, histories, DataPosition(5, (12, 3))))
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at:] = data[at:][:0] if cut else bytes([byte]) + data[at + 1 :]
    path.write_bytes(data)
    try:
        found = solver_state.read(path)
        assert sum(history.count for history in found.histories) <= 20
    except CaffeFcnError as error:
        assert "\n" not in str(error)
