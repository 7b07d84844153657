"""``caffe-fcn`` as tests run it: in this process, or as a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TRAIN = [sys.executable, "-m", "caffe_fcn", "train"]
FOREVER = 100_000_000


class Ran(NamedTuple):
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


class Running:
    """The command as a process, its stderr a pipe or a terminal."""

    def __init__(self, arguments: list[str], terminal: bool = False) -> None:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*TRAIN, *arguments], stdout=subprocess.PIPE, stderr=theirs, text=True, start_new_session=True
        )
        os.close(theirs)
        self._source = ours
        self.seen = ""

    def wait_for(self, text: str, after: int = 0) -> None:
        """Read on until ``text`` is seen behind the first ``after`` characters."""
        while text not in self.seen[after:]:
            said = self._read()
            assert said, f"it ended before it said {text!r}: {self.seen}"
            self.seen += said

    def end(self) -> tuple[int, str]:
        """Exit status and stdout; `seen` then has all of stderr."""
        while said := self._read():
            self.seen += said
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out

    def _read(self) -> str:
        try:
            return os.read(self._source, 1 << 16).decode()
        except OSError:  # the terminal's other end is closed
            return ""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._source)
