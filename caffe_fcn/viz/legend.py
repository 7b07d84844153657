"""A legend in a corner of an overlay: the colours, names and shares of the classes that are in it.

It covers a part of the picture, so it takes the corner with the fewest coloured pixels, and never more than a third of
the width. A picture that is too small for letters that can be read has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.viz.canvas import load_font

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

_LEAST_SIDE = 120  # pixels of a picture that gets a legend
_SHARE_OF_SIDE, _LEAST_SIZE, _MOST_SIZE = 28, 11, 48  # of the letters: the side of the picture over this, within limits
_WIDEST, _HIGHEST = 1 / 3, 1 / 2  # of the picture
_LETTERS = 24  # of a name


class Entry(NamedTuple):
    """A line of a legend: a class, and its ``share`` of the picture."""

    name: str
    colour: Colour
    share: float


def draw_legend(
    picture: NDArray[np.uint8], entries: Sequence[Entry], coloured: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Return a picture H x W x 3 with a legend; ``coloured`` (H x W) are the pixels that it should not cover."""
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    if min(height, width) < _LEAST_SIDE or not entries:
        return picture
    size = max(_LEAST_SIZE, min(_MOST_SIZE, min(height, width) // _SHARE_OF_SIDE))
    line, edge = round(size * 1.5), size // 2
    room = max(1, int(height * _HIGHEST - 2 * edge) // line)
    font = load_font(size)
    lines: list[tuple[Colour | None, str]] = [
        (each.colour, f"{_shorten(each.name)}  {each.share:.1%}") for each in entries[:room]
    ]
    if len(entries) > room:
        lines[-1] = (None, f"and {len(entries) - room + 1} more")
    box = (2 * edge + line * len(lines), 3 * edge + size + max(_measure(font, text) for _, text in lines))
    if box[1] > max(width * _WIDEST, _LEAST_SIDE * 0.9):
        return picture
    top, left = _find_corner(coloured, (height, width), box, edge)
    image = Image.fromarray(picture)
    shade = Image.new("RGB", box[::-1], "white")
    image.paste(Image.blend(image.crop((left, top, left + box[1], top + box[0])), shade, 0.85), (left, top))
    draw = ImageDraw.Draw(image)
    for y, (colour, text) in zip(range(top + edge, top + box[0], line), lines, strict=False):
        if colour is not None:
            draw.rectangle((left + edge, y, left + edge + size, y + size), fill=colour, outline="black")
        draw.text((left + 2 * edge + size, y - size // 6), text, fill="black", font=font)
    return np.asarray(image)


def _find_corner(
    coloured: NDArray[np.bool_] | None, size: tuple[int, int], box: tuple[int, int], edge: int
) -> tuple[int, int]:
    """Return the row and the column of a box in the corner with the fewest coloured pixels."""
    rows, columns = ((edge, whole - part - edge) for whole, part in zip(size, box, strict=True))
    corners = [(top, left) for top in rows for left in columns]
    if coloured is None:
        return corners[0]
    return min(corners, key=lambda at: int(coloured[at[0] : at[0] + box[0], at[1] : at[1] + box[1]].sum()))


def _measure(font: FreeTypeFont | ImageFont, text: str) -> int:
    return int(font.getbbox(text)[2]) + 1


def _shorten(name: str) -> str:
    """Return a name that is not too long, in letters that any font has."""
    text = name.encode("ascii", "replace").decode()
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 2]}.."
