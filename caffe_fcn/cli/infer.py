"""``caffe-fcn infer``: label images, overlays, masks and probabilities by a trained net."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import name_options, replace_parameters
from caffe_fcn.cli.params import (
    NamedPath,
    NumberList,
    Size,
    batch_option,
    blob_option,
    json_option,
    nproc_option,
    running_options,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.errors import CaffeFcnError

if TYPE_CHECKING:
    from caffe_fcn.evaluation.jobs import Outcome


def _read_scale(text: str) -> float:
    scale = float(text)
    if not 0 < scale <= 16:
        raise ValueError(text)
    return scale


_SCALES = NumberList("S,...", "list of scales such as 0.75,1,1.25 (each up to 16)", _read_scale)


@click.command(cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.argument("images", metavar="IMAGE...", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where to write.")
@click.option(
    "--input",
    "inputs",
    type=NamedPath(),
    multiple=True,
    help="For a net with several inputs: the folder whose images go into BLOB, found by the names of the IMAGEs, which "
    "go into the first input; or one file. May be repeated.",
)
@json_option
@running_options
@blob_option
@click.option(
    "--palette",
    metavar="FILE",
    help="Colours as lines 'R G B' or 'R G B NAME' (default: as model.json beside NET says, or else PASCAL VOC's).",
)
@click.option("--no-legend", is_flag=True, help="Write overlays without the legend of the classes in them.")
@click.option(
    "--probabilities",
    is_flag=True,
    help="Also write DIR/NAME_probabilities.npz: 'probabilities', float32, classes x height x width, and the names in "
    "'classes'.",
)
@click.option(
    "--above",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Also write masks, 0 or 255, of the pixels with a probability above P: DIR/NAME_above_NUMBER_CLASS.png for "
    "each class that has any.",
)
@click.option(
    "--truth",
    metavar="DIR",
    help="The folder of label images, found by the names of the IMAGEs, or the data set that these are from. Writes "
    "DIR/NAME_truth.png: photo, label and prediction side by side; and says how well they agree.",
)
@click.option(
    "--resize",
    type=Size(),
    help="The size at which the net sees an image. The answer has the photo's size all the same: scores are "
    "interpolated.",
)
@click.option("--flip", is_flag=True, help="Average the predictions for the image and its mirror image.")
@click.option(
    "--scales",
    type=_SCALES,
    default="1",
    help="Average the predictions for the image at these scales, as 0.75,1,1.25.",
)
@click.option(
    "--tile",
    type=Size(),
    help="Run an image in overlapping parts of at most this size, for images that are too large for the memory. The "
    "result is that of the whole image.",
)
@batch_option
@nproc_option
def infer(
    net: str,
    weights: str | None,
    images: tuple[str, ...],
    output: Path,
    inputs: tuple[tuple[str, str], ...],
    as_json: bool,
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | str | None,
    scale: float | None,
    blob: str,
    palette: str | None,
    no_legend: bool,
    probabilities: bool,
    above: float | None,
    truth: str | None,
    resize: tuple[int, int] | None,
    flip: bool,
    scales: tuple[float, ...],
    tile: tuple[int, int] | None,
    batch: int,
    nproc: int | None,
) -> int:
    """Run the deploy net NET with the weights W on images.

    For each image it writes DIR/NAME.png, whose pixels are the classes, and DIR/NAME_overlay.png, the image with the
    colours of the classes over it and a legend in a corner. Both have the size of the image. For a net with one output
    channel it writes only DIR/NAME.png, in grey. A classifier gives its five best classes, in DIR/NAME.txt; images are
    resized to what it takes. Mean, scale, names and colours of the classes are taken from model.json beside NET, or
    the names from labels.txt.

    IMAGE is an image; a folder, with all images below it, whose outputs lie in folders alike; a pattern such as
    'photos/*.jpg'; a .txt that lists images, a path a line; or a data set, of which the split val is taken, or else the
    first; SET#SPLIT is another split, SET#SPLIT:N its record N, from 0. Of several images, one that is broken is
    reported and the others go on; the exit status is then 2.

    With --flip or --scales the probabilities are averaged; all scores of an image are then in memory, also with --tile.
    With --nproc, or started by torchrun, several processes share the images.
    """
    from caffe_fcn.evaluation.inference import infer as run
    from caffe_fcn.evaluation.jobs import Job
    from caffe_fcn.evaluation.shares import find_rank

    outcomes: list[Outcome] = []
    with open_net(net, weights) as model, show_progress("images") as show:
        job = Job(
            net=str(model.net),
            weights=None if model.weights is None else str(model.weights),
            images=images,
            output=str(output),
            inputs=dict(inputs),
            engine=engine,
            options={"gpu": gpu, "precision": precision, "caffe": caffe},
            mean=mean,
            scale=scale,
            blob=blob,
            palette=palette,
            legend=not no_legend,
            probabilities=probabilities,
            above=above,
            truth=truth,
            resize=resize,
            flip=flip,
            scales=scales,
            tile=tile,
            batch=batch,
        )
        for outcome in run(job, nproc):
            note = "; ".join(outcome.notes)
            print_note(replace_parameters(model.name_place(note), infer.params))
            print_note(f"{outcome.image}: {outcome.note}" if outcome.note else "")
            _report(outcome, is_only=outcome.total == 1, as_json=as_json)
            outcomes.append(outcome)
            if show:
                show("images", len(outcomes), outcome.total)
    broken = sum(outcome.error is not None for outcome in outcomes)
    if broken:
        echo(f"{broken} of {len(outcomes)} images are broken", err=True)
    if as_json and find_rank() == 0:
        images_json = [outcome.to_json() for outcome in outcomes]
        echo(json.dumps({"images": images_json, "broken": broken}, indent=1))
    return 2 if broken else 0


def _report(outcome: Outcome, is_only: bool, as_json: bool) -> None:
    """Print what became of an image; raise its error where it is the only one."""
    if outcome.error is not None:
        error = CaffeFcnError(*outcome.error)
        if is_only:
            raise error
        name_options(error, infer.params)
        echo(f"error: {error}", err=True)
    elif not as_json:
        target = next(iter(outcome.files.values()))
        echo(f"{target}: {_summarize(outcome)}")


def _summarize(outcome: Outcome) -> str:
    if outcome.grey:
        return f"grey {outcome.grey[0]} to {outcome.grey[1]}"
    if outcome.top:
        return ", ".join(f"{each['name']} {each['probability']:.1%}" for each in outcome.top)
    shares = ", ".join(f"{each['name']} {each['share']:.1%}" for each in outcome.classes)
    if outcome.mean_iu is None or outcome.pixel_accuracy is None:
        return shares
    return f"{shares}; mean IU {outcome.mean_iu:.1%}, pixel accuracy {outcome.pixel_accuracy:.1%}"
