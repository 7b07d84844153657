"""``caffe-fcn surgery``: weights of a classifier into an FCN."""

from __future__ import annotations

import json
from typing import Any

import click

from caffe_fcn import surgery as library
from caffe_fcn.cli import Group
from caffe_fcn.cli.options import Renames, allow_unknown_option, json_option, phase_option, read_net, size_option
from caffe_fcn.cli.tables import show
from caffe_fcn.geometry import dims

weights_option = click.option("--weights", required=True, metavar="W", help="The weights to take from.")
output_option = click.option("-o", "--output", required=True, metavar="FILE", help="The weights to write.")
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of random fillers (default: 0).")


@click.group(cls=Group)
def surgery() -> None:
    """Weights of a classifier into an FCN, without Caffe."""


@surgery.command()
@weights_option
@click.option("--from-net", metavar="NET", help="The net of W, where W itself does not say it.")
@click.option("--to-net", required=True, metavar="NET", help="The net to make weights for.")
@output_option
@click.option(
    "--map", "renames", type=Renames(), default={}, help="Layers of W under other names; OLD= leaves one out."
)
@click.option("--suffix", default="", help="What the net's layer names have behind those of W.")
@click.option("--strict", is_flag=True, help="Fail if anything is dropped or has to be filled.")
@click.option("--sparse", is_flag=True, help="Write no layers that get nothing from W.")
@seed_option
@phase_option
@size_option
@allow_unknown_option
@json_option
def transplant(
    weights: str,
    from_net: str | None,
    to_net: str,
    output: str,
    as_json: bool,
    allow_unknown: bool,
    **options: Any,
) -> None:
    """Weights for a net, taken from W wherever they fit, by layer name."""
    report = library.transplant(
        weights,
        read_net(to_net, allow_unknown),
        output,
        from_net=read_net(from_net, allow_unknown) if from_net else None,
        **options,
    )
    show_report(report, as_json)


def show_report(report: library.Report, as_json: bool) -> None:
    """Every parameter with its fate, as a table or as JSON."""
    if as_json:
        click.echo(json.dumps(_document(report), indent=2))
        return
    show(
        ("layer", "parameter", "shape", "fate", "reason"),
        [(each.layer, each.index, dims(each.shape), each.fate, each.reason) for each in report.parameters],
        right=(1,),
    )
    counts = ", ".join(f"{count} {fate}" for fate, count in report.counts().items() if count)
    click.echo(f"{report.output}: {counts}", err=True)


def _document(report: library.Report) -> dict[str, Any]:
    return {
        "output": report.output,
        "parameters": [
            {
                "layer": each.layer,
                "index": each.index,
                "shape": list(each.shape),
                "fate": each.fate,
                "reason": each.reason,
                "source": {"layer": each.source[0], "index": each.source[1]} if each.source else None,
            }
            for each in report.parameters
        ],
        "counts": report.counts(),
    }
