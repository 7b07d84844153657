"""PNG as Caffe wants it: grey or colour, 8 bits, never with a palette.

A label with a palette holds its indices exactly as a grey image would hold its values, so it becomes one by
a new header: its compressed pixels stay as they are. What must be compressed is compressed by one call that
runs outside of Python's lock.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, PALETTE = 0, 3
_COLOUR = 2
_HEADER = ">IIBBBBB"
_PIXELS, _END = b"IDAT", b"IEND"
_MOST_AHEAD = 1 << 16  # a header, a palette and a little text
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


class Parts(NamedTuple):
    """Header, palette (R, G, B for each index; empty where there is none), and the chunks of pixels as they are."""

    header: Header
    palette: bytes
    pixels: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.header.height, self.header.width

    @property
    def holds_values(self) -> bool:
        """Whether a pixel is one byte, a grey value or an index."""
        return self.header.depth == 8 and self.header.colour in (GREY, PALETTE)


def encode(array: NDArray[np.uint8], photo: bool = True) -> bytes:
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


def read_header(data: bytes) -> Header | None:
    """The header of a PNG, or None where ``data`` are none."""
    if not data.startswith(SIGNATURE + b"\0\0\0\rIHDR") or len(data) < 33:
        return None
    return Header(*struct.unpack(_HEADER, data[16:29]))


def split(data: bytes) -> Parts | None:
    """The parts of a PNG without decoding it.

    None for what is none, is cut off, has a wrong checksum, or much ahead of the pixels.
    """
    first = data.find(_PIXELS, 0, _MOST_AHEAD) - 4
    ahead = _ahead(data[:first]) if first > 0 else None
    if ahead is None:
        return None
    kind = b""
    pixels = []
    for kind, start, end in _chunks(data, first):
        if kind in (_PIXELS, _END):
            if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                return None
            pixels.append(data[start:end])
    return Parts(*ahead, b"".join(pixels)) if kind == _END else None


def to_grey(parts: Parts) -> bytes:
    """A grey PNG whose values are the palette's indices, nothing compressed anew."""
    return _beginning(parts.header._replace(colour=GREY)) + parts.pixels


@lru_cache(256)
def _ahead(data: bytes) -> tuple[Header, bytes] | None:
    """Header and palette of what precedes the pixels, which many labels share; None where it is no whole chunks."""
    head = read_header(data)
    chunks = list(_chunks(data, len(SIGNATURE)))
    if head is None or chunks[-1][2] != len(data):
        return None
    return head, next((data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"PLTE"), b"")


def _file(header: Header, compressed: bytes) -> bytes:
    return _beginning(header) + _chunk(_PIXELS, compressed) + _chunk(_END, b"")


@lru_cache(256)
def _beginning(header: Header) -> bytes:
    return SIGNATURE + _chunk(b"IHDR", struct.pack(_HEADER, *header))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk that is whole, where it starts and where it ends."""
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end
