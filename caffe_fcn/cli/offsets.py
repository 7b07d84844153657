"""``caffe-fcn offsets``: the scale/offset table, every Crop, and the net with its Crops corrected."""

from __future__ import annotations

import json
from typing import Any

import click

from caffe_fcn import offsets as rules
from caffe_fcn import proto
from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.params import (
    Size,
    allow_unknown_option,
    dialect_option,
    json_option,
    phase_option,
    read_net,
    shape_option,
)
from caffe_fcn.cli.printing import echo, print_note
from caffe_fcn.cli.tables import format_count, print_table
from caffe_fcn.net import padding
from caffe_fcn.net.geometry import exact
from caffe_fcn.net.shapes import forget_shapes, tell_shapes


@click.command(cls=Command)
@click.argument("net", metavar="NET")
@click.option("--from", "source", metavar="BLOB", help="Show only the path from this blob ...")
@click.option("--to", "target", metavar="BLOB", help="... to this blob.")
@click.option("--fix", is_flag=True, help="Write the net with every Crop offset corrected.")
@click.option("-o", "--output", metavar="FILE", help="The file that --fix writes; - is stdout.")
@click.option(
    "--plan-padding", is_flag=True, help="Find the smallest padding of the first layer with which every Crop is valid."
)
@click.option(
    "--min", "smallest", type=Size(), default="1", help="For --plan-padding: the smallest image (default: 1x1)."
)
@click.option("--max", "largest", type=Size(), help="For --plan-padding: the largest image (default: any).")
@phase_option
@shape_option
@dialect_option
@allow_unknown_option
@json_option
@click.pass_context
def offsets(
    ctx: click.Context,
    net: str,
    source: str | None,
    target: str | None,
    fix: bool,
    output: str | None,
    plan_padding: bool,
    smallest: tuple[int, int],
    largest: tuple[int, int] | None,
    phase: str | None,
    inputs: dict[str, tuple[int, ...]],
    dialect: str,
    allow_unknown: bool,
    as_json: bool,
) -> int:
    """Show the scale/offset table of NET and check every Crop; exit status 1 if the offset of a Crop is wrong."""
    if (source is None) != (target is None):
        raise click.UsageError("--from and --to go together", ctx)
    if fix != (output is not None):
        raise click.UsageError("--fix and -o FILE go together", ctx)
    as_read = read_net(net, allow_unknown, dialect)
    definition = tell_shapes(as_read, inputs)
    if fix and output:
        right = rules.correct_crops(definition)
        proto.write(forget_shapes(right, as_read), output)
        for crop in rules.crops(definition, phase):
            if not crop.ok:
                echo(f"{crop.layer}: {_format_value(crop.declared)} -> {_format_value(crop.computed)}", err=True)
        return 0
    if plan_padding:
        _show_plan(padding.plan(definition, smallest, largest), as_json)
        return 0
    rows = rules.table(definition, phase, source, target)
    if source and target:
        _show_map(rows, rules.coord_map_between(definition, source, target, phase), source, target, as_json)
        return 0
    for disagreement in rows.disagreements:
        print_note(f"{disagreement.where}: {disagreement.what}; the table has the first")
    crops = rules.crops(definition, phase)
    if as_json:
        _print_json({"rows": [row.as_json() for row in rows], "crops": [crop.as_json() for crop in crops]})
    else:
        _show_rows(rows)
        for crop in crops:
            verdict = "ok" if crop.ok else f"wrong: the net says {_format_value(crop.declared)}"
            if not crop.derived:
                verdict = "as the net says: it is cropped to the size of a blob that shows no image"
            echo(f"crop {crop.layer}: offset {_format_value(crop.computed)}, {verdict}")
    return 0 if all(crop.ok for crop in crops) else 1


def _show_map(rows: list[rules.Row], found: Any, source: str, target: str, as_json: bool) -> None:
    scale = exact(each.scale for each in found.maps)
    shift = exact(each.shift for each in found.maps)
    if as_json:
        _print_json(
            {
                "rows": [row.as_json() for row in rows],
                "crops": [],
                "from": source,
                "to": target,
                "axis": found.axis,
                "scale": scale,
                "shift": shift,
            }
        )
        return
    _show_rows(rows)
    echo(f"{source} -> {target}: scale {_format_value(scale)}, shift {_format_value(shift)}")
    if all(each.scale == 1 for each in found.maps):
        echo(f"a crop of {source} to {target} begins at {_format_value(exact(-each.shift for each in found.maps))}")


def _show_rows(rows: list[rules.Row]) -> None:
    if not rows:
        echo("no layer with a window leads from an image to a blob")
        return
    header = ["layer", "type", "stride", "pad", "kernel", "scale", "cum. scale", "offset", "cum. offset"]
    print_table(header, [[_format_value(cell) for cell in row.as_json().values()] for row in rows], right=range(2, 9))


def _show_plan(plan: padding.PaddingPlan, as_json: bool) -> None:
    if as_json:
        _print_json(plan.as_json())
        return
    echo(f"pad {plan.pad} of layer '{plan.layer}' is the smallest for {plan.range_text}")
    macs, declared_macs = format_count(plan.macs), format_count(plan.declared_macs)
    echo(f"it is {plan.declared} now; at 500x500: {macs} instead of {declared_macs}", nl=False)
    echo(f" multiply-accumulates ({plan.macs / plan.declared_macs:.0%})")
    for crop in plan.crops:
        echo(f"crop {crop.layer}: offset {_format_value(crop.computed)}")


def _format_value(value: Any) -> str:
    """Format a figure, or the figures of each axis in brackets."""
    if isinstance(value, (list, tuple)):
        texts = [str(each) for each in value]
        return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"
    return str(value)


def _print_json(document: Any) -> None:
    echo(json.dumps(document, indent=2))
