"""How a run was trained: its curves, its settings, and what made it."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn import proto
from caffe_fcn.description.model_json import Model
from caffe_fcn.pages.markup import Markup, join, make, make_facts
from caffe_fcn.reports.report import Report
from caffe_fcn.reports.run import DATA, RECORD, TRAINING, WEIGHTS, Run
from caffe_fcn.training.curves import LOSS, RATE
from caffe_fcn.viz.curves import draw_panels


def show_curves(report: Report) -> Markup:
    """Show the curves of the training."""
    history = report.run.history
    if history is None:
        return report.explain(TRAINING, "There is no training")
    titles = {LOSS: "loss", RATE: "learning rate"}
    drawn = draw_panels(history)
    cards = [make("figure", svg, class_="card", aria_label=titles.get(name, name)) for name, svg in drawn]
    note = "A line is the training, bold where it is the running mean; dots are tests and scores of snapshots."
    return join((make("p", note, class_="soft"), make("div", *cards, class_="curves-grid")))


def show_settings(report: Report) -> Markup:
    """Show what the net takes and gives, the data set, and the solver."""
    run = report.run
    parts = []
    if run.model:
        parts += [make("h3", "Input and output"), make_facts(_list_model(run.model))]
    if run.about:
        counts = ", ".join(f"{name} {part.get('count', 'unknown')}" for name, part in run.about.splits.items())
        facts = [("name", run.about.name), ("records", counts), ("folder", run.data)]
        parts += [make("h3", "Data set"), make_facts(facts)]
    else:
        parts.append(report.explain(DATA, "No data set is known"))
    if run.solver:
        parts += [make("h3", "Solver"), make("pre", proto.to_text(run.solver).rstrip(), tabindex=0)]
    return join(parts)


def _list_model(model: Model) -> Iterator[tuple[str, object]]:
    for each in model.inputs:
        mean = each.mean_file or (", ".join(f"{value:.6g}" for value in each.mean) if each.mean else "unknown")
        yield f"input {each.blob}", f"{each.channels} channels ({each.order}), mean {mean}, scale {each.scale:g}"
    for output in model.outputs:
        classes = f" of {len(output.classes)} classes" if output.classes else ""
        yield f"output {output.blob}", f"{output.kind}{classes}"


def show_origin(report: Report) -> Markup:
    """Show the command that trained the net, and the versions."""
    run = report.run
    parts = [make_facts([*_list_record(run), *report.versions.items()])]
    if run.record is None:
        parts.append(report.explain(RECORD, "There is no record of the command that trained it"))
    if run.weights is None:
        parts.append(report.explain(WEIGHTS, "There are no weights"))
    return join(parts)


def _list_record(run: Run) -> Iterator[tuple[str, object]]:
    record = run.record
    if record is None:
        return
    yield "trained by", make("code", record.command) if record.command else "a program of its own"
    yield "engine", " · ".join(filter(None, (record.engine, record.precision, record.gpu and f"GPU {record.gpu}")))
    if record.processes:
        yield "processes", record.processes
    yield "begun", record.begun or "unknown"
    yield "ended", "not yet" if record.ended is None else f"yes, after iteration {record.ended:,}"
    start = ", ".join(f"{name} ({size:,} bytes)" for name, size in record.weights)
    yield "started from", start or "random values"
