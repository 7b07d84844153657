"""Several processes that train one net: together they do what one does that takes all their batches."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
from command import FOREVER, ROOT, Ran, Running
from trainings import losses, torch_train
from waiting import wait_until

from caffe_fcn.engines import events
from caffe_fcn.engines.events import Event
from caffe_fcn.engines.log import read_events

Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this Python are found, and they find this package."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))


def write_random_net(place: Path, **settings: Any) -> Path:
    """A solver of a net with dropout and mirrors, which depend on the number of the batch and nothing else."""
    outlines.net(place, outlines.data(3, more="mirror: true crop_size: 14"), outlines.DROPOUT)
    return outlines.solver(place, momentum=0.9, weight_decay=5e-4, test_iter=3, test_interval=3, **settings)


def read_log(name: str) -> list[Event]:
    return list(read_events(Path(f"{name}.log").read_text().splitlines()))


def assert_same(ours: list[Event], theirs: list[Event]) -> None:
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=1e-5)
    for one, other in zip(
        *([event for event in each if isinstance(event, events.Test)] for each in (ours, theirs)), strict=True
    ):
        np.testing.assert_allclose(*([value for _, value in each.outputs] for each in (one, other)), rtol=1e-5)


def assert_same_weights(ours: Path, theirs: Path) -> None:
    mine, others = outlines.weights(ours), outlines.weights(theirs)
    for name in others:
        assert np.abs(mine[name] - others[name]).max() <= 1e-5 * np.abs(others[name]).max(), name


@pytest.mark.numerics
def test_two_ranks_do_what_one_does_with_twice_the_passes(place: Path, cli: Cli) -> None:
    one = torch_train(
        write_random_net(place, max_iter=6, iter_size=6, snapshot_prefix="one"), weights=["start.caffemodel"]
    )
    two = write_random_net(place, max_iter=6, iter_size=3, snapshot_prefix="two", snapshot=3)
    assert cli("train", two, "--engine", "torch", "--nproc", 2, "--weights", "start.caffemodel").status == 0
    assert_same(read_log("two"), one)
    assert_same_weights(place / "two_iter_6.caffemodel", place / "one_iter_6.caffemodel")

    alone = write_random_net(place, max_iter=6, iter_size=6, snapshot_prefix="alone")
    onwards = torch_train(alone, snapshot="two_iter_3.solverstate")
    np.testing.assert_allclose(losses(onwards), losses(one)[3:], rtol=1e-5)
    assert_same_weights(place / "alone_iter_6.caffemodel", place / "one_iter_6.caffemodel")


def test_the_readme_trains_on_two_machines(place: Path) -> None:
    """Both of them this one: each runs the README's line, but for the port, which may be taken here."""
    (line,) = re.findall(r"^torchrun .*?[^\\]$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    for program in ("torchrun", "caffe-fcn"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed beside this Python")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        line = line.replace("29500", str(free.getsockname()[1]))
    one = torch_train(write_random_net(place, max_iter=4, iter_size=4, snapshot_prefix="one"))
    write_random_net(place, max_iter=4, iter_size=1, snapshot_prefix="four")
    machines = [
        subprocess.Popen(
            ["bash", "-c", line],
            env={**os.environ, "N": str(number), "FIRST": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for number in range(2)
    ]
    try:
        outs = [machine.communicate(timeout=120) for machine in machines]
    finally:
        for machine in machines:
            if machine.poll() is None:
                os.killpg(machine.pid, signal.SIGKILL)
    assert [machine.returncode for machine in machines] == [0, 0], outs
    assert "iteration 4/4" in outs[0][1]
    assert outs[1][0] == ""  # only the first one reports
    assert_same(read_log("four"), one)
    assert_same_weights(place / "four_iter_4.caffemodel", place / "one_iter_4.caffemodel")


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_rank_that_is_killed_is_reported_and_the_others_end(
    place: Path, running: Callable[..., Running], rank: int
) -> None:
    outlines.solver(place, max_iter=FOREVER)
    run = running("solver.prototxt", "--engine", "torch", "--nproc", "2")
    run.wait_for("iteration 3/")
    os.kill(find_ranks(run.process.pid)[rank], signal.SIGKILL)
    status, _ = run.end()
    assert status == 2
    (line,) = [line for line in run.seen.splitlines() if line.startswith("error")]
    assert line.startswith(f"error: solver.prototxt: rank {rank} of the torch engine died: signal SIGKILL")
    assert not find_ranks(run.process.pid)


def test_ranks_end_with_a_command_that_is_killed(place: Path, running: Callable[..., Running]) -> None:
    outlines.solver(place, max_iter=FOREVER, display=3)
    run = running("solver.prototxt", "--engine", "torch")
    run.wait_for("iteration 3/")
    (rank,) = find_ranks(run.process.pid).values()
    assert is_alive(rank)
    run.process.kill()
    wait_until(lambda: not is_alive(rank), "the rank goes on")


def find_ranks(parent: int) -> dict[int, int]:
    """The processes of the ranks that a command started, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                variables = dict(item.partition("=")[::2] for item in (folder / "environ").read_text().split("\0"))
                found[int(variables.get("RANK", 0))] = int(folder.name)
        except OSError:  # it ended meanwhile
            continue
    return found


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_test_of_one_batch_may_be_that_of_the_second_process(place: Path, cli: Cli) -> None:
    """Batches go round: the first process has that of the first test, the second one that of the next."""
    write_random_net(place)
    solver = outlines.solver(place, max_iter=4, test_iter=1, test_interval=1, test_initialization=True)
    ran = cli("train", solver, "--nproc", 2, "--weights", "start.caffemodel", "--no-check")
    assert ran.status == 0, ran.err
    tests = [event for event in read_log("snap") if isinstance(event, events.Test)]
    assert [event.iteration for event in tests] == [0, 1, 2, 3, 4]
    assert {tuple(name for name, _ in event.outputs) for event in tests} == {("accuracy", "loss")}
