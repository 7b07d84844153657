"""The files of a prediction: label image, overlay, masks, probabilities, and the label side by side with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records.palette import Colour, paint
from caffe_fcn.evaluation.jobs import Outcome
from caffe_fcn.evaluation.predict import Prediction
from caffe_fcn.viz.labels import lay_side_by_side, make_label_image, overlay_colours, show_photo
from caffe_fcn.viz.legend import Entry, draw_legend

if TYPE_CHECKING:
    from PIL.Image import Image


_QUICK = 1  # compression of photos: it takes a quarter of the time of zlib's own level, for 1 % more bytes


class Legend(NamedTuple):
    """A colour for each class, the names of the classes if they are known, and whether overlays show them."""

    colours: tuple[Colour, ...]
    names: list[str] | None
    is_shown: bool = True

    def name(self, number: int) -> str:
        """Return the name of a class, or its number."""
        return self.names[number] if self.names and number < len(self.names) else str(number)

    def paint(self, number: int) -> Colour:
        """Return the colour of a class, which beyond 256 of them several have."""
        red, green, blue = paint(np.array([[number & 255]], np.uint8), self.colours)[0, 0].tolist()
        return red, green, blue


def name_overlay(target: Path) -> Path:
    """Return the name of the overlay beside a label image."""
    return target.with_name(f"{target.stem}_overlay.png")


def name_truth(target: Path) -> Path:
    """Return the name of the picture that shows label and prediction, beside a label image."""
    return target.with_name(f"{target.stem}_truth.png")


def write_prediction(
    found: Prediction, truth: NDArray[np.uint8] | None, target: Path, legend: Legend, outcome: Outcome
) -> None:
    """Write the files of a prediction, and put into ``outcome`` what they are and what they hold."""
    from PIL import Image

    outcome.files["label"] = str(target)
    if found.is_grey:
        _save(Image.fromarray(found.pixels), target)
        outcome.grey = [int(found.pixels.min()), int(found.pixels.max())]
        return
    _save(make_label_image(found.pixels, legend.colours), target)
    counts = np.bincount(found.pixels.ravel())
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda number: (-counts[number], number))
    outcome.classes = [
        {"class": each, "name": legend.name(each), "pixels": int(counts[each])}
        | {"share": int(counts[each]) / found.pixels.size}
        for each in order
    ]
    overlay = overlay_colours(found.image, found.pixels, legend.colours)
    entries = [Entry(each["name"], legend.paint(each["class"]), each["share"]) for each in outcome.classes]
    coloured = found.pixels != 0
    shown = draw_legend(overlay, entries, coloured) if legend.is_shown else overlay
    _write_array(shown, name_overlay(target), "overlay", outcome)
    if truth is not None:
        label = overlay_colours(found.image, truth, legend.colours)
        pictures = [show_photo(found.image), label, shown]
        _write_array(lay_side_by_side(pictures), name_truth(target), "truth", outcome)
    if found.probabilities is not None:
        path = target.with_name(f"{target.stem}_probabilities.npz")
        names = np.array([legend.name(number) for number in range(len(found.probabilities))])
        with files.atomic_write(path) as file:
            np.savez(file, probabilities=found.probabilities, classes=names)
        outcome.files["probabilities"] = str(path)
    for number, mask in (found.masks or {}).items():
        name = re.sub(r"[^\w.-]", "_", legend.name(number))
        path = target.with_name(f"{target.stem}_above_{number}_{name}.png")
        _save(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), path)
        outcome.masks[legend.name(number)] = str(path)


def write_top(probabilities: NDArray[np.float32], target: Path, legend: Legend, count: int, outcome: Outcome) -> None:
    """Write the best classes of a classifier beside where a label image would be: "0.9312 tabby", a line each."""
    path = target.with_suffix(".txt")
    best = np.argsort(-probabilities, kind="stable")[:count].tolist()
    outcome.top = [
        {"class": each, "name": legend.name(each), "probability": float(probabilities[each])} for each in best
    ]
    files.write_text(path, "".join(f"{each['probability']:.4f} {each['name']}\n" for each in outcome.top))
    outcome.files["top"] = str(path)


def _write_array(pixels: NDArray[Any], path: Path, kind: str, outcome: Outcome) -> None:
    from PIL import Image

    _save(Image.fromarray(pixels), path, compress_level=_QUICK)
    outcome.files[kind] = str(path)


def _save(image: Image, path: Path, **options: Any) -> None:
    with files.atomic_write(path) as file:
        image.save(file, "PNG", **options)
