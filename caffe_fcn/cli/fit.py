"""``caffe-fcn fit``: from photos and labels to a scored, delivered FCN."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.events import write_event
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import (
    Size,
    augment_option,
    caffe_option,
    engine_option,
    json_option,
    no_check_option,
    precision_option,
)
from caffe_fcn.cli.printing import Verbosity, echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.journey.step import Observer

if TYPE_CHECKING:
    from caffe_fcn.cli.fit_commands import StepCommands
    from caffe_fcn.engines.events import Event, Score
    from caffe_fcn.engines.training import Training
    from caffe_fcn.journey import Fit, Step


_UNITS = {"fetching": "MB", "scoring": "images", "measuring": "images", "averaging": "batches"}
"""What a task counts, by the first word of its name; files, where nothing else is said."""


@click.command(cls=Command)
@click.argument("photos", required=False, type=click.Path(path_type=Path))
@click.argument("labels", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="A data set, in place of both folders.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="RUN", help="The run's folder.")
@click.option("--net", default="", metavar="NAME", help="A net of 'net list' (default: voc-fcn32s-googlenet).")
@click.option(
    "--weights",
    metavar="W",
    help="What to start from: a file, a model of 'models list', or none (default: the model that the net wants).",
)
@click.option("--classes", metavar="N|FILE", help="How many classes, or a file with their names, one a line.")
@click.option(
    "--colors",
    "--colours",
    "colours",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='For labels in colours: "R G B NAME" a line, as for data folder.',
)
@click.option("--resize", "size", type=Size(), help="The size that all photos get (default: each its own).")
@click.option(
    "--val-percent",
    type=click.FloatRange(0, 100, max_open=True),
    metavar="N",
    help="The share of the photos for validation (default: 10).",
)
@click.option("--epochs", type=click.FloatRange(0, min_open=True), metavar="N", help="How often each photo is seen.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="The photos at a time, all of one size.")
@click.option("--base-lr", type=float, metavar="X", help="The learning rate to begin with.")
@augment_option
@engine_option
@click.option("--gpu", default="", metavar="LIST", help="GPUs to use: 0, or 0,1, or all.")
@caffe_option
@click.option("--nproc", type=click.IntRange(min=1), metavar="N", help="Processes that share the batches (torch only).")
@precision_option
@no_check_option
@json_option
def fit(
    photos: Path | None,
    labels: Path | None,
    classes: str | None,
    colours: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """From photos and their labels to a scored, delivered FCN: data set, net, weights, training, scores, bundle.

    PHOTOS and LABELS are folders of images with the same names; the pixels of a label are the numbers of classes. All
    is written into RUN. Each step shows the command that does it alone, and is passed over where nothing changed since
    it was done: after Ctrl-C, or a crash, the same command goes on. What is not given is chosen from the photos.

    Without --weights the model that the net usually starts from is downloaded; with none, or where it cannot be
    fetched, the training starts from random values.
    """
    from caffe_fcn import journey
    from caffe_fcn.cli.fit_commands import StepCommands
    from caffe_fcn.datasets.records import classes as class_files
    from caffe_fcn.datasets.records import palette

    if (photos is None) != (labels is None) or (photos is None) == (options["data"] is None):
        raise click.UsageError("takes PHOTOS and LABELS, or --data DIR")
    map, names = palette.read(colours) if colours else (None, None)
    with ExitStack() as stack:
        observer = _Shown(StepCommands(classes, str(colours) if colours else None), stack)
        try:
            done = journey.fit(
                photos,
                labels,
                classes=class_files.parse_names(classes) if classes else names,
                colours=map,
                observer=observer,
                **options,
            )
        except KeyboardInterrupt:
            echo("what is done is kept: the same command goes on", err=True)
            raise
    if as_json:
        echo(json.dumps({"run": str(done.run), "bundle": str(done.bundle), "scores": done.scores}, indent=1))
    else:
        _print_summary(done)


class _Shown(Observer):
    """Shows a journey on stderr: each step with its command, notes, progress, and the training's losses."""

    def __init__(self, commands: StepCommands, stack: ExitStack) -> None:
        self._commands, self._stack = commands, stack
        self._progress: Any = None
        self._unit = ""

    def begin(self, step: Step, why: str) -> None:
        self._print(step, why)

    def name_command(self, step: Step) -> str:
        return self._commands.format(step)

    def pass_over(self, step: Step) -> None:
        self._print(step, "unchanged, passed over")

    def note(self, text: str) -> None:
        self._close_bars()
        print_note(replace_parameters(text, fit.params))

    def progress(self, task: str, done: int, total: int) -> None:
        unit = _UNITS.get(task.split()[0], "files")
        if unit != self._unit:
            self._close_bars()
            self._unit, self._progress = unit, self._stack.enter_context(show_progress(unit))
        if self._progress:
            self._progress(task, done, total)

    @contextmanager
    def watch(self, training: Training) -> Iterator[Callable[[Event | Score], None]]:
        from caffe_fcn.cli.train import announce_interruption, show_events

        self._close_bars()
        with training.forward_signals(announce_interruption(training)), show_events(training) as show:
            yield show

    def _print(self, step: Step, remark: str) -> None:
        from caffe_fcn.journey.fitting import STEPS

        self._close_bars()
        number, command = STEPS.index(step.part_of or step.name) + 1, self.name_command(step)
        text = f"{command} ({remark})" if remark else command
        if Verbosity.quiet:
            return
        if Verbosity.events:
            write_event("step", step=number, of=len(STEPS), name=step.name, command=command, remark=remark, text=text)
        else:
            echo(f"[{number}/{len(STEPS)}] {step.name}{f' ({remark})' if remark else ''}: {command}", err=True)

    def _close_bars(self) -> None:
        self._stack.close()
        self._unit, self._progress = "", None


def _print_summary(done: Fit) -> None:
    """Print the score, where the bundle is, and what to do with it."""
    scores = done.scores
    worst = sorted((each for each in scores["per_class"] if each["iu"] is not None), key=lambda each: each["iu"])
    echo(f"mean IU     {100 * scores['mean_iu']:.2f} % on {scores['images']} images, {done.run}/scores.json")
    if worst:
        echo(f"weakest     {worst[0]['name']}, IU {100 * worst[0]['iu']:.2f} %")
    echo(f"bundle      {done.bundle}")
    run = shlex.quote(str(done.run))
    echo(f"report      caffe-fcn report {run} -o {run}/report.html")
    echo(f"next        caffe-fcn infer {shlex.quote(str(done.bundle))} IMAGE... -o {_suggest_folder(done)}")


def _suggest_folder(done: Fit) -> str:
    return shlex.quote(os.path.join(done.run, "predictions"))  # noqa: PTH118 - as the user spelled it
