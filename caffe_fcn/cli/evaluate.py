"""``caffe-fcn evaluate``: how good a net is on a data set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from caffe_fcn.cli import Command
from caffe_fcn.cli.infer import Numbers
from caffe_fcn.cli.params import caffe_option, engine_option, json_option, precision_option, tell
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.cli.tables import table
from caffe_fcn.progress import name_task

if TYPE_CHECKING:
    from caffe_fcn.evaluation import Evaluation


@click.command(cls=Command)
@click.argument("net", metavar="NET")
@click.argument("weights", metavar="W")
@click.option("--data", required=True, metavar="DIR", help="The data set, as 'caffe-fcn data' writes it.")
@click.option("--split", metavar="NAME", help="Which part of it (default: val, or the only one).")
@json_option
@engine_option
@caffe_option
@precision_option
@click.option("--gpu", type=click.IntRange(min=0), metavar="N", help="The GPU to use (default: the CPU).")
@click.option("--mean", type=Numbers(), help="What to subtract from each channel (default: as NET says).")
@click.option("--scale", type=float, default=1.0, metavar="X", help="What to multiply by after that.")
@click.option("--blob", default="", metavar="BLOB", help="The blob with the scores (default: the net's last output).")
@click.option("--ignore", type=click.IntRange(0, 255), metavar="N", help="The label that does not count.")
@click.option("--above", type=click.FloatRange(0, 1), metavar="P", help="Also the IoU of masks above a probability.")
def evaluate(
    net: str,
    weights: str,
    data: str,
    split: str | None,
    as_json: bool,
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | None,
    scale: float,
    blob: str,
    ignore: int | None,
    above: float | None,
) -> None:
    """Pixel accuracy, mean accuracy, mean IU and frequency-weighted IU of NET with the weights W on a data set.

    NET is a deploy net, or one with data layers, whose transform_param then tells the mean and the scale.
    --above adds the published measure of M2NIST: of every class but the background the mask where its probability
    is above P, intersection over union summed over four images at a time.
    """
    from caffe_fcn import evaluation
    from caffe_fcn.datasets.records import opening

    named = split or ("val" if "val" in opening.splits(data) else None)
    settings = evaluation.Settings(mean or (), scale, blob, ignore, above)
    pairs = opening.open(data, named)
    options = {"gpu": gpu, "precision": precision, "caffe": caffe}
    with show_progress("images") as show:
        found = evaluation.evaluate(net, weights, pairs, settings, engine, name_task(show, "scoring"), **options)
    tell(found.note)
    echo(json.dumps(_document(found, above), indent=1) if as_json else _text(found, above))


def _document(found: Evaluation, above: float | None) -> dict[str, object]:
    scores = found.scores
    each = zip(found.classes, scores.accuracy, scores.iu, strict=True)
    return {
        "images": found.images,
        "pixel_accuracy": scores.pixel_accuracy,
        "mean_accuracy": scores.mean_accuracy,
        "mean_iu": scores.mean_iu,
        "frequency_weighted_iu": scores.frequency_weighted_iu,
        "per_class": [
            {"class": number, "name": name, "accuracy": accuracy, "iu": iu}
            for number, (name, accuracy, iu) in enumerate(each)
        ],
        **({} if above is None else {"above": {"threshold": above, "iu": found.overlap}}),
    }


def _text(found: Evaluation, above: float | None) -> str:
    scores = found.scores
    rows = [
        ("pixel accuracy", scores.pixel_accuracy),
        ("mean accuracy", scores.mean_accuracy),
        ("mean IU", scores.mean_iu),
        ("frequency-weighted IU", scores.frequency_weighted_iu),
        *([] if above is None else [(f"IU of masks above {above:g}", found.overlap)]),
    ]
    each = zip(found.classes, scores.accuracy, scores.iu, strict=True)
    totals = table(["measure", "%"], [[name, _percent(value)] for name, value in rows], right=[1])
    classes = table(["class", "accuracy %", "IU %"], [[name, _percent(a), _percent(b)] for name, a, b in each], [1, 2])
    return f"{found.images} images\n{totals}\n\n{classes}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
