"""The page of a run: scores, curves, confusions, predictions, the net, offsets, settings, and what made it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import offsets, proto
from caffe_fcn.datasets.records import images
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.geometry import exact
from caffe_fcn.offsets import Row
from caffe_fcn.pages.markup import Markup, join, make, make_facts, make_table
from caffe_fcn.pages.skeleton import encode_picture, read_document_style, read_fragment, render_page
from caffe_fcn.reports.predictions import BEST, EXAMPLE, WORST, ShownImage
from caffe_fcn.reports.run import DATA, MEASURES, SCORES, TRAINING, WEIGHTS, Run
from caffe_fcn.reports.words import format_count, format_number, format_share
from caffe_fcn.training.curves import LOSS, RATE
from caffe_fcn.viz.curves import draw_panels
from caffe_fcn.viz.labels import make_label_image
from caffe_fcn.viz.net_svg import draw_net
from caffe_fcn.viz.topology import topology

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_CLASSES = 40  # of a confusion matrix that is shown whole
_MOST_CONFUSIONS = 12
_LONGEST_SIDE = 512  # pixels of a picture
_SMALL_SIDE = 128  # pixels up to which a picture is enlarged with sharp edges

PREDICTIONS = "predictions"
"""What may be missing in a report, beside what may be missing in a run."""


@dataclass(frozen=True)
class Report:
    """A run with what was made for its page.

    ``commands`` say how to make what is missing, by the names of parts; ``versions`` are what made the report;
    ``missing`` has further reasons, as `Run.missing`.
    """

    run: Run
    images: Sequence[ShownImage] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def explain(self, part: str, what: str) -> Markup:
        """Say that a part is missing, why, and which command makes it."""
        reason = self.missing.get(part) or self.run.missing.get(part)
        sentence = [f"{what} ({reason})." if reason else f"{what}."]
        if part in self.commands:
            sentence += [" Make it by ", make("code", self.commands[part])]
        return make("p", *sentence, class_="missing")


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


# Scores


def _show_summary(report: Report) -> Markup:
    run = report.run
    cards = list(list_figures(run))
    lines = [] if run.scores else [report.explain(SCORES, "There are no scores")]
    if run.scores and run.weights and run.scores.weights != run.weights.name:
        stale = f"The scores are those of {run.scores.weights}; the weights of the run are {run.weights.name}"
        lines.append(report.explain("stale", stale))
    shown = make("div", *(make("div", make("b", b), make("span", s), class_="card") for b, s in cards), class_="cards")
    return join((shown, *lines) if cards else lines)


def list_figures(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the main figures of a run, each with what it is."""
    if run.scores:
        for name, title in MEASURES.items():
            yield format_share(run.scores.measures[name]), title
        yield f"{run.scores.images:,}", "images scored"
    if run.history and run.history.steps:
        last = run.history.steps[-1]
        yield f"{last.iteration:,}", "last iteration shown"
        yield format_number(last.loss), "its loss"


def _show_classes(report: Report) -> Markup:
    scores = report.run.scores
    if scores is None:
        return report.explain(SCORES, "There are no scores of classes")
    order = sorted(scores.per_class, key=lambda each: (each.iu is None, -(each.iu or 0), each.number))
    rows = [
        [_name_class(report.run, each.number, each.name), each.number, _make_bar(each.iu), format_share(each.accuracy)]
        for each in order
    ]
    note = make("p", "Sorted by IU. A dash stands for a class that is in no label and no prediction.", class_="soft")
    return join((note, make_table(["class", "number", "IU", "accuracy"], rows, [1, 3], label="Scores of the classes")))


def _name_class(run: Run, number: int, name: str) -> object:
    return name if run.is_grey else join((_make_swatch(run.colours, number), name))


def _make_swatch(colours: Sequence[Colour], number: int) -> Markup:
    red, green, blue = colours[number] if number < len(colours) else (128, 128, 128)
    return make("i", class_="swatch", style=f"background: rgb({red} {green} {blue})")


def _make_bar(share: float | None) -> Markup:
    bar = make("i", style=f"width: {100 * (share or 0):.2f}%")
    return join((make("span", bar, class_="bar"), make("span", format_share(share), class_="after")))


# Confusions


def _show_confusion(report: Report) -> Markup:
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
            kind = ("right" if true == said else "wrong") + (" strong" if share > 0.5 else "")
            hint = f"{name} predicted as {other}: {counts[true, said]:,.0f} pixels"
            text = f"{100 * share:.0f}" if share >= 0.005 else ""
            cells.append(make("td", text, class_=kind, style=f"--share: {100 * share:.1f}%", title=hint))
        rows.append(make("tr", make("th", name, scope="row"), *cells))
    table = make("table", *rows, class_="matrix")
    return make("div", table, class_="scroll", role="region", tabindex=0, aria_label="Confusion matrix")


# Predictions


_TITLES = {
    WORST: "The worst",
    BEST: "The best",
    EXAMPLE: "Examples",
}


def _show_predictions(report: Report) -> Markup:
    if not report.images:
        return report.explain(PREDICTIONS, "There are no predictions")
    grey = any(shown.prediction.is_grey for shown in report.images)
    label = make("label", "Opacity of labels ", make("input", type="range", id="opacity", min=0, max=100, value=60))
    parts = [make("div", label, *([] if grey else [_make_legend(report)]), class_="controls")]
    for kind, title in _TITLES.items():
        cards = [_show_image(report.run, shown) for shown in report.images if shown.kind == kind]
        if cards:
            parts += [make("h3", title), make("div", *cards, class_="images")]
    return join(parts)


def _make_legend(report: Report) -> Markup:
    """List the classes that are in any label or prediction shown, with their colours."""
    found: set[int] = set()
    for shown in report.images:
        for pixels in (shown.prediction.pixels, shown.truth):
            found |= set() if pixels is None else set(np.unique(pixels).tolist())
    names, colours = report.run.classes, report.run.colours
    known = [number for number in sorted(found) if number < len(names)]
    entries = (make("li", _make_swatch(colours, number), names[number]) for number in known)
    return make("ul", *entries, class_="legend", aria_label="Classes")


def _show_image(run: Run, shown: ShownImage) -> Markup:
    found = shown.prediction
    photo = images.to_pillow(found.image).convert("RGB")
    views = [("prediction", found.pixels)]
    if shown.truth is not None:
        views.insert(0, ("truth", shown.truth))
    stacks = [_stack(photo, pixels, found.is_grey, run.colours, f"{name} of {shown.name}") for name, pixels in views]
    labelled = [
        make("div", stack, make("span", name, class_="soft")) for stack, (name, _) in zip(stacks, views, strict=True)
    ]
    score = ""
    if shown.score:
        score = f"mean IU {format_share(shown.score.mean_iu)}, pixels {format_share(shown.score.pixel_accuracy)}"
    caption = make("figcaption", make("b", shown.name), " ", make("span", score, class_="soft"))
    return make("figure", make("div", *labelled, class_="views"), caption, class_="card")


def _stack(
    photo: Image, pixels: NDArray[np.uint8 | np.uint16], is_grey: bool, colours: Sequence[Colour], name: str
) -> Markup:
    """Lay a label or a grey prediction over its photo."""
    from PIL import Image as pillow

    over = pillow.fromarray(pixels) if is_grey else make_label_image((pixels & 255).astype(np.uint8), tuple(colours))
    if not is_grey:
        over.info["transparency"] = bytes(255 * any(colour) for colour in colours)
    scale = min(1.0, _LONGEST_SIDE / max(photo.size))
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    small = "small" if max(size) <= _SMALL_SIDE else None
    return make(
        "div",
        make("img", src=_encode(photo.resize(size)), alt="", class_=small),
        make("img", src=_encode(over.resize(size, pillow.Resampling.NEAREST)), alt=name, class_="over"),
        class_="stack",
    )


def _encode(picture: Image) -> str:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    return encode_picture(data.getvalue())


# The training


def _show_curves(report: Report) -> Markup:
    history = report.run.history
    if history is None:
        return report.explain(TRAINING, "There is no training")
    titles = {LOSS: "loss", RATE: "learning rate"}
    drawn = draw_panels(history)
    cards = [make("figure", svg, class_="card", aria_label=titles.get(name, name)) for name, svg in drawn]
    note = "A line is the training, bold where it is the running mean; dots are tests."
    return join((make("p", note, class_="soft"), make("div", *cards, class_="curves-grid")))


# The net


def _show_net(report: Report) -> Markup:
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


def _show_offsets(report: Report) -> Markup:
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


# Settings


def _show_settings(report: Report) -> Markup:
    run = report.run
    parts = []
    if run.model:
        parts += [make("h3", "Input and output"), make_facts(_list_model(run))]
    if run.about:
        counts = ", ".join(f"{name} {part.get('count', 'unknown')}" for name, part in run.about.splits.items())
        facts = [("name", run.about.name), ("records", counts), ("folder", run.data)]
        parts += [make("h3", "Data set"), make_facts(facts)]
    else:
        parts.append(report.explain(DATA, "No data set is known"))
    if run.solver:
        parts += [make("h3", "Solver"), make("pre", proto.to_text(run.solver).rstrip(), tabindex=0)]
    return join(parts)


def _list_model(run: Run) -> Iterator[tuple[str, object]]:
    assert run.model is not None
    for each in run.model.inputs:
        mean = each.mean_file or (", ".join(f"{value:.6g}" for value in each.mean) if each.mean else "unknown")
        yield f"input {each.blob}", f"{each.channels} channels ({each.order}), mean {mean}, scale {each.scale:g}"
    for output in run.model.outputs:
        classes = f" of {len(output.classes)} classes" if output.classes else ""
        yield f"output {output.blob}", f"{output.kind}{classes}"


def _show_origin(report: Report) -> Markup:
    run = report.run
    parts = [make_facts(report.versions.items())]
    if run.weights is None:
        parts.append(report.explain(WEIGHTS, "There are no weights"))
    return join(parts)


_SECTIONS = (
    ("summary", "Summary", _show_summary),
    ("curves", "Curves", _show_curves),
    ("classes", "Classes", _show_classes),
    ("confusion", "Confusions", _show_confusion),
    ("predictions", "Predictions", _show_predictions),
    ("net", "Net", _show_net),
    ("offsets", "Offsets", _show_offsets),
    ("settings", "Settings", _show_settings),
    ("origin", "What made it", _show_origin),
)
