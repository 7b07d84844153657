"""``caffe-fcn evaluate``: the scores of a net on a data set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import (
    blob_option,
    caffe_option,
    engine_option,
    gpu_option,
    json_option,
    mean_option,
    precision_option,
    scale_option,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.cli.tables import format_table
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from caffe_fcn.evaluation import Evaluation


@click.command(cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.option("--data", required=True, metavar="DIR", help="The folder of the data set, as 'caffe-fcn data' writes it.")
@click.option("--split", metavar="NAME", help="The split to score (default: val, or the only one).")
@json_option
@engine_option
@caffe_option
@precision_option
@gpu_option
@mean_option
@scale_option
@blob_option
@click.option(
    "--ignore", type=click.IntRange(0, 255), metavar="N", help="The label to ignore (default: the data set's own)."
)
@click.option("--above", type=click.FloatRange(0, 1), metavar="P", help="Also the IoU of masks of probability above P.")
def evaluate(
    net: str,
    weights: str | None,
    data: str,
    split: str | None,
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
) -> None:
    """Measure NET with the weights W on a data set: pixel accuracy, mean accuracy, mean IU, frequency-weighted IU.

    NET is a deploy net, or a net with data layers. Mean, scale and the names of the classes are taken from model.json
    beside it; where there is none, mean and scale are those of its data layer's transform_param.
    A net with several inputs reads further databases of the data set, such as depth.
    --above adds the measure that was published for M2NIST: the mask of a class is where its probability is above P,
    and intersection over union is summed over four images at a time, for every class but the background.
    """
    from caffe_fcn import evaluation
    from caffe_fcn.datasets.records import opening

    named = split or ("val" if "val" in opening.splits(data) else None)
    settings = evaluation.Settings(mean, scale, blob, ignore, above)
    pairs = opening.open(data, named)
    options = {"gpu": gpu, "precision": precision, "caffe": caffe}
    with open_net(net, weights) as model, show_progress("images") as show:
        progress = name_task(show, "scoring")
        found = evaluation.evaluate(model.net, model.weights, pairs, settings, engine, progress, **options)
    print_note(replace_parameters(model.name_place(found.note), evaluate.params))
    echo(json.dumps(found.to_json(above), indent=1) if as_json else _format_scores(found, above))


def _format_scores(found: Evaluation, above: float | None) -> str:
    scores = found.scores
    rows = [
        ("pixel accuracy", scores.pixel_accuracy),
        ("mean accuracy", scores.mean_accuracy),
        ("mean IU", scores.mean_iu),
        ("frequency-weighted IU", scores.frequency_weighted_iu),
        *([] if above is None else [(f"IU of masks above {above:g}", found.overlap)]),
    ]
    each = zip(found.classes, scores.accuracy, scores.iu, strict=True)
    totals = format_table(["measure", "%"], [[name, _percent(value)] for name, value in rows], right=[1])
    classes = format_table(
        ["class", "accuracy %", "IU %"], [[name, _percent(a), _percent(b)] for name, a, b in each], [1, 2]
    )
    return f"{found.images} images\n{totals}\n\n{classes}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
