"""The shape of a JPEG, read from its header without any image library."""

from __future__ import annotations

# The markers that begin a frame: baseline, extended, progressive, lossless; differential and arithmetic ones too.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START = b"\xff\xd8"


def read_shape(data: bytes) -> tuple[int, int, int] | None:
    """Return C x H x W of a JPEG with 8 bits a channel, grey or in colour; None for anything else."""
    if not data.startswith(_START):
        return None
    position = len(_START)
    while position + 10 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in _FRAMES:
            precision, channels = data[position + 4], data[position + 9]
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            return (channels, height, width) if precision == 8 and channels in (1, 3) and height and width else None
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
