"""The figures of trainings in ``train.jsonl``: all of them, each once, by both engines and after any interruption."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

import decay
import pytest
from command import FOREVER, ROOT, Ran, Running
from killing import kill_after, list_places, read_records, wait_for_the_child

from caffe_fcn.engines.events import Snapshot, Step
from caffe_fcn.engines.events import Test as NetTest
from caffe_fcn.engines.recording import Recorder
from caffe_fcn.training import read_log

Cli = Callable[..., Ran]
ENGINES = ["caffe", "torch"]
TESTS = "test_iter: 1 test_interval: 10"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    """The working directory; Caffe is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.mark.parametrize("engine", ENGINES)
def test_every_figure_is_recorded(place: Path, cli: Cli, engine: str) -> None:
    assert cli("train", decay.write(place, TESTS), "--engine", engine).status == 0
    found = read_records("snapshots/decay.jsonl")
    assert list_places(found) == [
        *((0, "test"), (0, "step"), (5, "step"), (10, "test"), (10, "step"), (15, "step")),
        *((20, "snapshot"), (20, "step"), (20, "test")),
    ]
    for each in found:
        if "snapshot" in each:
            assert each["snapshot"] == "snapshots/decay_iter_20.solverstate"
            continue
        expected = pytest.approx(decay.loss(each["iteration"]), rel=1e-4)
        assert each["outputs"] == ({} if each["iteration"] == 20 and "loss" in each else {"loss": expected})
        if "loss" in each:
            assert each["loss"] == expected
            assert each["lr"] == (None if each["iteration"] == 20 else 0.1)
    later = [each for each in found if "loss" in each and each["iteration"] in (5, 10, 15)]
    for each in later:  # a batch of DummyData has one image here
        assert each["images_per_second"] == pytest.approx(each["iterations_per_second"])
        assert each["images_per_second"] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_memory_is_that_of_the_process_that_trains(
    place: Path, running: Callable[..., Running], engine: str
) -> None:
    decay.write(place, max_iter=FOREVER, display=1000)
    run = running("solver.prototxt", "--engine", engine)
    run.wait_for("iteration 1000/")
    run.process.send_signal(signal.SIGINT)
    assert run.end()[0] == 130
    first, *_ = read_records("snapshots/decay.jsonl")
    assert 1_000_000 < first["memory"] < 100_000_000_000


@pytest.mark.parametrize("engine", ENGINES)
def test_images_are_those_of_a_batch_in_all_passes(place: Path, cli: Cli, engine: str) -> None:
    solver = decay.write(place, iter_size=3)
    net = place / "net.prototxt"
    net.write_text(net.read_text().replace("shape { dim: 1 dim: 1 }", "shape { dim: 4 dim: 1 }"))
    assert cli("train", solver, "--engine", engine).status == 0
    steps = [each for each in read_records("snapshots/decay.jsonl") if each.get("iterations_per_second")]
    assert steps
    for step in steps:
        assert step["images_per_second"] == pytest.approx(12 * step["iterations_per_second"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_continuation_replaces_what_came_after_its_snapshot(place: Path, cli: Cli, engine: str) -> None:
    solver = decay.write(place, TESTS, snapshot=4)
    assert cli("train", solver, "--engine", engine).status == 0
    whole = list_places(read_records("snapshots/decay.jsonl"))
    for iteration in (4, 12, 20):
        state = f"snapshots/decay_iter_{iteration}.solverstate"
        with Path("snapshots/decay.jsonl").open("a") as file:
            file.write('{"iteration": 20, "lo')  # as a killed training leaves it
        assert cli("train", solver, "--engine", engine, "--snapshot", state).status == 0
        assert list_places(read_records("snapshots/decay.jsonl")) == whole


def test_a_new_training_begins_a_new_file(place: Path, cli: Cli) -> None:
    for _ in range(2):
        assert cli("train", decay.write(place)).status == 0
    assert list_places(read_records("snapshots/decay.jsonl")) == [
        *((iteration, "step") for iteration in (0, 5, 10, 15)),
        *((20, "snapshot"), (20, "step")),
    ]


def test_the_log_and_the_figures_say_the_same(place: Path, cli: Cli) -> None:
    assert cli("train", decay.write(place, TESTS)).status == 0
    log, figures = read_log("snapshots/decay.log"), read_log("snapshots/decay.jsonl")
    assert (log.steps, log.tests) == (figures.steps, figures.tests)


def test_a_log_is_not_written_over_the_figures(place: Path, cli: Cli) -> None:
    ran = cli("train", decay.write(place), "--log", "snapshots/decay.jsonl")
    assert ran.status == 2
    assert "is where the figures of the training go (name another --log)" in ran.err


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_any_moment_and_resumed_no_figure_is_missing_or_double(place: Path, engine: str) -> None:
    """Each training is killed after a random while, until one of them gets to the end."""
    decay.write(place, "test_iter: 1 test_interval: 250", max_iter=4000, display=100, snapshot=200)
    moments = random.Random(engine)
    prefix = place / "snapshots/decay"
    words = ["solver.prototxt", "--engine", engine, "--no-check", "--resume"]
    for _ in range(40):
        status = kill_after(place / "snapshots/decay.log", moments.randint(3000, 30000), *words)
        if status == 0:
            break
        wait_for_the_child(place)
    assert status == 0
    found = list_places(read_records(f"{prefix}.jsonl"))
    steps = [iteration for iteration, kind in found if kind == "step"]
    tests = [iteration for iteration, kind in found if kind == "test"]
    snapshots = [iteration for iteration, kind in found if kind == "snapshot"]
    assert snapshots == list(range(200, 4001, 200))
    assert (steps, tests) == (list(range(0, 4001, 100)), list(range(0, 4001, 250)))


def test_values_that_are_not_finite_stay_json(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.jsonl", resumes=False, images=None)
    recorder.add(Step(0, float("nan"), float("inf"), (("a", 1.0), ("a", float("-inf")))))
    recorder.add(Snapshot("a.caffemodel"))
    recorder.add(NetTest(0, 1, (("b", 2.0),)))
    recorder.close()
    step, test = read_records(tmp_path / "a.jsonl")  # weights alone are no snapshot
    assert (step["loss"], step["lr"], step["outputs"]) == ("nan", "inf", {"a": [1.0, "-inf"]})
    assert test == {"iteration": 0, "test_net": 1, "outputs": {"b": 2.0}, "memory": None}
    assert step["images_per_second"] is None


def test_lines_of_others_in_the_file_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"iteration": 0, "loss": 1.0}\n\n[]\n{"iteration": 5, "loss": 1.0}\n{"iter')
    recorder = Recorder(path, resumes=True, images=None)
    recorder.add(Step(5, 2.0))
    recorder.close()
    assert [(each["iteration"], each["loss"]) for each in read_records(path)] == [(0, 1.0), (5, 2.0)]
