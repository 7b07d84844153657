"""``caffe-fcn net from-classifier``: turn any image classifier into an FCN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from caffe_fcn import netspec
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.net_build import note_leftovers
from caffe_fcn.cli.next_steps import follow_classifier
from caffe_fcn.cli.params import allow_unknown_option, build_options, read_net
from caffe_fcn.cli.printing import Verbosity, echo, print_note
from caffe_fcn.cli.solver_options import loss_option, measure_classes, print_solver_notes, solver_options
from caffe_fcn.cli.sources import fit_source, open_source
from caffe_fcn.description import model_json
from caffe_fcn.errors import NetError
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.from_classifier.conversion import FCN_STRIDES
from caffe_fcn.netspec.from_classifier.conversion import from_classifier as make_fcn


@click.command("from-classifier", cls=Command)
@click.argument("deploy", metavar="DEPLOY")
@click.option("--classes", type=int, metavar="N", help="The number of classes (default: as --source says).")
@click.option(
    "--stride",
    type=click.Choice([str(each) for each in FCN_STRIDES]),
    help="The stride of the finest scores (default: the classifier's own).",
)
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to write to.")
@click.option("--data", type=click.Choice(["lmdb", "image"]), help="Data layers: databases or lists of images.")
@build_options
@solver_options
@loss_option()
@allow_unknown_option
def from_classifier(
    deploy: str,
    classes: int | None,
    stride: str | None,
    output: str,
    source: str | None,
    allow_unknown: bool,
    **options: Any,
) -> None:
    """Write an FCN with the classifier DEPLOY as its backbone: train, val and deploy nets and a solver, in a folder.

    Fully connected layers become convolutions, and a score layer replaces the last one. Skips start from the poolings
    of finer strides, down to --stride. The upsampled scores are cropped to the image by offsets that follow from the
    layers. With --source SET, a folder as 'caffe-fcn data' writes it, classes, mean and ignored label are the data
    set's, and the solver counts in its epochs. Without --mean, the classifier's own is subtracted where model.json
    beside DEPLOY says it. The new model.json says what the nets take and give, and comments in the solver say where
    each value comes from. Run Caffe in the folder of the prototxts.
    """
    opened = open_source(source) if source else None
    known = opened.about.classes if opened and opened.about else None
    count = classes or (len(known) if known else None)
    if count is None:
        raise click.UsageError("needs --classes N, or a --source whose dataset.json says it")
    if options["mean"] is None and deploy != "-":
        options["mean"] = _read_mean(Path(deploy).parent)
    net = make_fcn(read_net(deploy, allow_unknown), count, int(stride or FCN_STRIDES[0]))
    _check_stride(net, stride)
    if opened:
        fitted = fit_source(opened, net, "lmdb", classes is None)
        source, options["classes"], options["dataset"] = fitted.folder, count, fitted.about
        measure_classes(source, fitted.about, options)
    if source and not Path(source).is_absolute():
        source = os.path.relpath(source, output)
    with note_leftovers(Path(output)):
        written = netspec.write(net, output, source=source, **options)
    print_solver_notes(net, options)
    for path in written:
        echo(path)
    _explain(net, deploy, Path(output))


def _read_mean(folder: Path) -> tuple[float, ...] | None:
    """The mean in pixels of a classifier that model.json describes; refuse one that takes red first."""
    model = model_json.read(folder)
    if model is None or len(model.inputs) != 1:
        return None
    image = model.inputs[0]
    if image.order == "RGB":
        what = "the classifier takes red first, and Caffe's databases of images have blue first"
        raise NetError(folder / model_json.FILE, what, "import it with --bgr")
    return tuple(image.mean) if image.mean and image.scale == 1 else None


def _check_stride(net: NetDesign, asked: str | None) -> None:
    """Refuse a stride that is coarser than the classifier's, if the option has a value for the classifier's own."""
    if asked is None or net.stride == int(asked):
        return
    what = f"the classifier's last features come at stride {net.stride}"
    if net.stride in FCN_STRIDES:
        raise NetError(f"--stride {asked}", what, f"take --stride {net.stride}")
    print_note(f"{what}, finer than --stride {asked}: so do the scores")


def _explain(net: NetDesign, deploy: str, folder: Path) -> None:
    """Print the parts of the net, and the commands that follow."""
    skips = [f"{pool} ({stride})" for stride, pool in net.backbone.skips.items() if stride >= (net.stride or 1)]
    if not Verbosity.quiet:
        echo(f"backbone of stride {net.backbone.stride}, skips from {', '.join(skips) or 'nothing'}", err=True)
    follow_classifier(Path(deploy), folder)
