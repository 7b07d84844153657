"""``caffe-fcn import torch``: nets of torchvision as net folders."""

from __future__ import annotations

from pathlib import Path

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import NumberList, Size
from caffe_fcn.cli.printing import Verbosity, echo, print_note
from caffe_fcn.net.geometry import dims

_CHANNELS = NumberList("R,G,B", "list of three numbers of 0 to 1 such as 0.485,0.456,0.406", lengths=(3,))


@click.command("torch", cls=Command)
@click.argument("file", metavar="FILE")
@click.option("--arch", required=True, metavar="NAME", help="torchvision's name of the net, such as vgg16.")
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to write to.")
@click.option("--size", type=Size(), default="224", show_default=True, help="The size of the images.")
@click.option("--bgr", is_flag=True, help="Make the net take blue first, as Caffe's databases have images.")
@click.option(
    "--plain", is_flag=True, help="Write no round_mode, which Caffe 1.0's release lacks: right for --size alone."
)
@click.option("--mean", type=_CHANNELS, help="The mean that torch's Normalize had (default: torchvision's).")
@click.option("--std", type=_CHANNELS, help="The deviation that torch's Normalize had (default: torchvision's).")
@click.option("--verify", is_flag=True, help="Run torchvision's own net, where it is installed, and compare.")
@click.option(
    "--engine",
    default="auto",
    metavar="auto|caffe|torch",
    help="What runs the net for --verify: real Caffe, where there is one, or torch (default: auto).",
)
def torch(
    file: str,
    arch: str,
    output: str,
    size: tuple[int, int],
    bgr: bool,
    plain: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    verify: bool,
    engine: str,
) -> int:
    """Write a net of torchvision with the weights of the state dict FILE as a net folder that every command takes.

    FILE is a .pth of any age, or .safetensors. It is loaded without running what is in it. DIR gets deploy.prototxt,
    weights.caffemodel, and model.json, by which images are prepared as torchvision prepares them. Layers have the names
    of torch's modules. docs/import-torch.md has the architectures.

    Exit status 1 where --verify finds a difference above 1e-4 of the output's largest value.
    """
    from caffe_fcn.cli.next_steps import follow_import
    from caffe_fcn.interop.torchvision.importing import import_torch

    if verify:
        from caffe_fcn.interop.torchvision.verification import compare_import, require_torchvision

        require_torchvision()
    found = import_torch(file, arch, output, size, bgr, plain, mean, std)
    for note in found.notes:
        print_note(replace_parameters(note, torch.params))
    for path in found.files:
        echo(path)
    ok = True
    if verify:
        compared, remark = compare_import(found, file, arch, engine=engine)
        if remark and not Verbosity.quiet:
            echo(remark, err=True)
        ok = compared.ok
        verdict = "equal to torchvision" if ok else "DIFFERENT from torchvision"
        echo(f"{compared.blob} ({dims(compared.shape)}): {verdict}, largest difference {compared.difference:.1e}")
    if found.segments:
        follow_import(Path(output), found.weights)
    return int(not ok)
