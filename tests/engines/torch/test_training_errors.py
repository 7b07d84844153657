"""What goes wrong in a training by the torch engine is one line, and nothing half-written stays."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
import torch
from command import FOREVER, ROOT, Ran, Running
from trainings import losses, torch_train

from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Writer
from caffe_fcn.engines.torch import Net
from caffe_fcn.engines.torch.training.snapshots import save
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import CaffeFcnError

Cli = Callable[..., Ran]

SIZE, COUNT = outlines.SIZE, outlines.COUNT


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def read_error(solver: Path, **options: Any) -> str:
    """The error of a training, which is one line."""
    with pytest.raises(CaffeFcnError) as caught, Solver(solver, **options) as training:
        list(training.solve())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_labels(place: Path, records: list[bytes]) -> Path:
    """Write a database of labels and a net that reads it; returns the solver."""
    with Writer(place / "others") as writer:
        writer.append(records)
    (place / "net.prototxt").write_text((place / "net.prototxt").read_text().replace('"labels"', '"others"'))
    return outlines.solver(place, max_iter=20)


def plane(value: float, size: int = SIZE) -> bytes:
    return datum.pack_floats(np.full((1, size, size), value, np.float32))


MISFITS = {
    "a class too many": ([plane(1)] * 13 + [plane(2)] * 7, "layer 'loss' (SoftmaxWithLoss): label 2 is none of 0 to 1"),
    "below zero": ([plane(-1)] * COUNT, "layer 'loss' (SoftmaxWithLoss): label -1 is none of 0 to 1"),
    "of another size": (
        [plane(0, SIZE // 2)] * COUNT,
        "layer 'loss' (SoftmaxWithLoss): 'label' (4x1x8x8) has not one label for each prediction of 'score' (4x2x16",
    ),
    "that grow": ([plane(0)] * 8 + [plane(0, 18)] * 12, "layer 'loss' (SoftmaxWithLoss): "),
    "of two sizes in a batch": ([plane(0)] * 9 + [plane(0, 18)] * 11, "others, record 9: is 1x18x18, and the first of"),
    "too few": ([plane(0)] * 13, "others: has 13 records, and images 20"),
    "none": ([], "others: is an empty LMDB"),
    "no records": ([plane(0)] * 10 + [b"\xff\x00"] + [plane(0)] * 9, "others, record 10: is not a Datum"),
}


@pytest.mark.parametrize("name", MISFITS)
@pytest.mark.parametrize("workers", [0, 2])
def test_labels_that_do_not_fit(place: Path, name: str, workers: int) -> None:
    records, line = MISFITS[name]
    assert read_error(write_labels(place, records), workers=workers).startswith(line)


@pytest.mark.parametrize("left", [0.99, 0.4, 0])
def test_a_database_that_ends_early(place: Path, left: float) -> None:
    file = place / "labels/data.mdb"
    os.truncate(file, int(left * file.stat().st_size))
    assert read_error(outlines.solver(place)).startswith("labels/data.mdb: is cut off: ")


def test_images_of_another_size_than_a_net_was_made_for(place: Path) -> None:
    with Writer(place / "sizes") as writer:
        writer.append([plane(0), plane(0, 20)] * 10)
    (place / "net.prototxt").write_text(
        """layer { name: "data" type: "Data" top: "data" data_param { source: "sizes" batch_size: 1 backend: LMDB } }
           layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 2 } }"""
    )
    line = read_error(outlines.solver(place))
    assert line.startswith("layer 'f' (InnerProduct): would need parameters 2x400, 2 for 1x1x20x20, it has 2x256, 2")


def test_weights_of_another_net(place: Path) -> None:
    text = (place / "net.prototxt").read_text()
    (place / "net.prototxt").write_text(text.replace("kernel_size: 3 pad: 1", "kernel_size: 5 pad: 2", 1))
    line = read_error(outlines.solver(place), weights=["start.caffemodel"])
    assert line.startswith("start.caffemodel, layer 'conv1', parameter 0: is 8x1x3x3, in the net 8x1x5x5")


@pytest.mark.parametrize("layer", ["conv1", "frozen", "score"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(place: Path, layer: str, value: float) -> None:
    spoil_weights(place, layer, value)
    line = read_error(outlines.solver(place), weights=["spoilt.caffemodel"])
    assert line.startswith(f"spoilt.caffemodel: layer '{layer}', parameter 0, holds nan or infinity")


def spoil_weights(place: Path, layer: str, value: float) -> None:
    net = Net(place / "net.prototxt", "train", ["start.caffemodel"])
    net.params[layer][0].data[1, 0] = value
    save(net, place / "spoilt.caffemodel")


@pytest.mark.parametrize("layer", ["conv1", "conv2", "frozen", "score"])
def test_a_loss_that_is_no_number_names_the_layer_where_that_began(place: Path, layer: str) -> None:
    spoil_weights(place, layer, 3e38)  # a number, but no sum of them is one
    line = read_error(outlines.solver(place), weights=["spoilt.caffemodel"])
    assert line.startswith("iteration 0: the loss is not a number: nan or infinity first appears in layer ")
    assert f"layer '{layer}' (" in line


def test_a_loss_that_is_no_number_because_of_the_data_says_so(place: Path) -> None:
    with Writer(place / "images2") as writer:
        writer.append([plane(0)] * 9 + [plane(np.nan)] + [plane(0)] * 10)
    (place / "net.prototxt").write_text((place / "net.prototxt").read_text().replace('"images"', '"images2"'))
    line = read_error(outlines.solver(place))
    what = "the loss is not a number: nan or infinity first appears in layer 'data' (Data)"
    assert line.startswith(f"iteration 2: {what}")


def test_a_learning_rate_that_is_too_high(place: Path) -> None:
    line = read_error(outlines.solver(place, base_lr=1e20), weights=["start.caffemodel"])
    assert line.startswith("iteration 1: the loss is not a number: nan or infinity first appears in layer '")
    assert line.endswith("(lower base_lr (it is 1e+20); set clip_gradients)")
    line = read_error(
        outlines.solver(place, base_lr=1e38, momentum=0.9, weight_decay=50.0), weights=["start.caffemodel"]
    )
    assert line.startswith("iteration 1: the loss is not a number, since the last update spoilt the weights of layer '")


def test_the_command_reports_the_error_of_any_rank(place: Path, cli: Cli) -> None:
    """The fourteenth record is in the fourth batch, which is the second rank's."""
    ran = cli(
        "train", write_labels(place, [plane(1)] * 13 + [plane(7)] * 7), "--engine", "torch", "--nproc", 2, "--quiet"
    )
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: layer 'loss' (SoftmaxWithLoss): label 7 is none of 0 to 1 (correct the labels")
    assert len(ran.err.splitlines()) == 1


def test_a_misspelt_field_of_the_solver(place: Path, cli: Cli) -> None:
    solver = outlines.solver(place, base_lrr=0.1)
    ran = cli("train", solver, "--engine", "torch")
    line = f"error: {solver}:10:1: SolverParameter has no field 'base_lrr' (did you mean base_lr?)"
    assert (ran.status, ran.out, ran.err.splitlines()) == (2, "", [line])


def test_a_disk_that_is_full_keeps_the_last_snapshot_and_nothing_else(place: Path) -> None:
    """A limit on the size of files: the log and the solver's state fit, weights with 4 kB more do not."""
    before = torch_train(outlines.solver(place, max_iter=1))
    assert len(losses(before)) == 2
    limit = (place / "snap_iter_1.caffemodel").stat().st_size - 100
    kept = {path.name: path.read_bytes() for path in place.glob("snap_iter_1.*")}
    outlines.solver(place, max_iter=5, snapshot=2)
    done = subprocess.run(
        [sys.executable, "-m", "caffe_fcn", "train", "solver.prototxt", "--engine", "torch", "--quiet"]
        + ["--snapshot", "snap_iter_1.solverstate"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: snap_iter_3.caffemodel: file too large") or "snap_iter_2.caffemodel: " in line
    assert {path.name: path.read_bytes() for path in place.iterdir() if "_iter_" in path.name} == kept


def test_a_training_that_signals_stopped_goes_on_as_if_nothing_had_happened(
    place: Path, cli: Cli, running: Callable[..., Running]
) -> None:
    outlines.net(place, outlines.data(3, more="mirror: true crop_size: 14"), outlines.DROPOUT)
    state: str | None = None
    for number in (signal.SIGTERM, signal.SIGINT):
        outlines.solver(place, max_iter=FOREVER, momentum=0.9, test_iter=2, test_interval=3, snapshot_prefix="stopped")
        run = running("solver.prototxt", "--engine", "torch", *(["--snapshot", state] if state else []))
        at = iteration_of(state) if state else 0
        run.wait_for(f"iteration {at + 4}/")
        run.process.send_signal(number)
        status, out = run.end()
        assert status == 130
        assert "stopping with a snapshot" in run.seen
        assert "error" not in run.seen
        (state,) = (line.split()[-1] for line in out.splitlines() if line.startswith("state"))
    assert state
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # as the ranks have it: sums depend on it
    end = iteration_of(state) + 5
    settings = {"max_iter": end, "momentum": 0.9, "test_iter": 2, "test_interval": 3}
    onwards = torch_train(outlines.solver(place, **settings, snapshot_prefix="resumed"), snapshot=state)
    straight = torch_train(outlines.solver(place, **settings, snapshot_prefix="straight"))
    assert losses(onwards).tolist() == losses(straight)[iteration_of(state) :].tolist()
    resumed, whole = ((place / f"{name}_iter_{end}.caffemodel").read_bytes() for name in ("resumed", "straight"))
    assert resumed == whole


def iteration_of(state: str) -> int:
    return int(re.findall(r"\d+", state)[0])


@pytest.mark.parametrize("wait", [0.0, 0.5, pytest.param(1.0, marks=pytest.mark.long)])
def test_a_training_that_is_stopped_before_it_begins(place: Path, running: Callable[..., Running], wait: float) -> None:
    outlines.solver(place, max_iter=FOREVER)
    run = running("solver.prototxt", "--engine", "torch")
    while not (place / "snap.log").exists():
        time.sleep(0.02)
    time.sleep(wait)
    run.process.send_signal(signal.SIGINT)
    status, _ = run.end()
    assert status == 130
    assert "error" not in run.seen
    assert "Traceback" not in run.seen
