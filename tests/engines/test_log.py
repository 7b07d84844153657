"""Caffe's log as events: judged by a training whose losses are known, and by lines of other Caffes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import decay
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.engines.events import Snapshot, Step
from caffe_fcn.engines.events import Test as NetTest
from caffe_fcn.engines.log import read_events
from caffe_fcn.errors import FileError
from caffe_fcn.training import History, read_log


@pytest.fixture(scope="module")
def log(caffe_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the real ``caffe train`` writes to stderr, with tests, a falling learning rate and snapshots."""
    folder = tmp_path_factory.mktemp("log")
    more = 'test_iter: 2 test_interval: 10 snapshot: 10 gamma: 0.1 stepsize: 10 lr_policy: "step"'
    decay.write(folder, more, without="lr_policy")
    (folder / "snapshots").mkdir()
    with (folder / "log").open("wb") as file:
        subprocess.run([caffe_bin, "train", "-solver=solver.prototxt"], cwd=folder, stderr=file, check=True)
    return folder / "log"


def test_the_losses_are_those_of_the_closed_form(log: Path) -> None:
    steps = read_log(log).steps
    assert [step.iteration for step in steps] == [0, 5, 10, 15, 20]
    for step in steps[:3]:
        assert step.loss == pytest.approx(decay.loss(step.iteration), rel=1e-5)
        assert step.outputs == (("loss", step.loss),)
    slow = steps[3]  # five steps after the rate fell to a tenth
    assert slow.loss == pytest.approx(decay.loss(10) * (1 - decay.RATE / 10) ** 10, rel=1e-5)


def test_the_learning_rate_belongs_to_its_iteration(log: Path) -> None:
    assert [step.lr for step in read_log(log).steps] == [0.1, 0.1, pytest.approx(0.01), pytest.approx(0.01), None]


def test_a_test_reports_the_loss_of_the_weights_so_far(log: Path) -> None:
    tests = read_log(log).tests
    assert [(test.iteration, test.net) for test in tests] == [(0, 0), (10, 0), (20, 0)]
    for test in tests[:2]:
        ((name, value),) = test.outputs
        assert name == "loss"
        assert value == pytest.approx(decay.loss(test.iteration), rel=1e-5)


def test_snapshots_are_the_files_that_are_there(log: Path) -> None:
    written = {str(path.relative_to(log.parent)) for path in (log.parent / "snapshots").iterdir()}
    assert set(read_log(log).snapshots) == written
    assert len(written) == 4


def test_events_come_in_the_order_of_the_log(log: Path) -> None:
    with log.open() as lines:
        kinds = [type(event) for event in read_events(lines)]
    assert kinds == [NetTest, Step, Step, Snapshot, Snapshot, NetTest, Step, Step, Snapshot, Snapshot, Step, NetTest]


# What other Caffes write, of 2014, of NVIDIA, and where another thread logs in between.
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "I0804 11:26:01.123456 2046 solver.cpp:189] Iteration 20, loss = 3.5\n"
            "I0804 11:26:01.123456 2046 solver.cpp:204]     Train net output #0: loss = 3.25 (* 1 = 3.25 loss)\n"
            "I0804 11:26:01.123456 2046 solver.cpp:464] Iteration 20, lr = 1e-10\n"
            "I0804 11:26:01.123456 2046 solver.cpp:334] Snapshotting to train_iter_40.caffemodel\n",
            [Step(20, 3.5, 1e-10, (("loss", 3.25),)), Snapshot("train_iter_40.caffemodel")],
        ),
        (
            "I0310 08:12:41.001122 31337 s.cpp:354] Iteration 100 (5.58 iter/s, 3.6s/20 iter), 0.6/30ep, loss = nan\n"
            "I0310 08:12:41.001122 31337 sgd_solver.cpp:170] Iteration 100, lr = 0.01, m = 0.9, wd = 0.0005, gs = 1\n",
            [Step(100, pytest.approx(float("nan"), nan_ok=True), 0.01)],
        ),
        (
            "I20260310 08:12:41.001122 31337 solver.cpp:347] Iteration 40, Testing net (#1)\n"
            "I20260310 08:12:41.001122 31338 data_layer.cpp:73] Restarting data prefetching from start.\n"
            "I20260310 08:12:41.001122 31337 solver.cpp:414]     Test net output #0: accuracy = 0.5\n"
            "I20260310 08:12:41.001122 31337 solver.cpp:414]     Test net output #1: accuracy = 1\n",
            [NetTest(40, 1, (("accuracy", 0.5), ("accuracy", 1.0)))],
        ),
        (  # of 2013: the rate comes before its loss, and there is one test net
            "I1107 11:26:01.123456  2046 solver.cpp:207] Iteration 100, lr = 0.01\n"
            "I1107 11:26:01.123456  2046 solver.cpp:65] Iteration 100, loss = 2.5\n"
            "I1107 11:26:01.123456  2046 solver.cpp:87] Iteration 100, Testing net\n"
            "I1107 11:26:01.123456  2046 solver.cpp:114] Test score #0: 0.25\n",
            [Step(100, 2.5, 0.01), NetTest(100, 0, (("score", 0.25),))],
        ),
        (  # of Windows
            "I0804 11:26:01.123456  2046 c:\\caffe\\solver.cpp:228] Iteration 20, loss = -1.#INF\r\n"
            "I0804 11:26:01.123456  2046 c:\\caffe\\solver.cpp:244]     Train net output #0: loss = 1.#INF\r\n",
            [Step(20, float("-inf"), None, (("loss", float("inf")),))],
        ),
        (  # a container's name and a time before each line, and the rank of the GPU before a message
            "08:12:41Z train_1  | I0310 08:12:41.001122    31 solver.cpp:354] [0.0] Iteration 5, loss = 2\n"
            "08:12:41Z train_1  | I0310 08:12:41.001122    31 sgd_solver.cpp:170] [0.0] Iteration 5, lr = 1\n",
            [Step(5, 2.0, 1.0)],
        ),
        (  # several GPUs of which each reports: the first counts, whichever it is
            "I0310 08:12:41.001122    31 solver.cpp:354] Iteration 5, loss = 2\n"
            "I0310 08:12:41.001122    32 solver.cpp:354] Iteration 5, loss = 7\n"
            "I0310 08:12:41.001122    32 solver.cpp:354]     Train net output #0: loss = 7\n"
            "I0310 08:12:41.001122    31 solver.cpp:354]     Train net output #0: loss = 2\n"
            "I0310 08:12:41.001122    32 sgd_solver.cpp:170] Iteration 5, lr = 1\n"
            "I0310 08:12:41.001122    31 sgd_solver.cpp:170] Iteration 5, lr = 1\n"
            "I0310 08:12:41.001122    32 solver.cpp:354] Iteration 10, loss = 1\n"
            "I0310 08:12:41.001122    31 solver.cpp:354] Iteration 10, loss = 1\n",
            [Step(5, 2.0, 1.0, (("loss", 2.0),)), Step(10, 1.0)],
        ),
    ],
)  # fmt: skip
def test_other_caffes_word_it_differently(lines: str, expected: list[object]) -> None:
    assert list(read_events(lines.splitlines(keepends=True))) == expected


@given(st.lists(st.one_of(st.text(), st.from_regex(r"I0804 11:26:01.1 2046 solver.cpp:1\] Iteration .*, loss = .*"))))
def test_any_text_can_be_read(lines: list[str]) -> None:
    assert all(isinstance(event, (Step, NetTest, Snapshot)) for event in read_events(lines))


def test_a_resumed_training_replaces_its_later_part() -> None:
    first = [Step(0, 4.0), Step(10, 3.0), NetTest(10, 0), Step(20, 2.0), NetTest(20, 0)]
    again = [NetTest(10, 0, (("loss", 9.0),)), Step(10, 3.5), Step(20, 2.5)]
    history = History.from_events([*first, *again])
    assert history.losses() == [(0, 4.0), (10, 3.5), (20, 2.5)]
    assert history.tests == [NetTest(10, 0, (("loss", 9.0),))]


def test_a_step_knows_its_speed() -> None:
    line = "I0310 08:12:41.001122 31 solver.cpp:218] Iteration 100 (5.58 iter/s, 3.584s/20 iters), loss = 2\n"
    (step,) = read_events([line])
    assert isinstance(step, Step)
    assert step.speed == 5.58


def test_what_a_continuation_has_not_reached_yet_is_gone() -> None:
    first = [NetTest(0, 0), Step(0, 4.0), Step(10, 3.0), NetTest(20, 0), NetTest(20, 1), Step(20, 2.0), Step(30, 1.0)]
    history = History.from_events([*first, Step(10, 3.5)])
    assert (history.losses(), history.tests) == ([(0, 4.0), (10, 3.5)], [NetTest(0, 0)])
    history = History.from_events([*first, NetTest(20, 0)])
    assert (history.losses(), history.tests) == ([(0, 4.0), (10, 3.0)], [NetTest(0, 0), NetTest(20, 0)])


def test_messages_without_the_head_of_a_glog_line_are_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(
        "Iteration 20, loss = 3.5\n    Train net output #0: loss = 3.25\nIteration 20, lr = 1\n"
    )
    assert read_log(tmp_path / "log").steps == [Step(20, 3.5, 1.0, (("loss", 3.25),))]


def test_a_file_without_a_training_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("make: *** [all] Error 2\n")
    for path, what in ((tmp_path / "log", "tells of no training"), (tmp_path / "none", "no such file")):
        with pytest.raises(FileError, match=what):
            read_log(path)
