"""Many small pictures in one: the channels of a blob, or filters, side by side in a PNG.

Each picture has a range of its own: its smallest value is black and its largest one white, and both values are kept,
so that whoever shows the sheet can bring all pictures to one range. Pictures are made smaller by averages.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_PICTURES = 64
_SIDES = (320, 256, 192, 128, 96, 64, 48, 32, 24, 16, 8)
_LARGEST_SIDES = {1: 320, 4: 192, 16: 128}
"""The longest side of a picture where there are at most so many."""


@dataclass(frozen=True)
class Sheet:
    """Pictures of ``width`` x ``height`` pixels in ``columns``, as the bytes of a PNG.

    ``numbers`` are the numbers of the pictures, for example those of channels, of ``total``; ``ranges`` are the
    values that are black and white in each.
    """

    png: bytes
    width: int
    height: int
    columns: int
    numbers: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]
    total: int


def make_sheet(channels: NDArray[np.float32], most: int, pictures: int = MOST_PICTURES) -> Sheet | None:
    """Make the sheet of channels, C x H x W, as large as ``most`` bytes allow; None where there is no value.

    Of more than ``pictures`` channels those with the largest deviation are taken, in their order. Values that are not
    finite are shown as zeros. Of a single row, the values are laid out in several.
    """
    if not channels.size:
        return None
    numbers = _choose(channels, pictures)
    chosen = np.nan_to_num(channels[list(numbers)].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if chosen.shape[1] == 1:
        chosen = _wrap(chosen)
    sheet = None
    longest = next((side for count, side in _LARGEST_SIDES.items() if len(chosen) <= count), 96)
    for side in (side for side in _SIDES if side <= longest):
        sheet = _draw(_shrink(chosen, side), numbers, len(channels))
        if len(sheet.png) <= most:
            break
    return sheet


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return H x W (grey) or H x W x 3 pixels (red first) as a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def tile(pictures: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Lay pictures of one size side by side, ``columns`` in a row."""
    height, width, *colours = pictures[0].shape
    rows = -(-len(pictures) // columns)
    laid: NDArray[np.uint8] = np.zeros((rows * height, columns * width, *colours), np.uint8)
    for number, picture in enumerate(pictures):
        y, x = number // columns * height, number % columns * width
        laid[y : y + height, x : x + width] = picture
    return laid


def stretch(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return values from ``low`` to ``high`` as grey from 0 to 255; all 0 where both are the same."""
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    grey: NDArray[np.uint8] = np.rint((values.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8)
    return grey


def _choose(channels: NDArray[np.float32], pictures: int) -> tuple[int, ...]:
    if len(channels) <= pictures:
        return tuple(range(len(channels)))
    spreads = [float(np.nan_to_num(channel).std(dtype=np.float64)) for channel in channels]
    return tuple(sorted(sorted(range(len(channels)), key=lambda number: -spreads[number])[:pictures]))


def _wrap(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay out a row in several, in an almost square picture whose rest is zeros."""
    length = rows.shape[2]
    width = 1 << math.ceil(math.log2(max(1, math.sqrt(length))))
    height = -(-length // width)
    laid = np.zeros((len(rows), height * width), np.float32)
    laid[:, :length] = rows[:, 0]
    return laid.reshape(len(rows), height, width)


def _shrink(channels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Shrink channels so that no side is longer, each pixel the average of what it covers."""
    from PIL import Image

    height, width = channels.shape[1:]
    longest = max(height, width)
    if longest <= side:
        return channels
    size = max(1, round(width * side / longest)), max(1, round(height * side / longest))
    return np.stack([np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BOX)) for each in channels])


def _draw(channels: NDArray[np.float32], numbers: tuple[int, ...], total: int) -> Sheet:
    ranges = tuple((float(each.min()), float(each.max())) for each in channels)
    pictures = [stretch(each, *range) for each, range in zip(channels, ranges, strict=True)]
    columns = min(len(pictures), 8)
    height, width = channels.shape[1:]
    return Sheet(encode_png(tile(pictures, columns)), width, height, columns, numbers, ranges, total)
