"""A log that grows: what is kept of it is what `read_log` reads, and is bounded."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import nvidia_log
import pytest

from caffe_fcn.errors import FileError
from caffe_fcn.training import History, read_log
from caffe_fcn.training.following import FollowedLog

GLOG = "I0804 11:26:01.123456  2046 solver.cpp:1] "


def write_messages(last: int, first: int = 0, head: str = GLOG) -> Iterator[str]:
    """A training by Caffe 1.0, every tenth iteration displayed, every fiftieth tested by two nets."""
    yield f"{head}Initializing solver from parameters: \n"
    for iteration in range(first, last + 1, 10):
        if iteration % 50 == 0:
            for net in (0, 1):
                yield f"{head}Iteration {iteration}, Testing net (#{net})\n"
                yield f"{head}    Test net output #0: accuracy = {net + 1 / (iteration + 1):.6g}\n"
        yield f"{head}Iteration {iteration} (5.5 iter/s, 1s/10 iters), loss = {1000 / (iteration + first + 1):.6g}\n"
        yield f"{head}    Train net output #0: loss = {900 / (iteration + 1):.6g} (* 1 = 1 loss)\n"
        yield f"{head}Iteration {iteration}, lr = 0.{iteration + 1:05}\n"


def write_records(last: int, nets: int = 1) -> Iterator[str]:
    for iteration in range(0, last + 1, 10):
        if iteration % 50 == 0:
            for net in range(nets):
                yield _line(iteration=iteration, test_net=net, outputs={"accuracy": 1 / (iteration + 1)}, memory=None)
            yield _line(iteration=iteration, snapshot=f"snapshot/train_iter_{iteration}.solverstate")
            measures = ("mean_iu", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iu")
            yield _line(iteration=iteration, scores=dict.fromkeys(measures, 1 / (iteration + 2)), iu=[0.5, None])
        yield _line(iteration=iteration, loss=100 / (iteration + 1), lr=0.01, outputs={"loss": 2.5}, memory=1)


def _line(**record: object) -> str:
    return json.dumps(record) + "\n"


def assert_same(found: History, wanted: History) -> None:
    assert (found.steps, found.tests, found.scores) == (wanted.steps, wanted.tests, wanted.scores)


LOGS = {
    "caffe": "".join(write_messages(200)),
    "bare": "".join(write_messages(200, head="")),
    "nvidia": nvidia_log.write(),
    "prefixed": nvidia_log.write("08:12:41Z train_1  | "),
    "continued": "".join([*write_messages(300), *write_messages(250, first=150)]),
    "records": "".join(write_records(200, nets=2)),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_that_grows_is_the_log_so_far(name: str, tmp_path: Path) -> None:
    """After each piece, wherever it ends, the events are those of the whole lines so far."""
    text, draw = LOGS[name].encode(), random.Random(name)
    growing, whole = tmp_path / "train.log", tmp_path / "whole"
    growing.touch()
    log, end, seen = FollowedLog(growing), 0, 0
    assert not log.read_on()
    while end < len(text):
        step = draw.choice([1, 40, 300])
        with growing.open("ab") as file:
            file.write(text[end : end + step])
        end += step
        assert log.read_on()
        seen += 1
        whole.write_bytes(text[: text.rfind(b"\n", 0, end) + 1])
        try:
            assert_same(log.history, read_log(whole))
        except FileError:  # of read_log: it tells of no training yet
            assert not log.history
    assert seen > 10
    assert log.history.steps
    assert not log.faults
    assert not log.read_on()


def test_a_continuation_begins_a_generation(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("".join(write_messages(100)))
    log = FollowedLog(path)
    log.read_on()
    before, line = log.generation, log.lines
    assert before == 0
    with path.open("a") as file:
        file.writelines(write_messages(60, first=40))
    log.read_on()
    assert log.generation > before
    assert [step.iteration for step in log.history.steps] == [0, 10, 20, 30, 40, 50, 60]
    since = [event.iteration for _, event in log.list_since(line)]
    assert sorted(set(since)) == [40, 50, 60]


@pytest.mark.parametrize("replace", [True, False])
def test_another_file_of_the_name_is_read_from_its_beginning(replace: bool, tmp_path: Path) -> None:
    """A resumed training replaces the file, a new one empties it."""
    path, other = tmp_path / "train.jsonl", tmp_path / "other"
    path.write_text("".join(write_records(100)))
    log = FollowedLog(path)
    log.read_on()
    (other if replace else path).write_text("".join(write_records(50)))
    if replace:
        other.replace(path)
    assert log.read_on()
    assert log.generation == 1
    assert_same(log.history, read_log(path))
    path.unlink()
    assert log.read_on()
    assert not log.history


def test_lines_that_are_no_figures_are_named_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    good = list(write_records(30))
    path.write_text(
        "".join([*good[:2], "{broken\n", '{"iteration": 5, "loss": {}}\n', *good[2:], "{" + "x" * (1 << 19)])
    )
    log = FollowedLog(path, most=10**6)
    log.read_on()
    assert [fault.partition(":")[0] for fault in log.faults] == [
        "line 3 is not the figures of a training",
        "line 4 is not the figures of a training",
    ]
    path.write_text("".join(good))
    assert [step.iteration for step in log.history.steps] == [0, 10, 20, 30]
    assert log.history.steps == read_log(path).steps


def test_a_loss_that_is_not_finite_is_known_wherever_it_stood(tmp_path: Path) -> None:
    for number, lines in enumerate((list(write_records(2000)), list(write_messages(2000)))):
        place = next(at for at, line in enumerate(lines) if "loss" in line and "1230" in line)
        spoilt = lines[place].replace(f"{100 / 1231}", '"nan"').replace(f"{1000 / 1231:.6g}", "-nan")
        assert spoilt != lines[place]
        for changed in (False, True):
            path = tmp_path / f"{number}{changed}"
            path.write_text("".join([*lines[:place], spoilt if changed else lines[place], *lines[place + 1 :]]))
            log = FollowedLog(path, most=5)
            log.read_on()
            assert log.diverged == changed


@pytest.mark.parametrize("kind", ["records", "messages"])
def test_a_long_log_is_thinned_to_figures_that_stand_in_it(kind: str, tmp_path: Path) -> None:
    """What is kept is bounded, evenly spaced, as in the log, and has the first and the last figures."""
    path = tmp_path / "log"
    path.write_text("".join((write_records if kind == "records" else write_messages)(200_000)))
    assert path.stat().st_size > 2_000_000
    whole = read_log(path)
    tracemalloc.start()
    log = FollowedLog(path, most=50)
    log.read_on()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # two pieces of a megabyte, their lines, and what is kept
    for name in ("steps", "tests", "scores"):
        kept, every = getattr(log.history, name), getattr(whole, name)
        assert len(kept) <= 2 * 50 + 4
        if every:
            assert len(kept) >= 25
            assert set(map(repr, kept)) <= set(map(repr, every))
            assert (repr(kept[0]), repr(kept[-1])) == (repr(every[0]), repr(every[-1]))
    apart = {b.iteration - a.iteration for a, b in zip(log.history.steps[:-1], log.history.steps[1:-1], strict=False)}
    assert len(apart) == 1
