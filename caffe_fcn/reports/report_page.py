"""The page of a run: what `sections` show, one below the other."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn.pages.markup import Markup, join, make
from caffe_fcn.pages.skeleton import read_document_style, read_fragment, render_page
from caffe_fcn.reports.report import Report
from caffe_fcn.reports.run import Run
from caffe_fcn.reports.sections.confusions import show_confusion
from caffe_fcn.reports.sections.net import show_net, show_offsets
from caffe_fcn.reports.sections.predictions import show_predictions
from caffe_fcn.reports.sections.scores import show_classes, show_summary
from caffe_fcn.reports.sections.training import show_curves, show_origin, show_settings


def render_report(report: Report) -> str:
    """Render the page of a run; returns HTML that loads nothing."""
    sections = [(name, title, make_section(report)) for name, title, make_section in _SECTIONS]
    parts = {
        "style": read_document_style(),
        "heading": _make_heading(report.run),
        "links": join(make("a", title, href=f"#{name}") for name, title, _ in sections),
        "sections": join(make("section", make("h2", title), content, id=name) for name, title, content in sections),
    }
    fragment = read_fragment(Path(__file__).with_name("report.html"))
    return render_page(f"Report of {report.run.name}", fragment, **parts)


def _make_heading(run: Run) -> Markup:
    facts = [f"net {run.net.name}"] if run.net.name else []
    if run.about:
        facts.append(f"data set {run.about.name}")
    if run.weights:
        facts.append(f"weights {run.weights.name}")
    return join((make("h1", run.name), make("p", " · ".join(facts))))


_SECTIONS = (
    ("summary", "Summary", show_summary),
    ("curves", "Curves", show_curves),
    ("classes", "Classes", show_classes),
    ("confusion", "Confusions", show_confusion),
    ("predictions", "Predictions", show_predictions),
    ("net", "Net", show_net),
    ("offsets", "Offsets", show_offsets),
    ("settings", "Settings", show_settings),
    ("origin", "What made it", show_origin),
)
