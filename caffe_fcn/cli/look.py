"""``caffe-fcn look``: what is inside a net, as a page or as numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from caffe_fcn.cli.model_names import WeightsParam
from caffe_fcn.cli.model_places import ModelCommand, open_net
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import NamedPath, json_option, running_options
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.progress import show_progress


@click.command(cls=ModelCommand)
@click.argument("net", metavar="NET", required=False)
@click.argument("weights", type=WeightsParam(), metavar="W", required=False)
@click.argument("images", metavar="[IMAGE]", nargs=-1)
@click.option("-o", "--output", metavar="FILE", help="The page to write, as HTML.")
@json_option
@click.option(
    "--input",
    "inputs",
    type=NamedPath(),
    multiple=True,
    help="For a net with several inputs: the file that goes into BLOB, beside the IMAGE. May be repeated.",
)
@running_options
def look(
    net: str,
    weights: str | None,
    images: tuple[str, ...],
    output: str | None,
    as_json: bool,
    inputs: tuple[tuple[str, str], ...],
    engine: str,
    caffe: str | None,
    precision: str,
    gpu: int | None,
    mean: tuple[float, ...] | str | None,
    scale: float | None,
) -> None:
    """Look into NET with the weights W: filters, statistics, and what every layer makes of IMAGE.

    The page has the first layer's filters as pictures; of every parameter histogram, mean, deviation, share of zeros
    and largest weights; and of every blob the same with its channels as pictures and those that are dead. It is one
    file that opens without a network. --json prints the same numbers.

    Without IMAGE it shows the weights alone, and needs no engine. IMAGE may also be a data set, whose first image is
    taken. Of a blob on which layers work in place, the values at the end are shown.
    """
    from caffe_fcn import files, inspection
    from caffe_fcn.reports.look_page import render_look

    if len(images) > 1:
        raise click.UsageError(f"takes one IMAGE, and {images[1]} follows")
    if net == "-":
        raise click.UsageError("reads NET more than once, which standard input cannot be: name a file")
    if not output and not as_json:
        raise click.UsageError("needs -o FILE for the page, or --json")
    with open_net(net, weights) as model, show_progress("values") as progress:
        found = inspection.look(
            model.net, model.weights, *images,
            engine=engine, mean=mean, scale=scale, inputs=dict(inputs), progress=progress,
            gpu=gpu, precision=precision, caffe=caffe,
        )  # fmt: skip
        notes = [replace_parameters(model.name_place(note), look.params) for note in found.notes]
        found = replace(found, net=model.name_place(str(model.net)), notes=notes)
    for note in notes:
        print_note(note)
    if output:
        files.write_text(output, render_look(found))
    if as_json:
        echo(json.dumps(found.to_json(), indent=1))
