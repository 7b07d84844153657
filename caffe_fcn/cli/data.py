"""``caffe-fcn data``: data sets as LMDB pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caffe_fcn.cli import Group, Settings

if TYPE_CHECKING:
    from caffe_fcn.datasets.building import Way
    from caffe_fcn.datasets.description import Description

Function = TypeVar("Function", bound=Callable[..., Any])


@click.group(cls=Group)
def data() -> None:
    """Data sets as LMDB pairs: images and labels that Caffe trains on.

    A data set is a folder DIR with the databases DIR/train_images, DIR/train_labels, DIR/val_images and
    DIR/val_labels, the mean in DIR/mean.binaryproto and its description in DIR/dataset.json.
    """


_OUTPUT = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder to write."
)
_SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=1337, show_default=True, help="Of all that is random."
)
_VAL_PERCENT = click.option(
    "--val-percent", type=click.FloatRange(0, 100, max_open=True), metavar="N", show_default=True,
    default=10, help="The share set aside for validation.",
)  # fmt: skip


def _building(function: Function) -> Function:
    """The options that all builders share."""
    for option in reversed(_WAY):
        function = option(function)
    return function


_WAY = [
    click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Threads (default: one per core)."),
    click.option("--resume", is_flag=True, help="Go on where an interrupted run with the same options stopped."),
]


@data.command()
@_OUTPUT
@click.option("--count", type=click.IntRange(min=1), default=10_000, show_default=True, help="Pairs of images.")
@click.option("--size", type=click.IntRange(2, 4096), default=32, show_default=True, help="Their height and width.")
@click.option("--grid", type=click.IntRange(1, 100), default=10, show_default=True, help="Rows of the grid picture.")
@_VAL_PERCENT
@_SEED
@_building
def triangles(
    output: Path,
    count: int,
    size: int,
    grid: int,
    val_percent: float,
    seed: int,
    workers: int | None,
    resume: bool,
) -> None:
    """Outlines of triangles, and the filled triangles as labels; and DIR/grid.png to try the net on."""
    from caffe_fcn.datasets.triangles import triangles

    with _way(workers, resume) as way:
        _report(output, triangles(output, count, size, val_percent, grid, seed, way))


@contextmanager
def _way(workers: int | None, resume: bool) -> Iterator[Way]:
    import os

    from caffe_fcn.datasets.building import Way

    with _progress() as progress:
        try:
            yield Way(workers or os.cpu_count() or 1, resume=resume, progress=progress)
        except KeyboardInterrupt:
            click.echo("what is done is kept: the same command with --resume goes on", err=True)
            raise


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar on stderr with files a second and the time left, on a terminal; else a line now and then."""
    if Settings.quiet:
        yield None
        return
    import sys

    if not sys.stderr.isatty():
        yield _Lines()
        return
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
                tasks[what] = bar.add_task(what, total=total, rate="")
            speed = bar.tasks[tasks[what]].speed
            bar.update(tasks[what], completed=done, rate=f"{speed:.0f} files/s" if speed else "")

        yield show


class _Lines:
    """Progress as plain lines, every few seconds at most."""

    every = 10.0

    def __init__(self) -> None:
        self.started = self.said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said < self.every:
            return
        self.said = now
        rate = done / (now - self.started)
        click.echo(f"{what}: {done} of {total}, {rate:.0f} files/s, {(total - done) / rate:.0f} s left", err=True)


def _report(output: Path, about: Description) -> None:
    for name, split in about.splits.items():
        databases = ", ".join(str(output / database) for database in split["databases"].values())
        click.echo(f"{name}: {split['count']} records in {databases}")
    if about.mean is not None:
        click.echo(f"mean: {', '.join(f'{value:.3f}' for value in about.mean)}")
