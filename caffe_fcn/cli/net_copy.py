"""``caffe-fcn net copy``: a net folder to train anew, with other settings."""

from __future__ import annotations

from pathlib import Path

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.next_steps import find_missing_data, print_next
from caffe_fcn.cli.params import SpelledType
from caffe_fcn.cli.printing import echo
from caffe_fcn.file_names import SOLVER_FILE


class Assignment(SpelledType):
    """``FIELD=VALUE``, as a pair."""

    name = "FIELD=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split it at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not name.strip() or not equals:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        return name.strip(), text.strip()


@click.command(cls=Command)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path), help="The new folder.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=Assignment(),
    help="A field of the solver with another value, such as base_lr=1e-5; nothing after = takes it out. May be "
    "repeated; the values of a list are separated by commas.",
)
def copy(folder: Path, output: Path, settings: tuple[tuple[str, str], ...]) -> None:
    """Copy the net in FOLDER, or of a run, to train it anew, with other settings of its solver.

    The nets, the solver, model.json, and the small files that the nets read are copied; the data are those of the
    original. Snapshots, logs and weights stay where they are.
    """
    from caffe_fcn.training.cloning import clone_net

    for path in clone_net(folder, output, dict(settings)):
        echo(path)
    solver = output / SOLVER_FILE
    if find_missing_data(solver) is None:
        print_next(("train", solver))
