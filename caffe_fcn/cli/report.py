"""``caffe-fcn report``: a run as one page."""

from __future__ import annotations

import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import caffe_option, engine_option, gpu_option, precision_option
from caffe_fcn.cli.printing import print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.errors import DatasetError, EngineError, FileError
from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from caffe_fcn.reports.predictions import ShownImage
    from caffe_fcn.reports.run import Run


@click.command(cls=Command)
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", required=True, metavar="FILE", help="The page to write, as HTML.")
@click.option(
    "--data", metavar="DIR", help="The data set of the predictions (default: the one in RUN, or that its nets read)."
)
@click.option(
    "--images",
    type=click.IntRange(min=0, max=50),
    default=4,
    show_default=True,
    metavar="N",
    help="How many of the worst and of the best predictions to show; 0 for none, for which no engine is needed.",
)
@engine_option
@caffe_option
@precision_option
@gpu_option
def report(run: str, output: str, data: str | None, images: int, **options: Any) -> None:
    """Report on RUN, the folder of a net that was trained, on one page that needs no network.

    It has the curves of the training, the scores with those of each class, the confusion matrix, the worst and the best
    predictions with their truth, the net, its offsets, the settings, and what made it. Of what RUN does not have, the
    page says which command makes it.
    """
    from caffe_fcn import files
    from caffe_fcn.reports.report import PREDICTIONS, Report
    from caffe_fcn.reports.report_page import render_report
    from caffe_fcn.reports.run import read_run

    found = read_run(run, data)
    shown, missing = _predict(found, images, options)
    for part, why in missing.items():
        print_note(f"without {part}: {why}")
    page = Report(found, shown, _list_commands(found, run, data), _list_versions(), missing)
    files.write_text(output, render_report(page))
    for part in found.missing:
        if part != PREDICTIONS:
            print_note(f"{run} has no {part}: the page says which command makes it")


def _predict(run: Run, count: int, options: dict[str, Any]) -> tuple[list[ShownImage], dict[str, str]]:
    """Return the predictions to show, and why there are none."""
    from caffe_fcn.reports.predictions import predict_images
    from caffe_fcn.reports.report import PREDICTIONS

    if not count:
        return [], {PREDICTIONS: "none were asked for"}
    engine = options.pop("engine")
    try:
        with show_progress("images") as show:
            return predict_images(run, count, engine, name_task(show, "predicting"), **options), {}
    except (DatasetError, EngineError, FileError) as error:
        return [], {PREDICTIONS: f"{error.where}: {error.what}"}


def _list_commands(run: Run, named: str, data: str | None) -> dict[str, str]:
    """Return the commands that make what is missing, by the names of the parts."""
    from caffe_fcn.reports.report import PREDICTIONS, STALE
    from caffe_fcn.reports.run import DATA, RECORD, SCORES, TRAINING, WEIGHTS

    place = str(data or run.data or "DATA")
    train = _spell("train", Path(named, SOLVER_FILE))
    scores = shlex.quote(str(Path(named, "scores.json")))
    evaluate = f"{_spell('evaluate', named, '--data', place, '--json')} > {scores}"
    again = _spell("report", named, "--data", place, "-o", "report.html")
    parts = {
        train: [TRAINING, WEIGHTS, RECORD, *([] if run.weights else [PREDICTIONS])],
        evaluate: [SCORES, STALE],
        again: [DATA, *([PREDICTIONS] if run.weights else [])],
    }
    return {part: command for command, made in parts.items() for part in made}


def _spell(*words: object) -> str:
    return shlex.join(["caffe-fcn", *map(str, words)])


def _list_versions() -> dict[str, str]:
    try:
        version = metadata.version("caffe-fcn")
    except metadata.PackageNotFoundError:
        version = "from a checkout"
    return {"report by": f"caffe-fcn {version}, Python {platform.python_version()}"}
