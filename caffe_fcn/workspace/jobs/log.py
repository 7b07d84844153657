"""The log of a job: what its commands wrote to stderr, as lines for people, and the events among them.

A line that is an object of JSON with a name ``event`` is an event (see `caffe_fcn.cli.progress`); all others are text.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffe_fcn.workspace.jobs.job import Progress

_TAIL = 1 << 16
_MOST_AT_ONCE = 1 << 24  # bytes that are read of a log that nobody looked at for long; what is older is passed over
_MOST_LINES = 400
_MOST_TASKS = 20
_LONGEST = 1000
_STEERING = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*.|[\x00-\x08\x0b-\x1f\x7f]"
)


def clean(line: str) -> str:
    """Return a line without what steers a terminal, as far as it was not overwritten, and not overlong."""
    text = line.rstrip("\r\n").rpartition("\r")[2]
    text = _STEERING.sub("", text).rstrip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def parse_event(line: str) -> dict[str, Any] | None:
    """Return the event that a line is; None where it is text."""
    if not line.startswith("{"):
        return None
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("event"), str) else None


def read_tail(path: Path, begin: int = 0) -> list[str]:
    """Return the last lines of a file behind ``begin``, at most 64 kB of them; [] where there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(begin, size - _TAIL)
            file.seek(start)
            text = file.read(_TAIL).decode(errors="replace")
    except OSError:
        return []
    lines = text.split("\n")
    return lines[1:] if start > begin else lines


def read_last_line(path: Path, begin: int = 0) -> str:
    """Return the last line of text behind ``begin``, without ``error:``; "" where there is none."""
    for line in reversed(read_tail(path, begin)):
        text = "" if parse_event(line) else clean(line)
        if text:
            return text.removeprefix("error: ")
    return ""


def find_end(path: Path, begin: int = 0) -> int | None:
    """Return the exit status that the last command said it ends with; None where it said nothing of it."""
    for line in reversed(read_tail(path, begin)):
        event = parse_event(line)
        if event and event["event"] == "end":
            status = event.get("status")
            return status if isinstance(status, int) else None
    return None


@dataclass
class Step:
    """A step of a journey such as ``fit``, as it announced itself."""

    number: int
    total: int
    name: str
    text: str
    """The command that does it alone, and why it is passed over."""


@dataclass
class Log:
    """A log that is read as it grows: the last lines, how far each task is, and the steps of a journey."""

    path: Path
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    tasks: dict[str, Progress] = field(default_factory=dict)
    """By name, the one that was reported last at the end."""
    steps: list[Step] = field(default_factory=list)
    _offset: int = 0
    _rest: bytes = b""

    def update(self) -> None:
        """Read what was written since the last time."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size - self._offset > _MOST_AT_ONCE:
                    self._offset, self._rest = size - _MOST_AT_ONCE, b""
                file.seek(self._offset)
                new = file.read(size - self._offset)
        except OSError:
            return
        self._offset += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-_TAIL:]
        for line in whole:
            self._take(line.decode(errors="replace"))

    @property
    def progress(self) -> Progress | None:
        """How far the task is that was reported last."""
        return next(reversed(self.tasks.values()), None)

    def _take(self, line: str) -> None:
        event = parse_event(line)
        if event is None:
            self.lines.append(clean(line))
            return
        try:
            self._take_event(event)
        except (KeyError, TypeError, ValueError):  # of another version, or not one of ours
            self.lines.append(clean(line))

    def _take_event(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "begin":
            self.tasks.clear()
        elif kind == "progress":
            speed, unit = event.get("per_second"), event.get("unit", "")
            text = f"{speed:,.4g} {unit}/s" if speed else ""
            self._move(Progress(_name(event["task"]), *_read_counts(event, "done", "total"), text, _read_left(event)))
        elif kind == "iteration":
            speed = event.get("images_per_second")
            loss = event.get("loss")
            text = "loss " + (f"{loss:.4g}" if loss is not None else "not finite")
            self.lines.append("iteration {}/{}  {}".format(*_read_counts(event, "iteration", "of"), text))
            text += f", {speed:,.3g} images/s" if speed else ""
            self._move(Progress("training", *_read_counts(event, "iteration", "of"), text, _read_left(event)))
        elif kind == "step":
            number, total = _read_counts(event, "step", "of")
            self.tasks.clear()
            step = Step(number, total, clean(str(event["name"])), clean(str(event.get("text", ""))))
            self.steps = [*self.steps[-_MOST_TASKS:], step]
            self.lines.append(f"[{number}/{total}] {step.name}: {step.text}")
        elif "text" in event:
            self.lines.append(clean(str(event["text"])))

    def _move(self, progress: Progress) -> None:
        self.tasks.pop(progress.task, None)
        self.tasks[progress.task] = progress
        if len(self.tasks) > _MOST_TASKS:
            del self.tasks[next(iter(self.tasks))]


def _name(text: object) -> str:
    return clean(str(text))[:100]


def _read_counts(event: dict[str, Any], done: str, total: str) -> tuple[int, int]:
    return int(event[done]), int(event[total])


def _read_left(event: dict[str, Any]) -> float | None:
    left = event.get("seconds_left")
    return float(left) if left is not None else None
