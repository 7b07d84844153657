"""A training that is killed again and again, and resumed until it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from command import TRAIN

KINDS = {"loss": "step", "test_net": "test", "snapshot": "snapshot", "scores": "scores"}


def kill_after(log: Path, grown: int, *words: str) -> int:
    """Run ``train`` with these words until its log has grown by so many bytes, then kill it by SIGKILL.

    Returns the exit status, which is another one where the training ended before.
    """
    size = _measure(log)

    def is_time() -> bool:
        nonlocal size
        size = min(size, _measure(log))  # a training that starts over begins a new log
        return _measure(log) > size + grown

    return _kill(is_time, words)


def kill_in(place: Path, seconds: float, *words: str, children: bool = False) -> int:
    """Run ``train`` in this folder for so many seconds, then kill it; with ``children``, first what it started."""
    end = time.monotonic() + seconds
    return _kill(lambda: time.monotonic() >= end, words, place if children else None)


def _kill(is_time: Callable[[], bool], words: Sequence[str], place: Path | None = None) -> int:
    process = subprocess.Popen([*TRAIN, *words, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while process.poll() is None and not is_time():
        time.sleep(0.001)
    if place and process.poll() is None:
        process.send_signal(signal.SIGSTOP)  # it must not see its children die
        for each in _list_processes(place):
            if each != process.pid:
                os.kill(each, signal.SIGKILL)
    process.kill()
    _, said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode


def _measure(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def wait_for_the_child(place: Path) -> None:
    """Wait until no process but this one runs in a folder, so that what the next one finds there is final."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not _list_processes(place):
            return
        time.sleep(0.05)
    pytest.fail("a child goes on")


def read_records(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=pytest.fail) for line in Path(path).read_text().splitlines()]


def list_places(records: Sequence[dict[str, Any]]) -> list[tuple[int, str]]:
    """The iteration and the kind of each record."""
    return [(each["iteration"], next(kind for key, kind in KINDS.items() if key in each)) for each in records]


def _list_processes(place: Path) -> list[int]:
    """The processes that run in a folder, without this one."""
    numbers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _works_in(folder, place)]
    return [number for number in numbers if number != os.getpid()]


def _works_in(folder: Path, place: Path) -> bool:
    try:
        return (folder / "cwd").readlink() == place
    except OSError:
        return False
