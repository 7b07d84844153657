"""Training by the torch engine, judged by real Caffe: same records, same weights to begin with, same solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
from trainings import MOMENTUM, assert_same_weights, caffe_train, losses, torch_train

from caffe_fcn.engines import events
from caffe_fcn.engines.events import Step


@pytest.mark.caffe
@pytest.mark.numerics
def test_a_training_goes_caffes_way(triangles: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> None:
    """By SGD, whose steps are as small as the gradient; test_update_rules checks the other types.

    They divide a gradient by its own size, so that rounding alone would move a weight by the whole rate.
    """
    monkeypatch.chdir(triangles)
    solver = outlines.solver(triangles, **MOMENTUM, snapshot_prefix="caffe")
    theirs = losses(caffe_train(caffe_bin, solver, "-weights=start.caffemodel"))
    solver = outlines.solver(triangles, **MOMENTUM, snapshot_prefix="torch")
    ours = losses(torch_train(solver, weights=["start.caffemodel"]))
    assert len(ours) == 50 + 1
    assert theirs.min() < 0.8 * theirs[0]  # there was something to learn, and to go astray with
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    assert_same_weights(*(triangles / f"{engine}_iter_50.caffemodel" for engine in ("torch", "caffe")))


@pytest.mark.caffe
@pytest.mark.numerics
@pytest.mark.parametrize(
    "policy",
    [
        {"lr_policy": "fixed"},
        {"lr_policy": "step", "gamma": 0.5, "stepsize": 7},
        {"lr_policy": "exp", "gamma": 0.93},
        {"lr_policy": "inv", "gamma": 0.1, "power": 0.75},
        {"lr_policy": "multistep", "gamma": 0.1, "stepvalue": [5, 6, 15]},
        {"lr_policy": "poly", "power": 1.5},
        {"lr_policy": "sigmoid", "gamma": 0.3, "stepsize": 12},
    ],
    ids=lambda policy: policy["lr_policy"],
)
def test_learning_rates_are_caffes(place: Path, caffe_bin: Path, policy: dict[str, Any]) -> None:
    solver = outlines.solver(place, max_iter=25, base_lr=0.01, **policy)
    theirs = [event.lr for event in caffe_train(caffe_bin, solver) if isinstance(event, Step)]
    ours = [event.lr for event in torch_train(solver) if isinstance(event, Step)]
    assert len(ours) == 26
    printed, rounded = 5e-6, 2e-7  # half a unit of the sixth digit, and what float32 makes of a power
    np.testing.assert_allclose(np.array(ours[:25], float), np.array(theirs[:25], float), rtol=printed + rounded)


@pytest.mark.caffe
@pytest.mark.numerics
def test_gradients_are_clipped_by_the_norm_of_their_sum(place: Path, caffe_bin: Path) -> None:
    settings = {"clip_gradients": 0.3, "iter_size": 4, "momentum": 0.9, "weight_decay": 5e-4, "max_iter": 30}
    theirs = caffe_train(caffe_bin, outlines.solver(place, **settings), "-weights=start.caffemodel")
    ours = torch_train(outlines.solver(place, **settings, snapshot_prefix="ours"), weights=["start.caffemodel"])
    free = torch_train(
        outlines.solver(place, **{**settings, "clip_gradients": -1}, snapshot_prefix="free"),
        weights=["start.caffemodel"],
    )
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=1e-3)
    assert np.abs(losses(free) / losses(theirs) - 1).max() > 0.01  # so clipping matters here


@pytest.mark.caffe
@pytest.mark.numerics
def test_tests_and_averages_are_reported_as_by_caffe(place: Path, caffe_bin: Path) -> None:
    (place / "two.prototxt").write_text(
        (place / "net.prototxt").read_text().replace('top: "accuracy"', 'top: "accuracy" top: "each"')
    )
    settings = {
        "test_net": ["two.prototxt"], "test_iter": [3, 2], "test_interval": 4, "max_iter": 12, "display": 3,
        "average_loss": 5,
    }  # fmt: skip
    solver = outlines.solver(place, **settings)
    theirs = caffe_train(caffe_bin, solver, "-weights=start.caffemodel")
    ours = torch_train(solver, weights=["start.caffemodel"])
    kinds = [(type(event), getattr(event, "iteration", 0), getattr(event, "net", 0)) for event in theirs]
    assert [(type(event), getattr(event, "iteration", 0), getattr(event, "net", 0)) for event in ours] == kinds
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, events.Test) and isinstance(other, events.Test):
            assert [name for name, _ in one.outputs] == [name for name, _ in other.outputs]
            np.testing.assert_allclose(*([value for _, value in each.outputs] for each in (one, other)), rtol=1e-3)
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=1e-3)


@pytest.mark.caffe
def test_states_of_solver_and_net_choose_the_layers(place: Path, caffe_bin: Path) -> None:
    net = place / "net.prototxt"
    loss = (
        'layer {{ name: "{0}" type: "EuclideanLoss" bottom: "score" bottom: "score" top: "{0}" include {{ {1} }} }}\n'
    )
    rules = {
        "deep": 'stage: "deep"',
        "high": "min_level: 1",
        "tested": "phase: TEST max_level: 0",
        "both": 'phase: TRAIN stage: "deep"',
    }
    net.write_text(net.read_text() + "".join(loss.format(name, rule) for name, rule in rules.items()))
    solver = outlines.solver(place, max_iter=2, test_iter=[1, 1], test_interval=1)
    with solver.open("a") as file:
        file.write('train_state { stage: "deep" } test_state { level: 1 } test_state { stage: "deep" }\n')
    both = (
        caffe_train(caffe_bin, solver, "-weights=start.caffemodel"),
        torch_train(solver, weights=["start.caffemodel"]),
    )
    theirs, ours = (
        [[name for name, _ in event.outputs] for event in found if not isinstance(event, events.Snapshot)]
        for found in both
    )
    assert ours == theirs
    assert ["accuracy", "high", "loss"] in ours
    assert ["accuracy", "deep", "loss", "tested"] in ours
    assert ["both", "deep", "loss"] in ours


def test_bfloat16_trains_nearly_so_and_keeps_parameters_in_float32(place: Path) -> None:
    by_precision = {}
    for precision in ("float32", "bf16"):
        solver = outlines.solver(place, max_iter=30, momentum=0.9, snapshot_prefix=precision)
        by_precision[precision] = losses(torch_train(solver, weights=["start.caffemodel"], precision=precision))
    apart = np.abs(by_precision["bf16"] / by_precision["float32"] - 1)
    assert 1e-6 < apart.max() < 0.05
    assert {array.dtype for array in outlines.weights(place / "bf16_iter_30.caffemodel").values()} == {np.dtype("f4")}
