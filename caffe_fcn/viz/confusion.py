"""A confusion matrix as a table in a CSV file, and as a picture whose cells are the darker, the more pixels they have.

A row is a class of the labels. The picture shows the share of the row in each cell, in percent where there is room.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.files import PathLike
from caffe_fcn.viz.canvas import GREY, INK, Canvas, PngCanvas, SvgCanvas

Counts = NDArray[np.integer[Any]]

_CELL, _LEAST_CELL, _LETTER, _LONGEST = 34, 4, 7.2, 18
_MOST_NAMED = 60  # classes whose names the picture has; of more, every tenth has its number
_RIGHT, _WRONG = (28, 90, 166), (217, 98, 43)  # the colours of full cells, on the diagonal and off it


def write_confusion(counts: Counts, classes: Sequence[str], target: PathLike) -> None:
    """Write ``counts`` (a row for each class of the labels) as the suffix of ``target`` says: .csv, .svg or .png.

    Raises `FileError`, and `CaffeFcnError` for another suffix.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in _FORMATS:
        raise CaffeFcnError(target, f"no confusion matrix has the suffix '{suffix}'", f"one of {', '.join(_FORMATS)}")
    content = _FORMATS[suffix](counts, classes)
    with files.atomic_write(target) as file:
        file.write(content)


def format_csv(counts: Counts, classes: Sequence[str]) -> bytes:
    """Return the table: the names of the predicted classes, then a row for each class of the labels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label \\ predicted", *classes])
    writer.writerows([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))
    return text.getvalue().encode(errors="backslashreplace")


def _draw(make: Callable[[int, int], Canvas], counts: Counts, classes: Sequence[str]) -> bytes:
    number = len(classes)
    is_named = number <= _MOST_NAMED
    cell = _CELL if is_named else max(_LEAST_CELL, _CELL * _MOST_NAMED // number)
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in classes]
    left = 40 + round(_LETTER * max(map(len, names))) if is_named else 60
    top, below = 52, 30
    canvas = make(left + number * cell + 20, top + number * cell + below)
    canvas.draw_text(left, 18, "label (rows) and prediction (columns), % of the label's pixels", 12, colour=GREY)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    for row, column in np.argwhere(counts).tolist():
        share, x, y = float(shares[row, column]), left + column * cell, top + row * cell
        hint = f"{classes[row]} predicted as {classes[column]}: {counts[row, column]} pixels, {share:.1%}"
        canvas.draw_box(x, y, cell - 1, cell - 1, _mix(_RIGHT if row == column else _WRONG, share), hint)
        if is_named and share >= 0.005:
            colour = "#ffffff" if share > 0.5 else INK
            canvas.draw_text(x + cell / 2, y + cell / 2 + 4, f"{100 * share:.0f}", 11, "middle", colour)
    for place, name in enumerate(names):
        if is_named or place % 10 == 0:
            middle = place * cell + cell / 2
            canvas.draw_text(left - 8, top + middle + 4, name if is_named else str(place), 12, "end")
            canvas.draw_text(left + middle, top - 8, str(place), 11, "middle", GREY)
            if is_named:
                canvas.draw_text(12, top + middle + 4, str(place), 11, "start", GREY)
    return canvas.render()


def _mix(colour: tuple[int, int, int], share: float) -> str:
    """Return white with a share of the colour; small shares stay visible."""
    amount = 0.08 + 0.92 * share
    return "#" + "".join(f"{round(255 + (each - 255) * amount):02x}" for each in colour)


_FORMATS: dict[str, Callable[[Counts, Sequence[str]], bytes]] = {
    ".csv": format_csv,
    ".svg": lambda counts, classes: _draw(SvgCanvas, counts, classes),
    ".png": lambda counts, classes: _draw(PngCanvas, counts, classes),
}
