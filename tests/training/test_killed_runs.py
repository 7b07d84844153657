"""Trainings that are killed and resumed: `train --resume`, with scores, by both engines."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import ROOT, Ran
from killing import kill_after, kill_in, list_places, read_records, wait_for_the_child
from scored_training import LAST, PLACES

from caffe_fcn.cli import main

Cli = Callable[..., Ran]
WORDS = ["net/solver.prototxt", "--score-every", "12", "--keep-best", "2", "--no-check"]


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshots of a training by torch that nothing interrupted."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(["train", *WORDS, "--engine", "torch", "--quiet"])
        assert not ended.value.code
    return folder / "net/snapshot"


def assert_same_run(found: Path, unbroken: Path) -> None:
    """Weights, chosen weights, snapshots that stay, and figures are those of the training that was not interrupted."""
    names = {path.name for path in unbroken.glob("*.caffemodel")}
    assert {path.name for path in found.glob("*.caffemodel")} == names
    assert len(names) > 2
    for name in names:
        assert (found / name).read_bytes() == (unbroken / name).read_bytes(), name
    ours, theirs = (read_records(folder / "train.jsonl") for folder in (found, unbroken))
    assert sorted(list_places(ours)) == sorted(PLACES)
    assert keep_figures(ours) == keep_figures(theirs)


def keep_figures(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what depends on the machine."""
    measured = ("iterations_per_second", "images_per_second", "memory")
    return [{name: value for name, value in each.items() if name not in measured} for each in records]


def test_killed_three_times_it_ends_with_the_same_weights(place: Path, unbroken: Path, cli: Cli) -> None:
    words = [*WORDS, "--engine", "torch", "--resume"]
    for grown in (500, 2500, 3000):
        kill_after(place / "net/snapshot/train.log", grown, *words)
        wait_for_the_child(place / "net")
    ran = cli("train", *words)
    assert ran.status == 0, ran.err
    assert "note: resumes from iteration " in ran.err
    assert_same_run(place / "net/snapshot", unbroken)
    again = cli("train", *words)
    assert (again.status, again.out) == (0, f"the training is done: it is at iteration {LAST} of {LAST}\n")


@pytest.mark.long
@pytest.mark.parametrize("moment", range(20))
def test_killed_at_any_moment_it_ends_with_the_same_weights(
    place: Path, unbroken: Path, cli: Cli, moment: int, seconds_of_a_training: float
) -> None:
    """Every second time its children are killed with it, as a power cut does."""
    words = [*WORDS, "--engine", "torch", "--resume"]
    when = seconds_of_a_training * (moment + random.Random(moment).random()) / 20
    kill_in(place / "net", when, *words, children=bool(moment % 2))
    wait_for_the_child(place / "net")
    ran = cli("train", *words)
    assert ran.status == 0, ran.err
    assert_same_run(place / "net/snapshot", unbroken)


@pytest.fixture(scope="module")
def seconds_of_a_training(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the command takes as a process of its own."""
    folder = tmp_path_factory.mktemp("timed") / "run"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        begun = time.monotonic()
        assert kill_in(folder, 600, *WORDS, "--engine", "torch") == 0
        return time.monotonic() - begun


@pytest.mark.long  # tests/engines/test_recording.py kills it many times, without scores
@pytest.mark.caffe
def test_real_caffe_that_is_killed_ends_with_each_figure_once(
    place: Path, cli: Cli, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights are others: Caffe reads the data from their beginning when it resumes."""
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    words = [*WORDS, "--engine", "caffe", "--resume"]
    snapshots = place / "net/snapshot"
    kill_after(snapshots / "train.log", 30_000, *words)
    wait_for_the_child(place / "net")
    ran = cli("train", *words)
    assert ran.status == 0, ran.err
    records = read_records(snapshots / "train.jsonl")
    assert sorted(list_places(records)) == sorted(PLACES)
    assert json.loads((snapshots / "train.json").read_text())["ended"] == LAST
