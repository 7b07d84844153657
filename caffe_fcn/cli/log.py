"""``caffe-fcn log``: the figures of trainings, from the logs that they left."""

from __future__ import annotations

import json
from typing import Any

import click

from caffe_fcn.cli.commands import Command, Group
from caffe_fcn.cli.params import json_option
from caffe_fcn.cli.printing import echo, print_note, printable
from caffe_fcn.cli.tables import print_table
from caffe_fcn.engines.figures import to_record
from caffe_fcn.training import History, read_log
from caffe_fcn.training.curves import list_curves
from caffe_fcn.viz.curves import write_curves


@click.group(cls=Group)
def log() -> None:
    """Show and plot the figures of trainings: loss, learning rate, outputs, tests, scores of snapshots.

    LOG is what `caffe train` wrote to stderr (any version, also NVIDIA's), the train.log or train.jsonl of a run, or
    the folder of a run or of a job of DIGITS. Where a file has a training and its continuation, what the continuation
    repeats counts once.
    """


@log.command(cls=Command)
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--rows", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Rows to show.")
@json_option
def show(logs: tuple[str, ...], rows: int, as_json: bool) -> None:
    """Show the figures of each LOG: the first, the last and some between, or all of them as JSON."""
    histories = {path: read_log(path) for path in logs}
    if as_json:
        echo(json.dumps({"logs": [_describe(path, history) for path, history in histories.items()]}, indent=2))
        return
    for number, (path, history) in enumerate(histories.items()):
        if number:
            echo()
        _print_figures(path, history, rows)


@log.command(cls=Command)
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The picture to write; its suffix, .svg, .png or .html, is the format.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Draw this figure only (repeatable): loss, lr, an output.")
def plot(logs: tuple[str, ...], output: str, only: tuple[str, ...]) -> None:
    """Draw the curves of all LOGs into one picture: loss, outputs and learning rate, of training and tests."""
    left_out = write_curves({path: read_log(path) for path in logs}, output, only)
    if left_out:
        print_note(f"{left_out} figures did not fit into the picture: choose with --only")


def _describe(path: str, history: History) -> dict[str, Any]:
    return {
        "log": path,
        "steps": [to_record(step) for step in history.steps],
        "tests": [to_record(test) for test in history.tests],
        "snapshots": history.snapshots,
        "scores": [to_record(score) for score in history.scores],
    }


def _print_figures(path: str, history: History, rows: int) -> None:
    counts = [
        (len(history.steps), "step"),
        (len(history.tests), "test"),
        (len(history.snapshots), "file of snapshots"),
        (len(history.scores), "score"),
    ]
    echo(f"{printable(path)}: {', '.join(_count(*each) for each in counts if each[0])}")
    curves = list_curves(history)
    values = [dict(curve.points) for curve in curves]
    iterations = sorted({iteration for each in values for iteration in each})
    table = [
        [iteration, *(f"{each[iteration]:.6g}" if iteration in each else "" for each in values)]
        for iteration in _choose_rows(iterations, rows)
    ]
    header = ["iteration", *(printable(curve.label) for curve in curves)]
    print_table(header, table, right=range(len(header)))


def _count(number: int, name: str) -> str:
    plural = name.replace("file ", "files ") if name.startswith("file ") else f"{name}s"
    return f"{number} {name if number == 1 else plural}"


def _choose_rows(iterations: list[int], most: int) -> list[int]:
    """Return at most so many iterations, evenly spaced, with the last one."""
    if len(iterations) <= most:
        return iterations
    if most == 1:
        return iterations[-1:]
    last = len(iterations) - 1
    return [iterations[round(place * last / (most - 1))] for place in range(most)]
