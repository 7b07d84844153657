"""Which classes are taken for which: the largest confusions, and the matrix where it is small enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.pages.markup import Markup, join, make, make_table
from caffe_fcn.reports.report import Report
from caffe_fcn.reports.run import SCORES
from caffe_fcn.reports.words import format_share

_MOST_CLASSES = 40  # of a matrix that is shown whole
_MOST_CONFUSIONS = 12


def show_confusion(report: Report) -> Markup:
    """Show the largest confusions and the matrix."""
    scores = report.run.scores
    if scores is None or not scores.confusion:
        return report.explain(SCORES, "There is no confusion matrix")
    counts = np.array(scores.confusion, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [each.name for each in scores.per_class]
    parts = [_list_confusions(counts, shares, names)]
    if len(names) <= _MOST_CLASSES:
        text = "A row is a class of the labels, a column what its pixels were predicted as, in percent of the row."
        parts += [make("p", text, class_="soft"), _draw_matrix(counts, shares, names)]
    return join(parts)


def _list_confusions(counts: NDArray[np.float64], shares: NDArray[np.float64], names: Sequence[str]) -> Markup:
    wrong = np.argwhere((counts > 0) & ~np.eye(len(counts), dtype=bool))
    wrong = wrong[np.argsort(-counts[tuple(wrong.T)], kind="stable")][:_MOST_CONFUSIONS]
    if not len(wrong):
        return make("p", "No pixel was predicted wrongly.")
    rows = [
        [names[true], names[said], f"{counts[true, said]:,.0f}", format_share(float(shares[true, said]))]
        for true, said in wrong.tolist()
    ]
    return make_table(["label", "predicted as", "pixels", "of the label"], rows, [2, 3], label="The largest confusions")


def _draw_matrix(counts: NDArray[np.float64], shares: NDArray[np.float64], names: Sequence[str]) -> Markup:
    head = make("tr", make("td"), *(make("th", make("span", name), scope="col", title=name) for name in names))
    rows = [head]
    for true, name in enumerate(names):
        cells = []
        for said, other in enumerate(names):
            share = float(shares[true, said])
            kind = "right" if true == said else "wrong"
            hint = f"{name} predicted as {other}: {counts[true, said]:,.0f} pixels"
            text = f"{100 * share:.0f}" if share >= 0.005 else ""
            cells.append(make("td", text, class_=kind, style=f"--share: {100 * share:.1f}%", title=hint))
        rows.append(make("tr", make("th", name, scope="row"), *cells))
    table = make("table", *rows, class_="matrix")
    return make("div", table, class_="scroll", role="region", tabindex=0, aria_label="Confusion matrix")
