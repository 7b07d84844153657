"""``caffe-fcn net draw``: the topology of a net as a picture or a page."""

from __future__ import annotations

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import (
    allow_unknown_option,
    dialect_option,
    phase_option,
    read_net,
    shape_option,
    size_option,
    stage_option,
)
from caffe_fcn.cli.printing import echo
from caffe_fcn.datasets.source_shapes import find_record_shapes
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.shapes import tell_shapes
from caffe_fcn.viz.draw import draw as draw_net


@click.command(cls=Command)
@click.argument("net", metavar="NET")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The file to write; its suffix, .svg, .png, .dot or .html, is the format.",
)
@phase_option
@stage_option
@size_option
@shape_option
@dialect_option
@allow_unknown_option
def draw(
    net: str,
    output: str,
    phase: str | None,
    stages: tuple[str, ...],
    size: tuple[int, int] | None,
    inputs: dict[str, tuple[int, ...]],
    dialect: str,
    allow_unknown: bool,
) -> None:
    """Draw the topology of NET as SVG or PNG (both need Graphviz), DOT, or a page for the browser."""
    definition = read_net(net, allow_unknown, dialect)
    if inputs:
        definition = tell_shapes(select_phase(definition, phase, stages), inputs)
    for why in draw_net(definition, output, phase, stages, size, find_record_shapes(net)):
        echo(f"note: without {why}", err=True)
