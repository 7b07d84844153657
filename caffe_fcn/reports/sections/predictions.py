"""Predictions and their truth over the photos, as transparent as a slider says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records import images
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.pages.markup import Markup, join, make
from caffe_fcn.pages.skeleton import encode_picture
from caffe_fcn.reports.predictions import BEST, EXAMPLE, WORST, ShownImage
from caffe_fcn.reports.report import PREDICTIONS, Report
from caffe_fcn.reports.run import Run
from caffe_fcn.reports.sections.scores import make_swatch
from caffe_fcn.reports.words import format_share
from caffe_fcn.viz.labels import make_label_image

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST_SIDE = 512  # pixels of a picture
_SMALL_SIDE = 128  # pixels up to which a picture is enlarged with sharp edges

_TITLES = {
    WORST: "The worst",
    BEST: "The best",
    EXAMPLE: "Examples",
}


def show_predictions(report: Report) -> Markup:
    """Show the predictions, grouped by why they were chosen, with a slider and a legend."""
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
    named = {number: names[number] if number < len(names) else str(number) for number in sorted(found)}
    entries = (make("li", make_swatch(colours, number), name) for number, name in named.items())
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
