"""Label images as class indices, however they encode them: by palette, by grey value, by colour.

A reader turns the bytes of a label file into H x W indices. What is not of the named encoding is refused,
never converted: that is how labels turn into colours unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from caffe_fcn.datasets.records import images, png
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.records.palette import Colour, fill_gaps
from caffe_fcn.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Encoding = Literal["palette", "grey", "rgb"]
_OF_MODE: dict[str, Encoding] = {"P": "palette", "L": "grey", "1": "grey", "RGB": "rgb", "RGBA": "rgb"}
_COLOUR_TYPES = {"grey": png.GREY, "palette": png.PALETTE}
_MOST_COLOURS = 256  # an index has 8 bits
_SAID = {"palette": "a palette", "grey": "grey values", "rgb": "colours"}


@dataclass(frozen=True)
class LabelFormat:
    """How label images encode classes.

    ``colours``, value -> colour, are the palette that all must share, or tell the class of a colour.
    """

    encoding: Encoding
    colours: Mapping[int, Colour] | None = None

    def __post_init__(self) -> None:
        if self.encoding == "rgb" and not self.colours:
            raise DatasetError("label encoding rgb", "needs the colours of the classes", "--colors FILE")

    def read(self, data: bytes, where: str) -> tuple[NDArray[np.uint8], list[Fault]]:
        """The class indices, H x W, and faults that may be allowed; raises `Fault` for others."""
        import numpy as np

        image = images.open_header(data, where)
        faults = list(self._check(image, data, where))
        images.load(image, where)
        if self.encoding == "rgb":
            return self._of_colours(np.asarray(image.convert("RGB")), where), faults
        return np.array(image, np.uint8), faults

    def find_copyable(self, data: bytes) -> png.Parts | None:
        """The parts of a PNG that becomes a grey one of the indices without being decoded; None of all else."""
        parts = None if self.encoding == "rgb" else png.split(data)
        return parts if parts and parts.holds_values else None

    def check_header(self, parts: png.Parts, data: bytes, where: str) -> list[Fault]:
        """The faults that show without decoding the pixels; raises `Fault` for those that can't be allowed."""
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
        found = _OF_MODE.get(image.mode)
        if found != self.encoding and not (self.encoding == "rgb" and found == "palette"):
            what = f"has {_SAID[found]}" if found else f"is of mode {image.mode}"
            raise Fault("encoding", where, f"{what}, not {_SAID[self.encoding]}", "choose another --label-encoding")
        if self.encoding == "palette" and self.colours is not None:
            for value, colour in enumerate(read_palette(image, where)):
                shared = self.colours.get(value, colour)
                if colour != shared:
                    what = "gives {} the colour {} {} {}, and the others {} {} {}".format(value, *colour, *shared)
                    yield Fault("palette", where, what)
                    return

    def _of_colours(self, pixels: NDArray[np.uint8], where: str) -> NDArray[np.uint8]:
        import numpy as np

        assert self.colours is not None
        known = _packed(np.array(list(self.colours.values()), np.uint8))
        values = np.array(list(self.colours), np.uint8)
        order = np.argsort(known)
        wanted = _packed(pixels)
        place = np.searchsorted(known[order], wanted).clip(max=len(known) - 1)
        indices = order[place]
        strange = known[indices] != wanted
        if strange.any():
            y, x = np.argwhere(strange)[0]
            what = "has the colour {} {} {} at x={}, y={}, which no class has".format(*pixels[y, x], x, y)
            raise Fault("outside", where, what, "add it to the colours")
        classes: NDArray[np.uint8] = values[indices]
        return classes


def read_palette(image: Image, where: str) -> tuple[Colour, ...]:
    """The palette of an image of mode P, for which all of it is decoded; raises `Fault` where it is broken."""
    return _colours(images.load(image, where).getpalette() or [], where)


def _colours(flat: Sequence[int], where: str) -> tuple[Colour, ...]:
    if len(flat) > 3 * _MOST_COLOURS:
        raise Fault("broken", where, f"has a palette of more than {_MOST_COLOURS} colours", "make it again")
    return tuple(zip(flat[0::3], flat[1::3], flat[2::3], strict=False))


def detect(
    data: bytes, where: str, colours: Mapping[int, Colour] | None, encoding: Encoding | None = None
) -> LabelFormat:
    """The encoding of a label image, if none is said, and its palette, which all others must share."""
    parts = png.split(data)
    if parts and parts.holds_values and parts.header.colour == png.PALETTE and encoding in (None, "palette"):
        return LabelFormat("palette", dict(enumerate(_colours(parts.palette, where))))
    image = images.open_header(data, where)
    found = encoding or _OF_MODE.get(image.mode)
    if found is None:
        raise Fault("encoding", where, f"is of mode {image.mode}", "labels are PNG with a palette, grey or RGB")
    if found == "palette" and image.mode == "P":
        return LabelFormat(found, dict(enumerate(read_palette(image, where))))
    return LabelFormat(found, colours)


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The last axis, R, G, B, as one number."""
    import numpy as np

    packed: NDArray[np.int64] = colours.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return packed
