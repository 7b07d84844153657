"""``caffe-fcn fit`` by both engines: what it leaves, passes over, does again, and goes on with."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import ROOT, Ran
from tiny_photos import write_photos

Cli = Callable[..., Ran]
STEPS = ["data", "net", "weights", "check", "train", "evaluate", "bundle"]
TINY = ["--net", "m2nist-fcn", "--weights", "none"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with photos and labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_FCN_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CAFFE_FCN_MODELS_URL", "http://127.0.0.1:9/mirror")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_photos(tmp_path)
    return tmp_path


@pytest.fixture(params=["caffe", pytest.param("torch", marks=pytest.mark.long)])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "caffe":
        monkeypatch.setenv("CAFFE_BIN", str(request.getfixturevalue("caffe_bin")))
    else:
        pytest.importorskip("torch")
    return str(request.param)


def steps(ran: Ran) -> dict[str, str]:
    """The steps that were shown, each with the remark behind its name."""
    return {
        name: remark or "" for name, remark in re.findall(r"^\[\d/7\] (\w+)(?: \((.*)\))?: ", ran.err, re.MULTILINE)
    }


def done(ran: Ran) -> list[str]:
    """The steps that were not passed over."""
    assert ran.status == 0, ran.err
    return [name for name, remark in steps(ran).items() if remark != "unchanged, passed over"]


def commands(ran: Ran) -> list[str]:
    return re.findall(r"^\[\d/7\] [^:]*: (.*)$", ran.err, re.MULTILINE)


def first_iteration(ran: Ran) -> int:
    found = re.search(r"^iteration (\d+)/", ran.err, re.MULTILINE)
    assert found, ran.err
    return int(found[1])


def test_a_journey_is_passed_over_and_goes_on(place: Path, engine: str, cli: Cli) -> None:
    given = ["photos", "labels", *TINY, "--engine", engine, "-o", "run"]
    ran = cli("fit", *given, "--epochs", 2)
    assert done(ran) == list(steps(ran)) == STEPS
    names = {path.name for path in Path("run").iterdir()}
    assert names >= {"data", "train.prototxt", "val.prototxt", "deploy.prototxt", "solver.prototxt", "model.json"}
    assert names >= {"snapshot", "scores.json", "bundle"}
    assert json.loads(Path("run/snapshot/train.json").read_text())["command"] == commands(ran)[STEPS.index("train")]
    scores = json.loads(Path("run/scores.json").read_text())
    assert (scores["images"], len(scores["per_class"])) == (2, 3)
    assert f"mean IU     {100 * scores['mean_iu']:.2f} %" in ran.out
    assert "next        caffe-fcn infer run/bundle IMAGE... -o run/predictions" in ran.out

    again = cli("fit", *given, "--epochs", 2)
    assert (done(again), again.out) == ([], ran.out)
    found = json.loads(cli("fit", *given, "--epochs", 2, "--json").out)
    assert found == {"run": "run", "bundle": "run/bundle", "scores": scores}

    shutil.move("run", "moved")
    longer = cli("fit", "photos", "labels", *TINY, "--engine", engine, "-o", "moved", "--epochs", 4)
    assert done(longer) == ["net", "check", "train", "evaluate", "bundle"]
    assert steps(longer)["net"] == "changed: settings of the net"
    assert first_iteration(longer) >= 10  # 18 images in batches of 4, twice


@pytest.mark.parametrize("engine", ["caffe"], indirect=True)
def test_each_step_shows_the_command_that_does_it_alone(place: Path, engine: str, cli: Cli) -> None:
    """Run in another folder, the commands write the same files."""
    Path("names of classes.txt").write_text("back ground\ndark\nbright\n")
    ran = cli(
        "fit", "photos", "labels", *TINY, "--engine", engine, "-o", "my run", "--classes", "names of classes.txt",
        "--epochs", 2,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert len(commands(ran)) == len(STEPS)
    alone = place / "alone"
    alone.mkdir()
    for name in ("photos", "labels", "names of classes.txt"):
        (alone / name).symlink_to(place / name)
    (place / "bin").mkdir()
    (place / "bin/caffe-fcn").write_text(f'#!/bin/sh\nexec {sys.executable} -m caffe_fcn "$@"\n')
    (place / "bin/caffe-fcn").chmod(0o755)
    path = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    script = "\n".join(["set -e", *commands(ran)])
    ran_alone = subprocess.run(["sh", "-c", script], cwd=alone, env=path, capture_output=True, text=True)
    assert ran_alone.returncode == 0, ran_alone.stderr
    for kind in ("data/*/data.mdb", "data/*.json", "data/*.txt", "*.prototxt", "*.json", "*.caffemodel"):
        assert compare(place / "my run", alone / "my run", kind) > 0, kind
    assert compare(place / "my run", alone / "my run", "snapshot/*.caffemodel") == 2
    assert compare(place / "my run", alone / "my run", "bundle/*") > 3


def compare(one: Path, other: Path, pattern: str) -> int:
    """Assert that both folders have the same files of a pattern; returns how many."""
    names = [sorted(path.relative_to(each) for path in each.glob(pattern)) for each in (one, other)]
    assert names[0] == names[1]
    for name in names[0]:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return len(names[0])


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``caffe-fcn fit`` as a process with a group of its own."""
    processes: list[subprocess.Popen[str]] = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "caffe_fcn", "fit", *map(str, arguments)]
        processes.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], text: str, times: int = 1) -> None:
    assert process.stderr
    seen = ""
    for line in process.stderr:
        seen += line
        if seen.count(text) == times:
            return
    pytest.fail(f"it ended before it said {text!r}: {seen}")


LONG = {"caffe": 2000, "torch": 60}
"""Epochs that an engine is not done with while its first snapshots appear."""


STOPPED = [("caffe", signal.SIGINT), ("torch", signal.SIGKILL)]


@pytest.mark.parametrize(("engine", "how"), STOPPED, indirect=["engine"], ids=str)
def test_a_training_that_was_stopped_goes_on_and_its_bundle_scores_alike_everywhere(
    place: Path,
    engine: str,
    cli: Cli,
    start: Callable[..., subprocess.Popen[str]],
    how: signal.Signals,
    caffe_bin: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["photos", "labels", *TINY, "--engine", engine, "-o", "run"]
    process = start(*given, "--epochs", LONG[engine])
    wait_for(process, "solverstate", 2)
    os.killpg(process.pid, how)
    _, rest = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "what is done is kept: the same command goes on" in rest
    kept = [int(path.stem.rpartition("_")[2]) for path in Path("run/snapshot").glob("*.solverstate")]
    assert 1 <= len(kept) <= 3
    ran = cli("fit", *given, "--epochs", max(kept) // 4)
    assert steps(ran)["data"] == "unchanged, passed over"
    assert first_iteration(ran) >= min(kept)

    (place / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    scores = json.loads((place / "run/scores.json").read_text())["mean_iu"]
    for other in ("caffe", "torch"):
        scored = cli("evaluate", place / "run/bundle", "--data", place / "run/data", "--json", "--engine", other)
        assert json.loads(scored.out)["mean_iu"] == pytest.approx(scores, abs=1e-4)
        assert "assumed" not in scored.err
