"""The wire format, walked without building messages.

A protobuf message is a run of fields: a varint key (number * 8 + kind), then a value whose length the
kind tells. Walking it costs a few bytes a field however large the values are, which is how a 500 MB
weights file answers questions about its shapes. Nothing is read beyond the bounds that the enclosing
message gives, and no declared length is believed before it is checked against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"


class Bytes(Protocol):
    """What can be walked: anything that gives its length and the byte at a position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> int: ...


VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """The bytes are no protobuf message; ``offset`` is where they cease to be one."""

    def __init__(self, what: str, offset: int) -> None:
        self.offset = offset
        super().__init__(what)


class Field(NamedTuple):
    """One field: its number and wire kind, where its key starts, where its value lies, a varint's value."""

    number: int
    kind: int
    start: int
    begin: int
    end: int
    value: int


def is_binary(head: bytes) -> bool:
    """Text holds no control characters but white space; a binary message holds lengths and numbers."""
    return any(byte < 9 or 13 < byte < 32 for byte in head[:4096])


def walk(data: Bytes, begin: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message that lies in ``data[begin:end]``; raises `WireError`."""
    position = begin
    limit = len(data) if end is None else end
    while position < limit:
        start = position
        key, position = varint(data, position, limit)
        number, kind, value = key >> 3, key & 7, 0
        first = position
        if kind == VARINT:
            value, position = varint(data, position, limit)
        elif kind == BYTES:
            length, first = varint(data, position, limit)
            position = first + length
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise WireError(f"wire type {kind} of field {number} does not exist", start)
        if not 0 < number < 1 << 29:
            raise WireError(f"field number {number} does not exist", start)
        if position > limit:
            raise WireError(f"field {number} runs {position - limit} bytes past the end", start)
        yield Field(number, kind, start, first, position, value)


def varint(data: Bytes, position: int, limit: int) -> tuple[int, int]:
    """The varint at ``position`` and the position behind it; raises `WireError`."""
    value = shift = 0
    start = position
    while position < limit:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise WireError("a varint is longer than ten bytes", start)
    raise WireError("the data ends inside a varint", start)


def key(number: int, kind: int) -> bytes:
    """The encoded key of a field."""
    return encode_varint(number << 3 | kind)


def encode_varint(value: int) -> bytes:
    """A non-negative integer as a varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
