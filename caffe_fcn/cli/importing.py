"""``caffe-fcn import``: nets of other programs as net folders."""

from __future__ import annotations

from pathlib import Path

import click

from caffe_fcn.cli.commands import Command, Group
from caffe_fcn.cli.import_onnx import onnx
from caffe_fcn.cli.import_torch import torch
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import allow_unknown_option, report_unknown_fields
from caffe_fcn.cli.printing import Verbosity, echo, print_note


@click.group("import", cls=Group)
def import_() -> None:
    """Import nets of other programs as net folders."""


import_.add_command(onnx)
import_.add_command(torch)


@import_.command(cls=Command)
@click.argument("job", metavar="JOB|ARCHIVE")
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to write to.")
@click.option("--data", metavar="DIR", help="The folder of the data set job (default: beside that of the model job).")
@allow_unknown_option
def digits(job: str, output: str, data: str | None, allow_unknown: bool) -> None:
    """Write the net of a DIGITS model job as a net folder that every command takes.

    JOB is the folder of a model job, ARCHIVE what DIGITS gives for download (.tar.gz, .tar.bz2, .tar, .zip). DIR gets
    the prototxts with the paths of this machine, the last snapshot as weights.caffemodel, the mean, labels.txt, and
    model.json, by which images are prepared as DIGITS prepared them.
    """
    from caffe_fcn.cli.next_steps import follow_import
    from caffe_fcn.interop.digits import import_job

    found = import_job(job, output, data, allow_unknown)
    report_unknown_fields(found.unknown_fields)
    for note in found.notes:
        print_note(replace_parameters(note, click.get_current_context().command.params))
    for path in found.files:
        echo(path)
    if not Verbosity.quiet:
        echo(f"{found.weights} is {found.snapshot}", err=True)
    follow_import(Path(output), found.weights)
