"""The main figures of a run, and the scores of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.pages.markup import Markup, join, make, make_cards, make_table
from caffe_fcn.reports.report import STALE, Report
from caffe_fcn.reports.run import MEASURES, SCORES, Run
from caffe_fcn.reports.words import format_number, format_share


def show_summary(report: Report) -> Markup:
    """Show the main figures."""
    run = report.run
    cards = list(list_figures(run))
    lines = [] if run.scores else [report.explain(SCORES, "There are no scores")]
    if run.scores and run.weights and run.scores.weights != run.weights.name:
        stale = f"The scores are those of {run.scores.weights}; the weights of the run are {run.weights.name}"
        lines.append(report.explain(STALE, stale))
    return join((make_cards(cards), *lines) if cards else lines)


def list_figures(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the main figures of a run, each with what it is."""
    if run.scores:
        for name, value in run.scores.measures.items():
            yield format_share(value), MEASURES[name]
        yield f"{run.scores.images:,}", "images scored"
    if run.history and run.history.scores:
        best = max(run.history.scores, key=lambda score: score.mean_iu)
        yield format_share(best.mean_iu), f"best mean IU of a snapshot, at iteration {best.iteration:,}"
    if run.history and run.history.steps:
        last = run.history.steps[-1]
        yield f"{last.iteration:,}", "last iteration shown"
        yield format_number(last.loss), "its loss"


def show_classes(report: Report) -> Markup:
    """Show the scores of the classes, the best first."""
    scores = report.run.scores
    if scores is None:
        return report.explain(SCORES, "There are no scores of classes")
    order = sorted(scores.per_class, key=lambda each: (each.iu is None, -(each.iu or 0), each.number))
    rows = [
        [
            _name_class(report.run, each.number, each.name),
            each.number,
            _make_bar(each.iu),
            format_share(each.accuracy),
            format_share(each.boundary_iu),
            "–" if each.pixels is None else f"{each.pixels:,}",
        ]
        for each in order
    ]
    header = ["class", "number", "IU", "accuracy", "boundary IU", "pixels"]
    note = make("p", "Sorted by IU. A dash stands for a class that is in no label and no prediction.", class_="soft")
    return join((note, make_table(header, rows, [1, 3, 4, 5], label="Scores of the classes")))


def _name_class(run: Run, number: int, name: str) -> object:
    return name if run.is_grey else join((make_swatch(run.colours, number), name))


def make_swatch(colours: Sequence[Colour], number: int) -> Markup:
    """Make the square in the colour of a class; grey where it has none."""
    red, green, blue = colours[number] if number < len(colours) else (128, 128, 128)
    return make("i", class_="swatch", style=f"background: rgb({red} {green} {blue})")


def _make_bar(share: float | None) -> Markup:
    bar = make("i", style=f"width: {100 * (share or 0):.2f}%")
    return join((make("span", bar, class_="bar"), make("span", format_share(share), class_="after")))
