"""``caffe-fcn net from-classifier``: any image classifier as an FCN."""

from __future__ import annotations

import os
from pathlib import Path

import click

from caffe_fcn import netspec
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.net_build import classes_in
from caffe_fcn.cli.params import MEAN, Padding, Size, allow_unknown_option, read_net
from caffe_fcn.cli.printing import Verbosity, echo, print_note
from caffe_fcn.errors import NetError
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.from_classifier.conversion import FCN_STRIDES
from caffe_fcn.netspec.from_classifier.conversion import from_classifier as fcn_of


@click.command("from-classifier", cls=Command)
@click.argument("deploy", metavar="DEPLOY")
@click.option(
    "--classes", type=int, metavar="N", help="How many classes a pixel may be of (default: as --source says)."
)
@click.option(
    "--stride",
    type=click.Choice([str(each) for each in FCN_STRIDES]),
    help="Of the scores (default: the classifier's own).",
)
@click.option("-o", "--output", required=True, metavar="DIR", help="The folder to write to.")
@click.option("--data", type=click.Choice(["lmdb", "image"]), help="Data layers: databases or lists of images.")
@click.option("--source", metavar="DIR", help="The folder of the data.")
@click.option("--mean", type=MEAN, help="The mean to subtract, for each channel or for all.")
@click.option("--size", type=Size(), help="The deploy net's input.")
@click.option("--batch", type=int, metavar="N", help="Images at a time.")
@click.option(
    "--pad",
    type=Padding(),
    help="First padding; auto is the least for images of --size and up, or any.",
)
@allow_unknown_option
def from_classifier(
    deploy: str,
    classes: int | None,
    stride: str | None,
    output: str,
    source: str | None,
    allow_unknown: bool,
    **options: object,
) -> None:
    """An FCN whose backbone is the classifier DEPLOY: train, val and deploy nets and a solver, in a folder.

    Fully connected layers become convolutions, a score layer takes the classifier's place, skips join in at the
    poolings of finer strides down to --stride, and what is upsampled is cropped to the image by offsets that
    follow from the layers. Caffe is to run in the folder of the prototxts.
    """
    if classes is None and source:
        classes = classes_in(source)
    if classes is None:
        raise click.UsageError("needs --classes N, or a --source whose dataset.json says it")
    net = fcn_of(read_net(deploy, allow_unknown), classes, int(stride or FCN_STRIDES[0]))
    _check_stride(net, stride)
    if source and not Path(source).is_absolute():
        source = os.path.relpath(source, output)
    for path in netspec.write(net, output, source=source, **options):
        echo(path)
    if not Verbosity.quiet:
        _explain(net, deploy, output)


def _check_stride(net: NetDesign, asked: str | None) -> None:
    """Refuse a stride that the classifier is finer than, where another value of the option says what it gives."""
    if asked is None or net.stride == int(asked):
        return
    what = f"the classifier's last features come at stride {net.stride}"
    if net.stride in FCN_STRIDES:
        raise NetError(f"--stride {asked}", what, f"take --stride {net.stride}")
    print_note(f"{what}, finer than --stride {asked}: so do the scores")


def _explain(net: NetDesign, deploy: str, output: str) -> None:
    skips = [f"{pool} ({stride})" for stride, pool in net.backbone.skips.items() if stride >= (net.stride or 1)]
    weights = f"--weights W --from-net {deploy} --to-net {Path(output) / 'deploy.prototxt'} -o OUT"
    echo(f"backbone of stride {net.backbone.stride}, skips from {', '.join(skips) or 'nothing'}", err=True)
    echo(f"for its weights: caffe-fcn surgery transplant {weights}", err=True)
