"""``caffe-fcn evaluate``: the scores of a net on a data set, or of label images that somebody made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import batch_option, blob_option, json_option, nproc_option, running_options
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.cli.tables import format_table
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from caffe_fcn.evaluation import Evaluation, ImageScore

_SHOWN = 5  # of the best and of the worst images, where nothing is said


class _EvaluateCommand(ModelCommand):
    instead = ("truth", "predictions")


@click.command(cls=_EvaluateCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.option("--data", metavar="DIR", help="The folder of the data set, as 'caffe-fcn data' writes it.")
@click.option("--split", metavar="NAME", help="The split to score (default: val, or the only one).")
@click.option("--truth", metavar="DIR", help="With --predictions: the folder of the label images that are right.")
@click.option(
    "--predictions", metavar="DIR", help="In place of a net: a folder of label images of the same names, to be scored."
)
@click.option(
    "--classes",
    metavar="N|FILE",
    help="With --predictions: the number of classes, or a file of their names, one a line.",
)
@click.option(
    "--palette",
    "colours",
    metavar="FILE",
    help="With --predictions: the colours of the classes, as lines 'R G B', for label images without a palette.",
)
@json_option
@running_options
@blob_option
@click.option(
    "--ignore",
    type=click.IntRange(0, 255),
    metavar="N",
    help="The label to ignore (default: the data set's, or 255).",
)
@click.option("--above", type=click.FloatRange(0, 1), metavar="P", help="Also the IoU of masks of probability above P.")
@click.option(
    "--boundary",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="The width of the bands that boundary IU compares (default: 0.02 of the image's diagonal).",
)
@click.option(
    "--sort",
    type=click.Choice(["iu", "accuracy", "boundary", "pixels", "class"]),
    default="iu",
    help="What the table of the classes is sorted by: the best, or the most, first (default: iu).",
)
@click.option(
    "--images",
    "shown",
    type=click.IntRange(0),
    default=_SHOWN,
    metavar="N",
    help=f"How many of the worst and of the best images are listed (default: {_SHOWN}).",
)
@click.option(
    "--confusion",
    multiple=True,
    metavar="FILE",
    help="Write the confusion matrix: .csv for its counts, .svg or .png for a picture. May be repeated.",
)
@batch_option
@nproc_option
def evaluate(
    net: str | None,
    weights: str | None,
    data: str | None,
    split: str | None,
    truth: str | None,
    predictions: str | None,
    classes: str | None,
    colours: str | None,
    as_json: bool,
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | str | None,
    scale: float | None,
    blob: str,
    ignore: int | None,
    above: float | None,
    boundary: int | None,
    sort: str,
    shown: int,
    confusion: tuple[str, ...],
    batch: int,
    nproc: int | None,
) -> None:
    """Measure NET with the weights W on a data set, or label images against others.

    It says pixel accuracy, mean accuracy, mean IU and frequency-weighted IU (Long et al. 2015), boundary IU (Cheng
    et al. 2021), the measures of each class, and the images with the worst and the best mean IU. Classes that are in
    no label are left out of the means, and named.

    NET is a deploy net, or a net with data layers. Mean, scale and the names of the classes are taken from model.json
    beside it; where there is none, mean and scale are those of its data layer's transform_param.
    A net with several inputs reads further databases of the data set, such as depth.
    --above adds the measure that was published for M2NIST: the mask of a class is where its probability is above P,
    and intersection over union is summed over four images at a time, for every class but the background.

    Without a net, 'caffe-fcn evaluate --truth DIR --predictions DIR' compares two folders of label images. A prediction
    and its label have the same name.

    With --nproc, or started by torchrun, several processes share the images; the scores are the same.
    """
    from caffe_fcn import evaluation
    from caffe_fcn.evaluation.shares import find_rank

    settings = evaluation.Settings(mean, scale, blob, ignore, above, boundary)
    with show_progress("images") as show:
        progress = name_task(show, "scoring")
        if truth is not None or predictions is not None:
            found = _evaluate_labels(truth, predictions, classes, colours, settings, progress)
        elif classes is not None or colours is not None:
            raise click.UsageError("--classes and --palette are for --truth and --predictions: a net knows its classes")
        else:
            options = {"gpu": gpu, "precision": precision, "caffe": caffe}
            found = _evaluate_net(str(net), weights, data, split, settings, engine, progress, nproc, batch, options)
    if find_rank() != 0:  # of the processes that torchrun started, the first one prints
        return
    if confusion:
        from caffe_fcn.viz.confusion import write_confusion

        for target in confusion:
            write_confusion(found.confusion, found.classes, target)
    print_note(replace_parameters(found.note, evaluate.params))
    echo(json.dumps(found.to_json(above), indent=1) if as_json else _format_scores(found, above, sort, shown))


def _evaluate_net(
    net: str,
    weights: str | None,
    data: str | None,
    split: str | None,
    settings: Any,
    engine: str,
    progress: Any,
    nproc: int | None,
    batch: int,
    options: dict[str, Any],
) -> Evaluation:
    from dataclasses import replace

    from caffe_fcn import evaluation
    from caffe_fcn.datasets.records import opening

    if data is None:
        raise click.UsageError("Missing option '--data'")
    named = split or ("val" if "val" in opening.splits(data) else None)
    pairs = opening.open(data, named)
    with open_net(net, weights) as model:
        found = evaluation.evaluate(
            model.net, model.weights, pairs, settings, engine, progress, nproc, batch, **options
        )
        return replace(found, note=model.name_place(found.note))


def _evaluate_labels(
    truth: str | None, predictions: str | None, classes: str | None, palette: str | None, settings: Any, progress: Any
) -> Evaluation:
    from caffe_fcn.datasets.records import palette as palettes
    from caffe_fcn.datasets.records.classes import parse_names
    from caffe_fcn.evaluation.evaluate import UNLABELLED
    from caffe_fcn.evaluation.label_folders import evaluate_labels

    if truth is None or predictions is None:
        raise click.UsageError("--truth and --predictions go together")
    colours, names = palettes.read(palette) if palette else (None, None)
    names = parse_names(classes) if classes else names
    ignore = UNLABELLED if settings.ignore is None else settings.ignore
    return evaluate_labels(truth, predictions, names, ignore, settings.boundary, colours, progress)


def _format_scores(found: Evaluation, above: float | None, sort: str, shown: int) -> str:
    from caffe_fcn.evaluation import rank_images

    scores = found.scores
    measures = [
        ("pixel accuracy", scores.pixel_accuracy),
        ("mean accuracy", scores.mean_accuracy),
        ("mean IU", scores.mean_iu),
        ("frequency-weighted IU", scores.frequency_weighted_iu),
        ("mean boundary IU", found.mean_boundary_iu),
        *([] if above is None else [(f"IU of masks above {above:g}", found.overlap)]),
    ]
    totals = format_table(["measure", "%"], [[name, _percent(value)] for name, value in measures], right=[1])
    parts = [f"{found.images} images\n{totals}", _format_classes(found, sort)]
    ranked = rank_images(found.image_scores)
    worst, best = ranked[:shown], ranked[::-1][:shown]
    for title, images in (("worst", worst), ("best", best)):
        if images:
            parts.append(_format_images(title, images))
    return "\n\n".join(parts)


def _format_classes(found: Evaluation, sort: str) -> str:
    scores, pixels = found.scores, found.confusion.sum(1).tolist()
    columns = {"accuracy": scores.accuracy, "iu": scores.iu, "boundary": found.boundary_iu, "pixels": pixels}
    order: Sequence[int] = range(len(found.classes))
    if sort != "class":
        values = columns[sort]
        order = sorted(order, key=lambda number: -1 if values[number] is None else values[number], reverse=True)
    total = sum(pixels)
    rows = [
        [found.classes[number], *(_percent(columns[name][number]) for name in ("accuracy", "iu", "boundary"))]
        + [_percent(pixels[number] / total)]
        for number in order
    ]
    return format_table(["class", "accuracy %", "IU %", "boundary IU %", "pixels %"], rows, right=[1, 2, 3, 4])


def _format_images(title: str, images: Sequence[ImageScore]) -> str:
    rows = [[each.name, _percent(each.mean_iu), _percent(each.pixel_accuracy)] for each in images]
    return format_table([f"{title} images", "mean IU %", "pixel accuracy %"], rows, right=[1, 2])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
