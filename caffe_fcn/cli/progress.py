"""Progress on stderr: a bar with files a second and the time left on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from caffe_fcn.cli import Settings
from caffe_fcn.cli.printing import echo, printable

Progress = Callable[[str, int, int], None]


@contextmanager
def progress(unit: str = "files") -> Iterator[Progress | None]:
    """What to call with a task's name, how much is done, and how much there is; None with ``--quiet``."""
    if Settings.quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(unit) as show:
            yield show
    else:
        yield _Lines(unit)


@contextmanager
def _bar(unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(printable(what), total=total, rate="")
            speed = bar.tasks[tasks[what]].speed
            bar.update(tasks[what], completed=done, rate=f"{speed:.0f} {unit}/s" if speed else "")

        yield show


class _Lines:
    """A line every ten seconds at most, for logs."""

    every = 10.0

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.what = ""
        self.started = self.said = time.monotonic()
        self.first = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self.what:
            self.what, self.started, self.first = what, now, done
        if now - self.said < self.every or done == self.first:
            return
        self.said = now
        rate = (done - self.first) / (now - self.started)
        left = (total - done) / rate
        echo(f"{what}: {done} of {total}, {rate:.0f} {self.unit}/s, {left:.0f} s left", err=True)
