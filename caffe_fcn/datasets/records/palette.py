"""Colours of classes, R, G, B: those of a file, or PASCAL VOC's for classes without a colour of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from caffe_fcn import files
from caffe_fcn.datasets.reference_layers.published_sets import make_voc_palette as make_voc_palette
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Colour = tuple[int, int, int]


def read(path: PathLike) -> tuple[dict[int, Colour], list[str] | None]:
    """Read a file of colours, as `parse`; raises `FileError` with the number of the first wrong line."""
    return parse(files.read_bytes(path).decode("utf-8-sig", "replace"), str(path))


def parse(text: str, path: str) -> tuple[dict[int, Colour], list[str] | None]:
    """Return value -> colour, and the names of the classes if all of them have one.

    A line is "R G B" or "R G B NAME" for the next class, from class 0 on; or "VALUE: R G B" for any value, such as
    that of ignored pixels. Raises `FileError` at ``path`` with the number of the first wrong line.
    """
    colours: dict[int, Colour] = {}
    names: dict[int, str] = {}
    next_value = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"\s*(?:(\d{1,3})\s*:)?\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,]+(\S.*))?", line)
        if not match or max(int(match[place] or 0) for place in range(1, 5)) > 255:
            raise FileError(f"{path}:{number}", f"{line.strip()[:40]!r} is not a colour", "write R G B, each 0 to 255")
        value = next_value if match[1] is None else int(match[1])
        colour = int(match[2]), int(match[3]), int(match[4])
        if value > 255 or value in colours or colour in colours.values():
            raise FileError(
                f"{path}:{number}", "the value or the colour appears twice", "one line a class, at most 256"
            )
        colours[value] = colour
        if match[1] is None:
            next_value += 1
            names[value] = (match[5] or "").strip()
    if not colours:
        raise FileError(path, "holds no colours", "write R G B, a line for each class")
    return colours, list(names.values()) if names and all(names.values()) else None


def fill_gaps(colours: Mapping[int, Colour]) -> tuple[Colour, ...]:
    """Return the colour of each value up to the highest one in ``colours``; a missing one is VOC's."""
    default = make_voc_palette()
    return tuple(colours.get(value, default[value]) for value in range(max(colours, default=-1) + 1))


def paint(label: NDArray[np.uint8], colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Paint a label H x W; returns H x W x 3 (R, G, B). A value without a colour has that of VOC."""
    pixels: NDArray[np.uint8] = make_table(colours)[label]
    return pixels


def make_table(colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Return the colour (R, G, B) of each of the 256 values; one without a colour has that of VOC."""
    table: NDArray[np.uint8] = _make_voc_table().copy()
    if colours:
        table[: len(colours)] = colours
    return table


@cache
def _make_voc_table() -> NDArray[np.uint8]:
    import numpy as np

    return np.array(make_voc_palette(), np.uint8)
