"""``caffe-fcn export``: nets for others."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from caffe_fcn.cli.commands import Command, Group
from caffe_fcn.cli.export_onnx import onnx
from caffe_fcn.cli.export_torch import torch
from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.next_steps import print_next
from caffe_fcn.cli.params import MEAN_OF_IMAGES, Size
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.progress import name_task


@click.group(cls=Group)
def export() -> None:
    """Write nets for others: what is delivered of a training."""


export.add_command(onnx)
export.add_command(torch)


@export.command(cls=Command)
@click.argument("run", metavar="RUN|NET-FOLDER")
@click.option(
    "--weights", type=WeightsParam(), metavar="W", help="The weights (default: those of RUN, its newest snapshot)."
)
@click.option("-o", "--output", required=True, metavar="DIR|FILE.tar.gz", help="The bundle to write.")
@click.option("--softmax", is_flag=True, help="Append a Softmax layer: the net gives probabilities.")
@click.option("--argmax", is_flag=True, help="Append an ArgMax layer: the net gives the class of each pixel, too.")
@click.option(
    "--fold-batchnorm", "fold_normalization", is_flag=True, help="Fold BatchNorm and Scale into the convolutions."
)
@click.option(
    "--fold-mean",
    is_flag=True,
    help="Make the net take raw pixels. The mean goes into the first convolution, or into a Scale layer before it "
    "where the convolution pads.",
)
@click.option(
    "--half",
    default="",
    metavar="rounded|stored",
    help="Weights of float16: rounded to its values and kept as float32, which every Caffe reads; or stored in 16 "
    "bits, which NVIDIA's Caffe, OpenCV and this program read, and BVLC's Caffe does not.",
)
@click.option(
    "--target", metavar="NAME", help="What is to take the bundle, such as ascend or ncnn: the net is rewritten to fit."
)
@click.option("--size", type=Size(), help="The size of all images (default: as in the net, which takes any).")
@click.option("--mean", type=MEAN_OF_IMAGES, help="The mean to subtract (default: as model.json in RUN says).")
@click.option("--name", default="", metavar="NAME", help="What the net is called (default: as it calls itself).")
@click.option("--licence", default="", metavar="TEXT", help="The licence, for the card.")
@click.pass_context
def bundle(
    ctx: click.Context,
    run: str,
    weights: str | None,
    output: str,
    softmax: bool,
    argmax: bool,
    fold_normalization: bool,
    fold_mean: bool,
    half: str,
    target: str | None,
    size: tuple[int, int] | None,
    mean: tuple[float, ...] | None,
    name: str,
    licence: str,
) -> int:
    """Write what is delivered: net, weights, description, labels, mean, and a card for people.

    RUN is the folder of a training; a net folder, a bundle or an archive of DIGITS are taken, too. The files are those
    of a model archive of DIGITS, and model.json, with which 'infer' and 'evaluate' need no option. An archive has the
    same bytes each time. With --target, exit status 1 says that the target refuses what was written, or
    computes something else of it.
    """
    from caffe_fcn.interop.bundle import Facts, write_bundle
    from caffe_fcn.interop.model_folders import open_model
    from caffe_fcn.interop.place_names import is_model_place
    from caffe_fcn.interop.targets.table import Otherwise

    has_own_weights = weights is None
    with ExitStack() as opened:
        if weights is None:
            if not is_model_place(run):
                raise click.UsageError("needs --weights W for a net that is not in a folder with its weights", ctx)
            model = opened.enter_context(open_model(run))
            net, weights, notes = model.net, str(model.weights), model.notes
        else:
            net = Path(run) / DEPLOY_FILE if Path(run).is_dir() else Path(run)
            notes = ()
        made = write_bundle(
            net,
            weights,
            output,
            softmax=softmax,
            argmax=argmax,
            fold_normalization=fold_normalization,
            fold_mean=fold_mean,
            half=half,
            target=target,
            size=size,
            mean=mean,
            progress=name_task(opened.enter_context(show_progress("MB")), "packing"),
            facts=Facts(name, others=_describe_origin(weights) | ({"Licence": licence} if licence else {})),
        )
    for note in (*notes, *made.notes):
        print_note(replace_parameters(note, bundle.params))
    for path in [made.path / name for name in made.checksums] if made.path.is_dir() else [made.path]:
        echo(path)
    labels = Path(f"{made.path.name.partition('.')[0]}-labels")
    verify = [("surgery", "verify", made.path, Path(run))] if has_own_weights else []
    print_next(*verify, ("infer", made.path, "IMAGE", "-o", labels))
    return 1 if any(each.otherwise in (Otherwise.REFUSED, Otherwise.WRONG) for each in made.misfits) else 0


def _describe_origin(weights: str) -> dict[str, str]:
    """Return what is known of published weights, or of weights that the user added: origin and licence."""
    from caffe_fcn import models

    place = Path(weights).resolve()
    kept = next((each for each in models.list_kept() if each.path.resolve() == place), None)
    if kept is None:
        return {}
    published = models.find_model(kept.name)
    licence = published.license if published else None
    facts = {"Weights": f"{kept.name}, from {kept.record.origin}"}
    return facts | {"Licence": f"{licence.value} ({licence.source})" if licence else "unknown"}
