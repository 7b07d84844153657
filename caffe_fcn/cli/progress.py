"""Progress on stderr: a bar with the speed and the time left on a terminal, otherwise a line now and then.

With ``--progress json`` it is an event twice a second at most (see `events`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from caffe_fcn.cli.events import write_event
from caffe_fcn.cli.printing import Verbosity, echo, printable
from caffe_fcn.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_EVENTS = 0.5


@contextmanager
def show_progress(unit: str = "files") -> Iterator[Progress | None]:
    """Yield the callback to which the library reports its progress, or None with ``--quiet``."""
    if Verbosity.quiet:
        yield None
    elif Verbosity.events:
        yield ProgressEvents(unit)
    elif sys.stderr.isatty():
        with make_bars() as bars:
            yield _TaskBars(bars, unit)
    else:
        yield _Lines(unit)


def make_bars() -> Bars:
    """Make the bars of this command line: a row has the task's name, its bar, "M/N", and its field ``text``."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bars

    # Without markup: a name may have brackets.
    name, text = (TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[text]"))
    columns = (name, BarColumn(), MofNCompleteColumn(), text)
    # What is printed meanwhile goes above the bars where stdout is the terminal, too, and else to where it belongs.
    return Bars(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())


class Pace:
    """The speed of a task, measured from the first time that its progress was reported."""

    def __init__(self, done: int) -> None:
        self._first = done
        self._start = time.monotonic()

    def measure(self, done: int) -> float:
        """Return how much is done in a second; 0 while nothing is."""
        seconds = time.monotonic() - self._start
        return (done - self._first) / seconds if seconds > 0 else 0.0

    def estimate_seconds_left(self, done: int, total: int) -> float | None:
        """Return the seconds that the rest will take; None while that is not known."""
        speed = self.measure(done)
        return (total - done) / speed if speed > 0 and total > 0 else None


def format_duration(seconds: float) -> str:
    """Format seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


class _TaskBars:
    """A bar for each task."""

    def __init__(self, bars: Bars, unit: str) -> None:
        self._bars = bars
        self._unit = unit
        self._tasks: dict[str, tuple[TaskID, Pace]] = {}

    def __call__(self, task: str, done: int, total: int) -> None:
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(printable(task), total=total or None, text=""), Pace(done)
        bar, pace = self._tasks[task]
        self._bars.update(bar, completed=done, text=_describe_pace(pace, done, total, self._unit))


class ProgressEvents:
    """An event when a task begins and when it ends, and now and then between."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._tasks: dict[str, Pace] = {}
        self._written = 0.0

    def __call__(self, task: str, done: int, total: int) -> None:
        now = time.monotonic()
        is_new = task not in self._tasks
        pace = self._tasks.setdefault(task, Pace(done))
        if is_new or (total and done >= total) or now - self._written >= _SECONDS_BETWEEN_EVENTS:
            self._written = now
            left = pace.estimate_seconds_left(done, total)
            about = {"unit": self._unit, "per_second": pace.measure(done) or None, "seconds_left": left}
            write_event("progress", task=task, done=done, total=total, **about)


class _Lines:
    """A line every ten seconds at most, for logs."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._task = ""
        self._pace = Pace(0)
        self._shown = time.monotonic()

    def __call__(self, task: str, done: int, total: int) -> None:
        if task != self._task:
            self._task, self._pace = task, Pace(done)
        now = time.monotonic()
        text = _describe_pace(self._pace, done, total, self._unit)
        if text and now - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = now
            echo(f"{task}: {done} of {total}, {text}", err=True)


def _describe_pace(pace: Pace, done: int, total: int, unit: str) -> str:
    """Return the speed and the time left, or "" while nothing is known of them."""
    speed, left = pace.measure(done), pace.estimate_seconds_left(done, total)
    if speed == 0:
        return ""
    return f"{speed:.0f} {unit}/s" + ("" if left is None else f", {format_duration(left)} left")
