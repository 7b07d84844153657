"""The net of a run: its layers as a drawing, its scales and offsets as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from caffe_fcn import offsets
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.geometry import exact
from caffe_fcn.offsets import Row
from caffe_fcn.pages.markup import Markup, join, make, make_table
from caffe_fcn.reports.report import Report
from caffe_fcn.reports.words import format_count
from caffe_fcn.viz.net_svg import draw_net
from caffe_fcn.viz.topology import topology


def show_net(report: Report) -> Markup:
    """Show the drawing of the net."""
    run = report.run
    try:
        picture = topology(run.net, "deploy")
    except CaffeFcnError as error:
        return make("p", f"The net cannot be drawn: {error}", class_="missing")
    totals = [format_count(picture.totals["layers"], "layer")]
    if "params" in picture.totals:
        totals += [f"{picture.totals['params']:,} parameters", f"{picture.totals['macs']:,} multiply-accumulates"]
    notes = [make("p", f"Without {why}", class_="missing") for why in picture.unknown]
    frame = make("div", draw_net(picture), class_="scroll net", role="region", tabindex=0, aria_label="The net")
    return join((make("p", " · ".join(totals), class_="soft"), *notes, frame))


def show_offsets(report: Report) -> Markup:
    """Show the scale/offset table and every Crop."""
    try:
        rows = offsets.table(report.run.net, "deploy")
        crops = offsets.crops(report.run.net, "deploy")
    except CaffeFcnError as error:
        return make("p", f"There is no table of offsets: {error}", class_="missing")
    if not rows:
        return make("p", "No layer of the net has a window.", class_="soft")
    lines = [make("li", f"{crop.layer}: offset {_join_figures(crop.declared)}, ", _judge(crop)) for crop in crops]
    return join((show_offset_table(rows), make("ul", *lines) if lines else ""))


def show_offset_table(rows: Sequence[Row]) -> Markup:
    """Show the scale/offset table of a net, as `offsets.table` gives it."""
    names = ["stride", "pad", "kernel", "scale", "cumulative_scale", "offset", "cumulative_offset"]
    cells = [[row.layer, row.type, *(_join_figures(getattr(row, name)) for name in names)] for row in rows]
    header = ["layer", "type", *(name.replace("_", " ") for name in names)]
    return make_table(header, cells, range(2, 9), label="Scales and offsets")


def _join_figures(values: Iterable[Fraction | int]) -> str:
    found = exact(values)
    return found if isinstance(found, str) else ", ".join(found)


def _judge(crop: offsets.Crop) -> Markup:
    if crop.ok:
        return make("b", "as the net demands", class_="good")
    return make("b", f"but the net demands {_join_figures(crop.computed)}", class_="bad")
