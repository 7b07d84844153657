"""``caffe-fcn train`` with real Caffe: what it shows, leaves and returns, stopped and resumed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import decay
import numpy as np
import pytest
from caffe_worker import PyCaffe
from command import FOREVER, ROOT, TRAIN, Ran, Running
from waiting import wait_until

from caffe_fcn.training import read_log

Cli = Callable[..., Ran]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    """The working directory; Caffe is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_a_training_shows_its_losses_and_names_what_it_wrote(place: Path, cli: Cli) -> None:
    ran = cli("train", decay.write(place, snapshot=10))
    assert ran.status == 0
    shown = re.findall(r"iteration (\d+)/20  loss (\S+)(?:  lr (\S+))?", ran.err)
    assert [int(iteration) for iteration, _, _ in shown] == [0, 5, 10, 15, 20]
    for iteration, loss, rate in shown:
        assert float(loss) == pytest.approx(decay.loss(int(iteration)), rel=1e-5)
        assert rate == ("0.1" if iteration != "20" else "")
    assert "wrote snapshots/decay_iter_10.caffemodel" in ran.err

    left = dict(line.rsplit("  ", 1) for line in ran.out.splitlines()[1:])
    assert {name.strip(): path for name, path in left.items()} == {
        "weights": "snapshots/decay_iter_20.caffemodel",
        "state": "snapshots/decay_iter_20.solverstate",
        "log": "snapshots/decay.log",
        "loss curve": "snapshots/decay.svg",
    }
    assert all((place / path).stat().st_size for path in left.values())
    ElementTree.parse(place / "snapshots/decay.svg")


def test_only_the_newest_snapshots_are_kept(place: Path, cli: Cli) -> None:
    assert cli("train", decay.write(place, snapshot=4), "--keep", 2).status == 0
    assert {path.stem for path in (place / "snapshots").glob("*.solverstate")} == {"decay_iter_16", "decay_iter_20"}
    assert {path.stem for path in (place / "snapshots").glob("*.caffemodel")} == {"decay_iter_16", "decay_iter_20"}


@pytest.mark.numerics
def test_the_weights_are_those_of_the_closed_form(place: Path, cli: Cli, pycaffe: PyCaffe) -> None:
    assert cli("train", decay.write(place)).status == 0
    source = """
        net = caffe.Net(str(inputs['net']), str(inputs['weights']), caffe.TEST)
        outputs['w'] = net.params['w'][0].data
    """
    weights = place / "snapshots/decay_iter_20.caffemodel"
    w = pycaffe(source, net=place / "net.prototxt", weights=weights)["w"]
    np.testing.assert_allclose(w, [[3 * (1 - 0.9**20)]], rtol=1e-5)


def test_fine_tuning_starts_from_the_weights(place: Path, cli: Cli) -> None:
    cli("train", decay.write(place))
    decay.write(place, snapshot_prefix="tuned/decay")
    assert cli("train", "solver.prototxt", "--weights", "snapshots/decay_iter_20.caffemodel").status == 0
    first = read_log("tuned/decay.log").losses()[0]
    assert first == (0, pytest.approx(decay.loss(20), rel=1e-4))


def test_a_resumed_training_goes_on_where_it_was(place: Path, cli: Cli) -> None:
    cli("train", decay.write(place, max_iter=10))
    decay.write(place)
    ran = cli("train", "solver.prototxt", "--snapshot", "snapshots/decay_iter_10.solverstate")
    assert ran.status == 0
    assert "iteration 0/" not in ran.err
    told = read_log("snapshots/decay.log").losses()
    assert [iteration for iteration, _ in told] == [0, 5, 10, 15, 20]
    assert [loss for _, loss in told] == [pytest.approx(decay.loss(i), rel=1e-5) for i, _ in told]
    assert f"loss {decay.loss(0):g} -> " in ran.out  # the report is of the whole training


def test_quiet_says_nothing_but_results(place: Path, cli: Cli) -> None:
    ran = cli("train", decay.write(place), "--quiet")
    assert (ran.status, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 5


def test_the_log_goes_where_it_should(place: Path, cli: Cli) -> None:
    ran = cli("train", decay.write(place), "--log", "my.log")
    assert ran.status == 0
    assert "log         my.log" in ran.out.splitlines()
    assert read_log("my.log").losses()[-1][0] == 20
    assert not (place / "snapshots/decay.log").exists()


def test_a_solver_in_another_folder_runs_there(place: Path, cli: Cli) -> None:
    (place / "nets").mkdir()
    decay.write(place / "nets")
    ran = cli("train", "nets/solver.prototxt")
    assert ran.status == 0
    assert f"note: running in {place / 'nets'}" in ran.err
    assert "weights     nets/snapshots/decay_iter_20.caffemodel" in ran.out.splitlines()


def test_paths_are_relative_to_the_working_directory_as_caffe_has_it(place: Path, cli: Cli) -> None:
    decay.write(place)
    (place / "nets").mkdir()
    decay.write(place / "nets").rename(place / "nets/other.prototxt")
    (place / "nets/net.prototxt").write_text("not this one")
    ran = cli("train", "nets/other.prototxt")
    assert ran.status == 0
    assert (place / "snapshots/decay_iter_20.caffemodel").exists()


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("new/folder/x", "new/folder/x"), ("new/", "new/solver"), ("there", "there/solver"), (None, "solver")],
)
def test_snapshots_go_where_caffe_puts_them(place: Path, cli: Cli, prefix: str | None, name: str) -> None:
    (place / "there").mkdir()
    if prefix is None:
        decay.write(place, without="snapshot_prefix")
    else:
        decay.write(place, snapshot_prefix=prefix)
    assert cli("train", "solver.prototxt").status == 0
    for suffix in ("_iter_20.caffemodel", "_iter_20.solverstate", ".log", ".svg"):
        assert (place / f"{name}{suffix}").exists()


@pytest.mark.parametrize("solver_mode", ["", "solver_mode: GPU"])
def test_a_solver_for_gpus_trains_on_the_cpu_where_caffe_has_no_gpu(place: Path, cli: Cli, solver_mode: str) -> None:
    """``solver_mode: GPU`` is Caffe's default, and a CPU-only Caffe dies of it."""
    decay.write(place, solver_mode, without="solver_mode")
    ran = cli("train", "solver.prototxt")
    assert ran.status == 0
    assert "note: this Caffe is CPU only: training on the CPU" in ran.err
    assert (place / "snapshots/decay_iter_20.caffemodel").exists()


def test_a_solver_from_standard_input(place: Path) -> None:
    text = decay.write(place).read_text()
    (place / "solver.prototxt").unlink()
    done = subprocess.run([*TRAIN, "-", "--quiet"], input=text, capture_output=True, text=True, check=True)
    assert "snapshots/decay_iter_20.caffemodel" in done.stdout


@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_training_that_diverges_is_stopped_and_told_what_to_try(place: Path, cli: Cli, engine: str) -> None:
    ran = cli("train", decay.write(place, base_lr=1e30, display=15, snapshot=10), "--engine", engine)
    assert ran.status == 2
    error = ran.err.splitlines()[-1]
    assert re.match(r"error: iteration \d+: the loss is (nan|inf|not a number)", error)
    assert "lower base_lr (it is 1e+30); set clip_gradients; start from trained --weights" in error
    spoilt = place / "snapshots/decay_iter_10.caffemodel"
    assert spoilt.exists() == (engine == "caffe")  # which looks at its loss only where it displays it
    ran = cli("train", decay.write(place), "--engine", engine, "--resume")
    assert ran.status == 0, ran.err
    assert (f"note: {spoilt}: holds nan or infinity, and is passed over" in ran.err) == (engine == "caffe")
    assert "nothing to resume" in ran.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.prototxt"], "error: none.prototxt: no such file or directory (check the path)"),
        (["."], "error: .: is a directory (name a file)"),
        (["solver.prototxt", "--engine", "tch"], "error: --engine tch: no such engine"),
        (["solver.prototxt", "--caffe", "none"], "error: --caffe none: no such file (run scripts/install_caffe.sh"),
        (["solver.prototxt", "--engine", "caffe", "--nproc", "2"], "error: --nproc: is for the torch engine"),
        (
            ["solver.prototxt", "--precision", "bf16", "--engine", "caffe"],
            "error: --precision: Caffe computes in float32",
        ),
        (["solver.prototxt", "--wieghts", "w"], "error: caffe-fcn train: No such option"),
    ],
)
def test_bad_usage_is_one_line(place: Path, cli: Cli, arguments: list[str], line: str) -> None:
    decay.write(place)
    ran = cli("train", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(line)
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_makes_a_snapshot_from_which_training_goes_on(
    place: Path, cli: Cli, running: Callable[..., Running], number: int
) -> None:
    decay.write(place, max_iter=FOREVER, display=1000)
    run = running("solver.prototxt")
    run.wait_for("iteration 1000/")
    run.process.send_signal(number)
    status, out = run.end()
    assert status == 130
    assert "stopping with a snapshot" in run.seen
    state = next(line.split()[-1] for line in out.splitlines() if line.startswith("state"))
    iteration = int(re.findall(r"\d+", state)[0])
    assert iteration > 1000

    decay.write(place, max_iter=iteration + 10, display=1)
    again = cli("train", "solver.prototxt", "--snapshot", state)
    assert again.status == 0
    assert f"iteration {iteration}/" in again.err
    assert not orphans(place)


def test_sighup_makes_a_snapshot_and_training_goes_on(place: Path, running: Callable[..., Running]) -> None:
    decay.write(place, max_iter=FOREVER, display=1000)
    run = running("solver.prototxt")
    run.wait_for("iteration 1000/")
    run.process.send_signal(signal.SIGHUP)
    run.wait_for(".solverstate")
    run.wait_for("iteration", after=len(run.seen))
    run.process.send_signal(signal.SIGINT)
    assert run.end()[0] == 130
    assert len(list((place / "snapshots").glob("*.solverstate"))) == 2


def test_a_second_ctrl_c_kills_a_caffe_that_takes_long(place: Path, running: Callable[..., Running]) -> None:
    """One iteration of a hundred million passes: Caffe looks for signals between iterations."""
    decay.write(place, iter_size=FOREVER)
    run = running("solver.prototxt")
    while (
        not (place / "snapshots/decay.log").exists() or b"Solving" not in (place / "snapshots/decay.log").read_bytes()
    ):
        time.sleep(0.05)
    run.process.send_signal(signal.SIGINT)
    run.wait_for("stopping")
    time.sleep(0.3)
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    status, out = run.end()
    assert status == 130
    assert "killing it" in run.seen
    assert out.splitlines() == ["log         snapshots/decay.log"]
    assert not orphans(place)


def test_ctrl_c_at_a_terminal_stops_with_a_snapshot(place: Path, running: Callable[..., Running]) -> None:
    decay.write(place, max_iter=FOREVER, display=1000)
    run = running("solver.prototxt", terminal=True)
    run.wait_for("1000/")
    os.killpg(run.process.pid, signal.SIGINT)  # what a terminal does: the whole foreground group gets it
    status, out = run.end()
    assert status == 130
    assert "training" in run.seen
    assert "\r" in run.seen  # a bar, redrawn
    assert "lr 0.1" in run.seen
    assert "left" in run.seen
    assert "state       snapshots/decay_iter_" in out


def test_caffe_dies_with_a_command_that_is_killed(place: Path, running: Callable[..., Running]) -> None:
    decay.write(place, max_iter=FOREVER, display=1000)
    run = running("solver.prototxt")
    run.wait_for("iteration 1000/")
    run.process.kill()
    wait_until(lambda: not orphans(place), "Caffe goes on")


def orphans(place: Path) -> list[int]:
    """Caffes that still run in a folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == place and b"-solver=" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_train_sh_trains_from_a_checkout(place: Path) -> None:
    decay.write(place)
    script = str(ROOT / "scripts/train.sh")
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": ""}
    done = subprocess.run([script, "solver.prototxt", "--quiet"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "snapshots/decay_iter_20.caffemodel" in done.stdout
    environment["GPU"] = "0,1"
    done = subprocess.run([script, "solver.prototxt"], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "has no GPU 0,1" in done.stderr
