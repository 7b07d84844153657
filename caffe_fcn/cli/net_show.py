"""``caffe-fcn net show``: the layers of a net, with shapes, parameters, cost and receptive fields."""

from __future__ import annotations

import json
from typing import Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.model_places import open_net_file
from caffe_fcn.cli.params import (
    allow_unknown_option,
    dialect_option,
    json_option,
    phase_option,
    read_net,
    shape_option,
    size_option,
    stage_option,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.tables import format_count, print_table
from caffe_fcn.datasets.source_shapes import find_record_shapes
from caffe_fcn.net.geometry import dims, exact
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.receptive_fields import ReceptiveField, receptive_fields
from caffe_fcn.net.shapes import Shapes, assume_size, find_shapeless_inputs, infer, tell_shapes


@click.command(cls=Command)
@click.argument("net", metavar="NET")
@phase_option
@stage_option
@size_option
@shape_option
@dialect_option
@allow_unknown_option
@json_option
def show(
    net: str,
    phase: str | None,
    stages: tuple[str, ...],
    size: tuple[int, int] | None,
    inputs: dict[str, tuple[int, ...]],
    dialect: str,
    allow_unknown: bool,
    as_json: bool,
) -> None:
    """Show the layers of NET: shapes, parameters, multiply-accumulates and receptive fields.

    NET is a prototxt; of a net folder, a run, a bundle, or a job or an archive of DIGITS it is the deploy net.
    """
    with open_net_file(net) as path:
        definition = read_net(path, allow_unknown, dialect)
        if inputs:
            definition = tell_shapes(select_phase(definition, phase, stages), inputs)
        find_shapes = find_record_shapes(path)
        size = size or assume_size(definition, phase, stages, find_shapes)
        shapes = infer(definition, phase, stages, size, data_shapes=find_shapes)
    for node in find_shapeless_inputs(shapes.graph):
        name = node.layer.top[0]
        print_note(f"'{name}' is taken to be {dims(shapes.blobs[name])}, for the net says no shape of it (--size HxW)")
    fields = receptive_fields(shapes.graph)
    if as_json:
        echo(json.dumps(_document(shapes, fields), indent=2))
    else:
        _print(shapes, fields)


def _document(shapes: Shapes, fields: dict[str, tuple[ReceptiveField, ...]]) -> dict[str, Any]:
    return {
        "blobs": {name: list(shape) for name, shape in shapes.blobs.items()},
        "layers": [
            {
                "name": node.layer.name,
                "type": node.type,
                "bottoms": list(node.layer.bottom),
                "tops": list(node.layer.top),
                "param_shapes": [list(shape) for shape in shapes.params[node.name]],
                "params": shapes.count(node.name),
                "macs": shapes.macs[node.name],
            }
            for node in shapes.graph.nodes
        ],
        "params": shapes.total_params,
        "macs": shapes.total_macs,
        "parameter_bytes": shapes.parameter_bytes,
        "activation_bytes": shapes.activation_bytes,
        "receptive_fields": {
            name: {key: exact(getattr(axis, key) for axis in field) for key in ReceptiveField._fields}
            for name, field in fields.items()
        },
    }


def _print(shapes: Shapes, fields: dict[str, tuple[ReceptiveField, ...]]) -> None:
    rows = []
    for node in shapes.graph.nodes:
        top = node.layer.top[0] if node.layer.top else ""
        field = fields.get(top)
        rows.append(
            [
                node.layer.name,
                node.type,
                ", ".join(node.layer.bottom),
                ", ".join(node.layer.top),
                " ".join(dims(shapes.blobs[name]) for name in node.layer.top),
                " ".join(map(dims, shapes.params[node.name])),
                format_count(shapes.count(node.name)) if shapes.params[node.name] else "",
                format_count(shapes.macs[node.name]) if shapes.macs[node.name] else "",
                _describe_field(field) if field else "",
            ]
        )
    header = ["layer", "type", "bottoms", "tops", "shape", "parameters", "count", "MACs", "sees"]
    print_table(header, rows, right=(6, 7))
    echo(
        f"{len(rows)} layers, {format_count(shapes.total_params)} parameters "
        f"({_format_megabytes(shapes.parameter_bytes)}), "
        f"{format_count(shapes.total_macs)} multiply-accumulates, {_format_megabytes(shapes.activation_bytes)} of blobs"
    )


def _describe_field(field: tuple[ReceptiveField, ...]) -> str:
    size, stride, centre = (exact(getattr(axis, key) for axis in field) for key in ReceptiveField._fields)
    return f"{size} px every {stride} from {centre}"


def _format_megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
