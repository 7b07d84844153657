"""Lossy image formats, which no label may have: compression changes class indices into those of other classes.

A label of the classes 0 and 4 that was saved as JPEG also holds 1, 2, 3 and 5 along every edge. No conversion finds the
classes again, therefore such labels are refused, with the values that compression invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from caffe_fcn.datasets.records import images
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.palette import Colour

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MEND = "export labels as PNG from the program that drew them: a converted file keeps the invented values"
_RARE = 0.01  # of the pixels: a value below it is taken for an invented one where the classes are not known
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")  # Pillow's names of compressions


class LossyFormat(NamedTuple):
    """A row: the format's name with its article, the bytes a file starts with, and whether such a file is lossy."""

    name: str
    start: bytes
    is_lossy: Callable[[bytes], bool]


def find_lossy_format(data: bytes) -> LossyFormat | None:
    """Return the lossy format of an image file; None for a lossless one, and for what is not an image."""
    return next((each for each in FORMATS if data.startswith(each.start) and each.is_lossy(data)), None)


def check_lossless(data: bytes, where: str, rules: Rules, colours: Mapping[int, Colour] | None = None) -> None:
    """Raise `Fault` for a label file of a lossy format; it names the values that are not classes by ``rules``.

    ``colours`` are those of the classes, for a label in colours.
    """
    found = find_lossy_format(data)
    if found is not None:
        what = f"is {found.name}, and compression changes the classes of pixels"
        invented = _describe_invented(data, where, rules, colours)
        raise Fault("lossy", where, f"{what}: {invented}" if invented else what, _MEND)


def _describe_invented(data: bytes, where: str, rules: Rules, colours: Mapping[int, Colour] | None) -> str:
    import numpy as np

    pixels = np.asarray(images.load(images.open_header(data, where), where).convert("RGB"))
    packed = pixels.reshape(-1, 3).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    values, counts = np.unique(packed, return_counts=True)
    found = [((value >> 16) & 255, (value >> 8) & 255, value & 255) for value in values.tolist()]
    is_grey = all(red == green == blue for red, green, blue in found)
    if is_grey and not colours:
        return _describe_values([red for red, _, _ in found], counts, rules)
    known = set(colours.values()) if colours else set()
    unknown = [colour for colour in found if colour not in known]
    if not known:
        unknown = [colour for colour, count in zip(found, counts, strict=True) if count < _RARE * counts.sum()]
    shown = _join([" ".join(map(str, colour)) for colour in unknown])
    if not shown:
        return ""
    return f"{shown} are not colours of classes" if known else f"{shown} are colours of less than 1 % of its pixels"


def _describe_values(values: Sequence[int], counts: NDArray[np.int64], rules: Rules) -> str:
    if rules.classes is None:
        rare = [value for value, count in zip(values, counts, strict=True) if count < _RARE * counts.sum()]
        shown = _join([str(value) for value in rare if value != rules.ignore])
        return f"{shown} are values of less than 1 % of its pixels" if shown else ""
    shown = _join([str(value) for value in values if value >= rules.classes and value != rules.ignore])
    return f"{shown} are not classes" if shown else ""


def _join(values: Sequence[str]) -> str:
    """The first three values and the last one, with their number."""
    if len(values) <= 4:
        return ", ".join(values)
    return f"{', '.join(values[:3])} ... {values[-1]} ({len(values)} in all)"


def _always(data: bytes) -> bool:
    return True


def _has_vp8_chunk(data: bytes) -> bool:
    """Whether a WebP has lossy pixels: a chunk VP8, not VP8L, maybe inside a frame of an animation."""
    position = 12 if data[8:12] == b"WEBP" else len(data)
    while position + 8 <= len(data):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if kind == b"VP8 ":
            return True
        position += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return False


def _has_lossy_compression(data: bytes) -> bool:
    try:
        return images.open_header(data, "").info.get("compression") in _LOSSY_TIFF
    except Fault:
        return False


FORMATS = (
    LossyFormat("a JPEG", b"\xff\xd8\xff", _always),
    LossyFormat("a lossy WebP", b"RIFF", _has_vp8_chunk),
    LossyFormat("a TIFF with lossy compression", b"II*\0", _has_lossy_compression),
    LossyFormat("a TIFF with lossy compression", b"MM\0*", _has_lossy_compression),
)
