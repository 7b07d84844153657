"""PNG files as Caffe needs them: grey or colour, 8 bits, without a palette.

A PNG with a palette stores indices exactly as a grey one stores values. A label with a palette is therefore turned
into a grey one by a new header alone; its compressed pixels are copied. Where pixels must be compressed, one call
does it, outside of Python's global lock.
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
_LONGEST_START = 1 << 16  # of the chunks before the pixels: a header, a palette and a little text
_NO_FILTER, _UP = 0, 2  # the areas of a label are flat: they compress better unfiltered
_LEVELS = {1: 6, 3: 3}  # channels -> level of compression; photos hardly gain from a higher one


class Header(NamedTuple):
    """The content of the chunk IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filter: int
    interlace: int


class PngParts(NamedTuple):
    """The header, the palette (R, G, B for each index, or empty), and the chunks of compressed pixels unchanged."""

    header: Header
    palette: bytes
    pixels: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.header.height, self.header.width

    @property
    def holds_values(self) -> bool:
        """Whether each pixel is one byte: a grey value or an index."""
        return self.header.depth == 8 and self.header.colour in (GREY, PALETTE)


def encode(array: NDArray[np.uint8], photo: bool = True) -> bytes:
    """Encode an array C x H x W, of one channel or three (blue first), as a PNG."""
    import numpy as np

    channels, height, width = array.shape
    pixels = array[::-1].transpose(1, 2, 0).reshape(height, width * channels)
    rows = np.empty((height, 1 + width * channels), np.uint8)
    rows[:, 0] = _UP if photo else _NO_FILTER
    rows[:, 1:] = pixels
    if photo:
        rows[1:, 1:] -= pixels[:-1]
    header = Header(width, height, 8, GREY if channels == 1 else _COLOUR, 0, 0, 0)
    return _assemble(header, zlib.compress(rows.tobytes(), _LEVELS[channels]))


def read_header(data: bytes) -> Header | None:
    """Return the header of a PNG, or None where ``data`` is not one."""
    if not data.startswith(SIGNATURE + b"\0\0\0\rIHDR") or len(data) < 33:
        return None
    return Header(*struct.unpack(_HEADER, data[16:29]))


def split(data: bytes) -> PngParts | None:
    """Split a PNG into its parts without decoding it.

    Returns None for data that are not a PNG, are cut off or have a wrong checksum, and for a PNG whose pixels come
    only after more than 64 KiB of other chunks.
    """
    first = data.find(_PIXELS, 0, _LONGEST_START) - 4
    start_of_file = _parse_start(data[:first]) if first > 0 else None
    if start_of_file is None:
        return None
    kind = b""
    pixels = []
    for kind, start, end in _chunks(data, first):
        if kind in (_PIXELS, _END):
            if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                return None
            pixels.append(data[start:end])
    return PngParts(*start_of_file, b"".join(pixels)) if kind == _END else None


def to_grey(parts: PngParts) -> bytes:
    """Return a grey PNG whose values are the palette's indices, with the same compressed pixels."""
    return _make_start(parts.header._replace(colour=GREY)) + parts.pixels


@lru_cache(256)
def _parse_start(data: bytes) -> tuple[Header, bytes] | None:
    """Return the header and the palette in the chunks before the pixels; None where a chunk is incomplete.

    Many labels share these chunks, so the results are cached.
    """
    head = read_header(data)
    chunks = list(_chunks(data, len(SIGNATURE)))
    if head is None or chunks[-1][2] != len(data):
        return None
    return head, next((data[start + 8 : end - 4] for kind, start, end in chunks if kind == b"PLTE"), b"")


def _assemble(header: Header, compressed: bytes) -> bytes:
    return _make_start(header) + _make_chunk(_PIXELS, compressed) + _make_chunk(_END, b"")


@lru_cache(256)
def _make_start(header: Header) -> bytes:
    return SIGNATURE + _make_chunk(b"IHDR", struct.pack(_HEADER, *header))


def _make_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each complete chunk."""
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end
