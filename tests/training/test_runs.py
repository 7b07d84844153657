"""`train` with scores: what it records, keeps and says, and when it stops, by both engines."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import decay
import pytest
from command import Ran
from killing import list_places, read_records
from scored_training import EVERY, LAST, PLACES, SCORED, set_fields

Cli = Callable[..., Ran]
TRAIN = ["train", "net/solver.prototxt", "--no-check"]


@pytest.fixture(params=["caffe", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "caffe":
        monkeypatch.setenv("CAFFE_BIN", str(request.getfixturevalue("caffe_bin")))
    else:
        pytest.importorskip("torch")
    return str(request.param)


@pytest.fixture
def caffe_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caffe_bin: Path) -> Path:
    """An empty working directory, where Caffe is found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    return tmp_path


@pytest.mark.parametrize("engine", ["caffe", pytest.param("torch", marks=pytest.mark.long)], indirect=True)
def test_scores_are_recorded_and_the_best_snapshots_kept(place: Path, cli: Cli, engine: str) -> None:
    """Caffe's own test runs all validation images, so that its accuracy is the pixel accuracy of the scores."""
    ran = cli(*TRAIN, "--engine", engine, "--score-every", EVERY, "--keep-best", 2, "--measure", "pixel-accuracy")
    assert ran.status == 0, ran.err
    records = read_records("net/snapshot/train.jsonl")
    assert sorted(list_places(records)) == sorted(PLACES)
    scores = {each["iteration"]: each["scores"] for each in records if "scores" in each}
    tests = {each["iteration"]: each["outputs"]["accuracy"] for each in records if "test_net" in each}
    assert scores[LAST]["pixel_accuracy"] == pytest.approx(tests[LAST], abs=1e-6)

    by_score = sorted(SCORED, key=lambda number: (-scores[number]["pixel_accuracy"], number))
    stay = {f"train_iter_{number}.caffemodel" for number in (*by_score[:2], LAST)} | {"chosen.caffemodel"}
    assert {path.name for path in Path("net/snapshot").glob("*.caffemodel")} == stay
    best = Path(f"net/snapshot/train_iter_{by_score[0]}.caffemodel")
    assert Path("net/snapshot/chosen.caffemodel").read_bytes() == best.read_bytes()
    value = 100 * scores[by_score[0]]["pixel_accuracy"]
    assert f"chosen.caffemodel (iteration {by_score[0]}, pixel accuracy {value:.2f} %)" in ran.out

    shown = cli("log", "show", "net", "--json")
    found = json.loads(shown.out)["logs"][0]["scores"]
    assert [(each["iteration"], each["scores"]) for each in found] == sorted(scores.items())
    assert cli("log", "plot", "net", "-o", "curves.svg", "--only", "mean_iu").status == 0
    assert Path("curves.svg").read_text().count("<circle") > len(SCORED) - 1


def test_a_training_that_gets_no_better_stops(place: Path, cli: Cli, engine: str) -> None:
    """Its weights are all zero and stay so: every score is that of the first class everywhere."""
    net = place / "net/train.prototxt"
    net.write_text(re.sub(r"_filler \{[^}]*\}", '_filler { type: "constant" }', net.read_text()))
    set_fields(place / "net/solver.prototxt", max_iter=100_000, display=1000, test_interval=50_000, base_lr=0)
    every = 12 if engine == "torch" else 300  # Caffe goes on meanwhile: that would be many snapshots
    words = [*TRAIN, "--engine", engine, "--score-every", every, "--patience", 2, "--keep", 1]
    ran = cli(*words)
    assert ran.status == 0, ran.err
    records = read_records("net/snapshot/train.jsonl")
    scored = [each["iteration"] for each in records if "scores" in each]
    assert scored == [every, 2 * every, 3 * every]
    last = max(each["iteration"] for each in records if "snapshot" in each)
    if engine == "torch":
        assert last == 3 * every  # it waits for the score
    assert last < 100_000
    assert Path(f"net/snapshot/train_iter_{last}.caffemodel").exists()
    assert ran.err.count("predicts class 0 for every pixel") == 1
    assert "stopped early: 2 scores in a row were not better than the mean IU of " in ran.err
    again = cli(*words, "--resume")
    assert again.status == 0
    assert again.out == f"the training is done: it was stopped at iteration {last}, 2 scores after the best\n"


@pytest.mark.caffe
def test_a_score_that_a_killed_training_lost_is_made_up_for(
    place: Path, cli: Cli, caffe_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))
    words = [*TRAIN, "--engine", "caffe", "--score-every", EVERY]
    assert cli(*words).status == 0
    path = Path("net/snapshot/train.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    lost = next(number for number, line in enumerate(lines) if "train_iter_24.solverstate" in line) + 1
    assert '"scores"' in lines[lost]
    path.write_text("".join(lines[:lost]))
    ran = cli(*words, "--resume")
    assert ran.status == 0, ran.err
    assert "resumes from iteration 24" in ran.err
    assert sorted(list_places(read_records(path))) == sorted(PLACES)
    assert path.read_text().splitlines(keepends=True)[:lost] == lines[:lost]
    again = [json.loads(line) for line in (path.read_text().splitlines()[lost], lines[lost])]
    assert again[0] == again[1]  # of the same weights


@pytest.mark.caffe
def test_what_contradicts_the_training_so_far_is_said(caffe_here: Path, cli: Cli) -> None:
    solver = decay.write(caffe_here, max_iter=10)
    ran = cli("train", solver, "--resume")
    assert ran.status == 0
    assert f"note: nothing to resume in {caffe_here / 'snapshots'}: the training starts from the beginning" in ran.err
    done = cli("train", solver, "--resume")
    assert (done.status, done.out) == (0, "the training is done: it is at iteration 10 of 10\n")

    decay.write(caffe_here, base_lr=0.05)
    ran = cli("train", solver, "--resume")
    assert ran.status == 0
    assert f"note: resumes from iteration 10: {caffe_here / 'snapshots/decay_iter_10.solverstate'}" in ran.err
    assert "note: base_lr is 0.05, and was 0.1" in ran.err
    losses = {each["iteration"]: each["loss"] for each in read_records("snapshots/decay.jsonl") if "loss" in each}
    assert list(losses) == [0, 5, 10, 15, 20]
    assert losses[20] == pytest.approx(decay.loss(10) * 0.95**20, rel=1e-4)

    shorter = decay.write(caffe_here, max_iter=15)
    done = cli("train", shorter, "--resume")
    assert (done.status, done.out) == (0, "the training is done: it is at iteration 20 of 15\n")
    ran = cli("train", solver, "--resume", "--weights", "snapshots/decay_iter_10.caffemodel")
    assert ran.status == 2
    assert "error: --weights: the training that is resumed began without weights, not with decay_iter_10" in ran.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--resume", "--snapshot", "s.solverstate"], "--resume: finds the snapshot itself (leave --snapshot or"),
        (["--patience", "2"], "--patience: asks for scores, and there are none (give --score-every, too)"),
        (["--keep-best", "2"], "--keep-best: asks for scores, and there are none (give --score-every, too)"),
        (["--score-every", "2"], "--score-every: finds no data set whose databases the nets of the training read"),
    ],
)
def test_options_that_do_not_fit_are_one_line(caffe_here: Path, cli: Cli, words: list[str], error: str) -> None:
    ran = cli("train", decay.write(caffe_here), *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {error}")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.caffe
def test_tensorboard_shows_each_figure_once_also_after_a_continuation(caffe_here: Path, cli: Cli) -> None:
    pytest.importorskip("tensorboardX", reason="needs the extra 'tensorboard'")
    tests = "test_iter: 1 test_interval: 10"
    for most in (10, 20):
        assert cli("train", decay.write(caffe_here, tests, max_iter=most), "--tensorboard", "--resume").status == 0
    files = sorted(Path("snapshots/tensorboard").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    found: dict[str, dict[int, float]] = {}
    for event in (event for path in files for event in read_events(path)):
        if event.session_log.status == event.session_log.START:
            found.clear()  # as TensorBoard does with what was there before, from step 0 on
        for value in event.summary.value:
            assert event.step not in found.setdefault(value.tag, {})
            found[value.tag][event.step] = value.simple_value
    for tag, steps in (("loss", range(0, 21, 5)), ("test/loss", range(0, 21, 10))):
        assert found[tag] == {step: pytest.approx(decay.loss(step), rel=1e-4) for step in steps}


def test_a_missing_library_is_said_before_the_training_starts(
    caffe_here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = decay.write(caffe_here)
    assert cli("train", solver).status == 0
    before = Path("snapshots/decay.jsonl").read_bytes()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = cli("train", solver, "--tensorboard")
    assert (ran.status, ran.err) == (
        2,
        "error: --tensorboard: needs the extra 'tensorboard' (pip install 'caffe-fcn[tensorboard]')\n",
    )
    assert Path("snapshots/decay.jsonl").read_bytes() == before


def read_events(path: Path) -> Iterator[Any]:
    """The events in a file of TensorFlow's records: length, its CRC, the bytes, their CRC."""
    from tensorboardX.proto.event_pb2 import Event

    data = path.read_bytes()
    place = 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        body = data[place + 12 : place + 12 + length]
        for part, start in ((data[place : place + 8], place + 8), (body, place + 12 + length)):
            assert struct.unpack_from("<I", data, start)[0] == mask(crc32c(part))
        yield Event.FromString(body)
        place += 16 + length


def crc32c(data: bytes) -> int:
    """The CRC of Castagnoli's polynomial, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    """A CRC as TensorFlow stores it: rotated, and a constant added."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
