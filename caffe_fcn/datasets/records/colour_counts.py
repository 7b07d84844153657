"""The colours in labels, counted, and the lines of a file of colours (see `palette.read`) that declare them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING

from caffe_fcn.datasets.records.palette import Colour, make_voc_palette

if TYPE_CHECKING:
    from PIL.Image import Image

_SHOWN = 8  # colours of a single label, which may have thousands where edges are smoothed
_VOID = make_voc_palette()[255]


def count_colours(image: Image) -> Counter[Colour]:
    """Count the pixels of each colour of an image of mode RGB."""
    found = image.getcolors(image.width * image.height) or []
    return Counter({(colour[0], colour[1], colour[2]): pixels for pixels, colour in found if isinstance(colour, tuple)})


def describe_counts(counts: Mapping[Colour, int]) -> str:
    """Return each colour with its pixels, most frequent first: "0 0 0 (90 pixels), 128 0 0 (1 pixel)"."""
    return ", ".join(f"{_join(colour)} ({_count_pixels(pixels)})" for colour, pixels in _sort(counts))


def describe_lines(counts: Mapping[Colour, int]) -> str:
    """Return the lines that declare the most frequent colours, with their pixels."""
    first = _sort(counts)[:_SHOWN]
    lines = ", ".join(f'"{_join(colour)}" ({_count_pixels(pixels)})' for colour, pixels in first)
    return f"{lines} and {len(counts) - _SHOWN} more colours" if len(counts) > _SHOWN else lines


def write_command(counts: Mapping[Colour, int]) -> str:
    """Return the shell command that writes colours.txt: a line a colour, the most frequent one first.

    The void colour of PASCAL VOC is declared as the ignored label.
    """
    return "printf '" + "".join(f"{line}\\n" for line in write_lines(counts)) + "' > colours.txt"


def write_lines(counts: Mapping[Colour, int]) -> list[str]:
    """Return the lines of a file of colours, the most frequent colour first; VOC's void is the ignored label."""
    numbers = count()
    return [
        f"255: {_join(colour)}" if colour == _VOID else f"{_join(colour)} class{next(numbers)}"
        for colour, _ in _sort(counts)
    ]


def _sort(counts: Mapping[Colour, int]) -> list[tuple[Colour, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _join(colour: Colour) -> str:
    return " ".join(map(str, colour))


def _count_pixels(pixels: int) -> str:
    return f"{pixels} pixel{'s' * (pixels != 1)}"
