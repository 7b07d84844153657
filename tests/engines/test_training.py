"""Trainings beside one another, and signals that come at the wrong moment, with programs that stand in for engines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import decay
import pytest

from caffe_fcn.engines.caffe import train
from caffe_fcn.engines.caffe.find import Caffe
from caffe_fcn.engines.output_lock import lock_output
from caffe_fcn.errors import FileError

Program = Callable[[str], Caffe]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that is started as ``caffe train``, from Python's source; the working directory has a solver."""
    monkeypatch.chdir(tmp_path)
    decay.write(tmp_path)

    def make(source: str) -> Caffe:
        path = tmp_path / "caffe"
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{source}")
        path.chmod(0o755)
        return Caffe(path, "1.0", "a test's own")

    return make


FOREVER = "print('ready', flush=True)\nwhile True: time.sleep(60)"


def test_a_second_training_with_the_same_prefix_is_refused_and_the_first_one_named(program: Program) -> None:
    caffe = program(FOREVER)
    with train.CaffeTraining(caffe, "solver.prototxt") as first:
        assert next(iter(first._read_raw_lines())) == b"ready\n"
        written = first.log.read_bytes()
        for log in (None, "other.log"):
            with pytest.raises(FileError) as caught:
                train.CaffeTraining(caffe, "solver.prototxt", log=log)
            line = str(caught.value)
            since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
            assert re.search(rf"decay: another training writes there: process {os.getpid()}, {since} \(", line)
        decay.write(Path(), snapshot_prefix="elsewhere/decay")
        with pytest.raises(FileError, match=r"decay\.log: another training writes there"):
            train.CaffeTraining(caffe, "solver.prototxt", log=first.log)
        with train.CaffeTraining(caffe, "solver.prototxt"):
            pass  # with another prefix, and so another log
        assert first.log.read_bytes() == written
    decay.write(Path())
    with train.CaffeTraining(caffe, "solver.prototxt"):
        pass  # the first has ended
    assert not list(Path().rglob("*.lock"))


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    source = f"""
import time; from pathlib import Path; from caffe_fcn.engines.output_lock import lock_output
with lock_output(Path({str(tmp_path / "snap")!r}), "prefix"):
    print("locked", flush=True); time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"locked\n"
    with pytest.raises(FileError, match=f"process {process.pid}, since"), lock_output(tmp_path / "snap", "prefix"):
        pass
    process.kill()
    process.communicate()
    assert (tmp_path / ".snap.lock").exists()
    with lock_output(tmp_path / "snap", "prefix"):
        pass
    assert not (tmp_path / ".snap.lock").exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 200, b"1 " * 99, b"\x1b[31m 2026-01-01 00:00:00\n"])
def test_what_a_lock_says_is_not_believed(tmp_path: Path, content: bytes) -> None:
    with lock_output(tmp_path / "snap", "prefix"):
        (tmp_path / ".snap.lock").write_bytes(content)
        with pytest.raises(FileError, match="it has just begun or ended"), lock_output(tmp_path / "snap", "prefix"):
            pass


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text")
    (tmp_path / ".snap.lock").symlink_to("precious")
    with pytest.raises(FileError), lock_output(tmp_path / "snap", "prefix"):
        pass
    assert (tmp_path / "precious").read_text() == "text"


def test_an_interruption_that_the_engine_loses_is_repeated(program: Program) -> None:
    """Caffe clears the flag that its signal handler sets just after it has read it, so it can miss one."""
    source = """
told = []
def handle(*_):
    told.append(1)
    if len(told) == 2:
        print("heard the second", flush=True)
        os._exit(0)
signal.signal(signal.SIGINT, handle)
"""
    with train.CaffeTraining(program(source + FOREVER), "solver.prototxt") as training:
        lines = training._read_raw_lines()
        assert next(lines) == b"ready\n"
        training.interrupt()
        assert [*lines] == [b"heard the second\n"]
    assert training.interrupted


def test_a_signal_that_does_not_wake_the_wait_for_the_log_is_handled(program: Program) -> None:
    """As when it comes just before the wait: it is another thread that gets it, so nothing interrupts this one."""
    source = "signal.signal(signal.SIGINT, lambda *_: (print('stopped', flush=True), os._exit(0)))\n"
    with train.CaffeTraining(program(source + FOREVER), "solver.prototxt") as training, training.forward_signals():
        training._loses_signals = False  # so that nothing else ends the wait
        lines = training._read_raw_lines()
        assert next(lines) == b"ready\n"
        other = threading.Thread(target=signal_self, daemon=True)
        other.start()
        assert [*lines] == [b"stopped\n"]
        other.join()


def signal_self() -> None:
    threading.Event().wait(0.3)  # the main thread waits by then
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
