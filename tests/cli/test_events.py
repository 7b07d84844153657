"""``--progress json``: progress for programs, a line of JSON for everything that happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import decay
import numpy as np
import pytest
from command import Ran

from caffe_fcn.cli.progress import ProgressEvents
from caffe_fcn.cli.train import _describe_losses, _EventObjects
from caffe_fcn.engines.events import Step

Cli = Callable[..., Ran]


def read_events(text: str) -> list[dict[str, Any]]:
    """The events among the lines of stderr; JSON as others read it, in which NaN is none."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines() if line.startswith("{")]


def test_a_build_says_what_it_writes_until_all_of_it_is_done(cli: Cli, tmp_path: Path) -> None:
    ran = cli("--progress", "json", "data", "triangles", "--count", "20", "-o", tmp_path / "set")
    events = read_events(ran.err)
    assert [events[0]["event"], events[-1]["event"], events[-1]["status"]] == ["begin", "end", 0]
    done = {each["task"]: (each["done"], each["total"]) for each in events if each["event"] == "progress"}
    assert done == {name: (n, n) for name, n in (
        ("writing train", 18), ("writing val", 2), ("measuring train", 18), ("measuring val", 2))}  # fmt: skip
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)


@pytest.mark.parametrize("engine", ["torch", "caffe"])
def test_a_training_says_each_loss_that_it_displays(
    cli: Cli, tmp_path: Path, engine: str, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    monkeypatch.setenv("CAFFE_FCN_PROGRESS", "json")
    ran = cli("train", decay.write(tmp_path), "--engine", engine)
    events = read_events(ran.err)
    steps = [each for each in events if each["event"] == "iteration"]
    assert [(each["iteration"], each["of"]) for each in steps] == [(n, 20) for n in (0, 5, 10, 15, 20)]
    np.testing.assert_allclose([each["loss"] for each in steps], [decay.loss(n) for n in (0, 5, 10, 15, 20)], 1e-4)
    written = [each["path"] for each in events if each["event"] == "snapshot"]
    assert written == [f"snapshots/decay_iter_20.{kind}" for kind in ("caffemodel", "solverstate")]
    assert events[-1] | {"time": 0} == {"event": "end", "status": 0, "time": 0}


def test_an_error_stays_a_line_for_people_and_the_end_has_the_status(cli: Cli) -> None:
    ran = cli("--progress", "json", "net", "build", "nothing", "-o", "x")
    assert ran.status == read_events(ran.err)[-1]["status"] == 2
    assert sum(line.startswith("error: nothing: ") for line in ran.err.splitlines()) == 1


def test_quiet_leaves_the_begin_and_the_end(cli: Cli, tmp_path: Path) -> None:
    ran = cli("--progress", "json", "data", "triangles", "--count", "20", "-o", tmp_path / "set", "--quiet")
    assert [each["event"] for each in read_events(ran.err)] == ["begin", "end"]


def test_what_is_not_finite_is_null(capfd: pytest.CaptureFixture[str]) -> None:
    class Diverging:
        max_iter, images, notes = 10, 4, ()

    step = Step(5, float("nan"), float("inf"))
    assert "diverged" in _describe_losses(step)
    _EventObjects(Diverging())(step)  # type: ignore[arg-type]
    event = read_events(capfd.readouterr().err)[0]
    assert (event["loss"], event["lr"]) == (None, None)


def test_a_task_of_many_small_parts_writes_few_lines(capfd: pytest.CaptureFixture[str]) -> None:
    show = ProgressEvents("files")
    for number in range(10_001):
        show("one", number, 10_000)
    events = read_events(capfd.readouterr().err)
    assert len(events) < 20 and [each["done"] for each in events][:: len(events) - 1] == [0, 10_000]
