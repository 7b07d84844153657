"""Label images read as class indices, which they encode by palette, by grey value, or by colour.

A label image that has not the expected encoding is refused, never converted: a conversion could turn class indices
into colours without anybody noticing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from caffe_fcn.datasets.records import images, png
from caffe_fcn.datasets.records.colour_counts import count_colours, describe_lines
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.records.palette import Colour, fill_gaps
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Encoding = Literal["palette", "grey", "rgb"]
_ENCODING_OF_MODE: dict[str, Encoding] = {"P": "palette", "L": "grey", "1": "grey", "RGB": "rgb", "RGBA": "rgb"}
_COLOUR_TYPES = {"grey": png.GREY, "palette": png.PALETTE}
_MOST_COLOURS = 256  # an index has 8 bits
_DESCRIPTIONS = {"palette": "a palette", "grey": "grey values", "rgb": "colours"}


class MissingColoursError(DatasetError):
    """Labels are in colours, and nothing says which class each is; ``lines`` of a file of colours would."""

    def __init__(self, where: str, what: str, mend: str = "", lines: Sequence[str] = ()) -> None:
        super().__init__(where, what, mend)
        self.lines = tuple(lines)


@dataclass(frozen=True)
class LabelFormat:
    """How the label images of a data set encode classes.

    ``colours`` maps a value to its colour. With the encoding palette all label images must have this palette (None:
    any); with the encoding rgb it gives the class of each colour, and is required.
    """

    encoding: Encoding
    colours: Mapping[int, Colour] | None = None

    def __post_init__(self) -> None:
        if self.encoding == "rgb" and not self.colours:
            raise MissingColoursError("label encoding rgb", "needs the colours of the classes", "`colours` FILE")

    def read(self, data: bytes, where: str) -> tuple[NDArray[np.uint8], list[Fault]]:
        """Return the class indices, H x W, and the faults that may be allowed; raises `Fault` for any other."""
        import numpy as np

        image = images.open_header(data, where)
        faults = list(self._check(image, data, where))
        images.load(image, where)
        if self.encoding == "rgb":
            return self._classify_colours(image.convert("RGB"), where), faults
        return np.array(image, np.uint8), faults

    def find_copyable(self, data: bytes) -> png.PngParts | None:
        """Return the parts of a PNG that `png.to_grey` can turn into class indices; None for other images."""
        parts = None if self.encoding == "rgb" else png.split(data)
        return parts if parts and parts.holds_values else None

    def check_header(self, parts: png.PngParts, data: bytes, where: str) -> list[Fault]:
        """Return the faults that the header and the palette show; raises `Fault` for one that cannot be allowed."""
        plain = parts.header.colour == _COLOUR_TYPES[self.encoding]
        if plain and (self.encoding == "grey" or self._palette.startswith(parts.palette)):
            return []
        return list(self._check(images.open_header(data, where), data, where))

    @cached_property
    def _palette(self) -> bytes:
        return bytes(value for colour in fill_gaps(self.colours or {}) for value in colour)

    def _check(self, image: Image, data: bytes, where: str) -> Iterator[Fault]:
        if images.is_deep(image, data):
            raise Fault("16-bit", where, "has more than 8 bits a pixel", "write labels with 8 bits")
        found = _ENCODING_OF_MODE.get(image.mode)
        if found != self.encoding and not (self.encoding == "rgb" and found == "palette"):
            what = f"has {_DESCRIPTIONS[found]}" if found else f"is of mode {image.mode}"
            raise Fault("encoding", where, f"{what}, not {_DESCRIPTIONS[self.encoding]}", "choose another `encoding`")
        if self.encoding == "palette" and self.colours is not None:
            for value, colour in enumerate(read_palette(image, where)):
                shared = self.colours.get(value, colour)
                if colour != shared:
                    what = "gives {} the colour {} {} {}, and the others {} {} {}".format(value, *colour, *shared)
                    yield Fault("palette", where, what)
                    return

    def _classify_colours(self, image: Image, where: str) -> NDArray[np.uint8]:
        import numpy as np

        pixels = np.asarray(image)
        colours = self.colours or {}
        known = _pack_colours(np.array(list(colours.values()), np.uint8))
        values = np.array(list(colours), np.uint8)
        order = np.argsort(known)
        packed = _pack_colours(pixels)
        place = np.searchsorted(known[order], packed).clip(max=len(known) - 1)
        indices = order[place]
        unknown = known[indices] != packed
        if unknown.any():
            y, x = np.argwhere(unknown)[0]
            what = "has the colour {} {} {} at x={}, y={}, which no class has".format(*pixels[y, x], x, y)
            others = {each: n for each, n in count_colours(image).items() if each not in colours.values()}
            raise Fault("outside", where, what, f"add to `colours`: {describe_lines(others)}")
        classes: NDArray[np.uint8] = values[indices]
        return classes


def read_palette(image: Image, where: str) -> tuple[Colour, ...]:
    """Return the palette of an image of mode P, which is decoded for it; raises `Fault` where it is broken."""
    return _split_palette(images.load(image, where).getpalette() or [], where)


def _split_palette(flat: Sequence[int], where: str) -> tuple[Colour, ...]:
    if len(flat) > 3 * _MOST_COLOURS:
        raise Fault("broken", where, f"has a palette of more than {_MOST_COLOURS} colours", "make it again")
    return tuple(zip(flat[0::3], flat[1::3], flat[2::3], strict=False))


def detect(
    data: bytes, where: str, colours: Mapping[int, Colour] | None, encoding: Encoding | None = None
) -> LabelFormat:
    """Return the format that all label images must share: that of the label image ``data``.

    ``encoding`` replaces that of the image, ``colours`` are taken where it has no palette. Raises `Fault` at ``where``.
    """
    parts = png.split(data)
    if parts and parts.holds_values and parts.header.colour == png.PALETTE and encoding in (None, "palette"):
        return LabelFormat("palette", dict(enumerate(_split_palette(parts.palette, where))))
    image = images.open_header(data, where)
    found = encoding or _ENCODING_OF_MODE.get(image.mode)
    if found is None:
        raise Fault("encoding", where, f"is of mode {image.mode}", "labels are PNG with a palette, grey or RGB")
    if found == "palette" and image.mode == "P":
        return LabelFormat(found, dict(enumerate(read_palette(image, where))))
    return LabelFormat(found, colours)


def _pack_colours(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Combine the last axis, R, G, B, into one number."""
    import numpy as np

    packed: NDArray[np.int64] = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return packed
