"""``caffe-fcn import``: nets of other programs as net folders."""

from __future__ import annotations

from pathlib import Path

import click

from caffe_fcn.cli.commands import Command, Group
from caffe_fcn.cli.import_onnx import onnx
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import NumberList, Size, allow_unknown_option, report_unknown_fields
from caffe_fcn.cli.printing import Verbosity, echo, print_note


@click.group("import", cls=Group)
def import_() -> None:
    """Import nets of other programs as net folders."""


import_.add_command(onnx)


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


_CHANNELS = NumberList("R,G,B", "list of three numbers of 0 to 1 such as 0.485,0.456,0.406", lengths=(3,))


@import_.command(cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--arch", required=True, metavar="NAME", help="torchvision's name of the net, such as vgg16.")
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to write to.")
@click.option("--size", type=Size(), default="224", show_default=True, help="The size of the images.")
@click.option("--bgr", is_flag=True, help="Make the net take blue first, as Caffe's databases have images.")
@click.option("--mean", type=_CHANNELS, help="The mean that torch's Normalize had (default: torchvision's).")
@click.option("--std", type=_CHANNELS, help="The deviation that torch's Normalize had (default: torchvision's).")
def torch(
    file: str,
    arch: str,
    output: str,
    size: tuple[int, int],
    bgr: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> None:
    """Write a net of torchvision with the weights of the state dict FILE as a net folder that every command takes.

    FILE is a .pth of any age, or .safetensors. It is loaded without running what is in it. DIR gets deploy.prototxt,
    weights.caffemodel, and model.json, by which images are prepared as torchvision prepares them. Layers have the names
    of torch's modules. docs/import-torch.md has the architectures.
    """
    from caffe_fcn.cli.next_steps import follow_import
    from caffe_fcn.interop.torchvision.importing import import_torch

    found = import_torch(file, arch, output, size, bgr, mean, std)
    for note in found.notes:
        print_note(replace_parameters(note, click.get_current_context().command.params))
    for path in found.files:
        echo(path)
    follow_import(Path(output), found.weights)
