"""PNG as Caffe wants it: grey or colour, 8 bits, never with a palette.

A label with a palette holds its indices exactly as a grey image would hold its values, so it becomes one by
a new header: its compressed pixels stay as they are. What must be compressed is compressed by one call that
runs outside of Python's lock.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, PALETTE = 0, 3
_COLOUR = 2
_HEADER = ">IIBBBBB"
_NO_FILTER, _UP = 0, 2  # labels are flat, of which neighbours in a row tell more than a difference
_LEVELS = {1: 6, 3: 3}  # photos hardly gain from more


class Header(NamedTuple):
    """What the chunk IHDR says."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filter: int
    interlace: int


def write(array: NDArray[np.uint8], photo: bool = True) -> bytes:
    """The PNG of an array C x H x W, one channel or three (blue first)."""
    import numpy as np

    channels, height, width = array.shape
    pixels = array[::-1].transpose(1, 2, 0).reshape(height, width * channels)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = _UP if photo else _NO_FILTER
    rows[:, 1:] = pixels
    if photo:
        rows[1:, 1:] -= pixels[:-1]
    header = Header(width, height, 8, GREY if channels == 1 else _COLOUR, 0, 0, 0)
    return _file(header, zlib.compress(rows.tobytes(), _LEVELS[channels]))


def header(data: bytes) -> Header | None:
    """The header of a PNG, or None where ``data`` are none."""
    if not data.startswith(SIGNATURE + b"\0\0\0\rIHDR") or len(data) < 33:
        return None
    return Header(*struct.unpack(_HEADER, data[16:29]))


def palette(data: bytes) -> bytes:
    """The palette of a PNG, as R, G, B for each index; empty where it has none."""
    return next((data[start + 8 : end - 4] for kind, start, end in _chunks(data) if kind == b"PLTE"), b"")


def grey(data: bytes) -> bytes | None:
    """The same pixels as a grey PNG, nothing compressed anew: palette indices become values.

    None where that cannot be: no PNG, not 8 bits a pixel, colours, cut off, or a wrong checksum.
    """
    head = header(data)
    if head is None or head.depth != 8 or head.colour not in (GREY, PALETTE):
        return None
    kept = [(start, end) for kind, start, end in _chunks(data) if kind in (b"IDAT", b"IEND")]
    if not kept or data[kept[-1][0] + 4 : kept[-1][0] + 8] != b"IEND":
        return None
    for start, end in kept:
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return None
    return b"".join((_beginning(head._replace(colour=GREY)), *(data[start:end] for start, end in kept)))


def _file(header: Header, compressed: bytes) -> bytes:
    return _beginning(header) + _chunk(b"IDAT", compressed) + _chunk(b"IEND", b"")


@lru_cache(256)
def _beginning(header: Header) -> bytes:
    return SIGNATURE + _chunk(b"IHDR", struct.pack(_HEADER, *header))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> list[tuple[bytes, int, int]]:
    """The kind of each chunk that is whole, where it starts and where it ends."""
    found = []
    start = len(SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            break
        found.append((data[start + 4 : start + 8], start, end))
        start = end
    return found
