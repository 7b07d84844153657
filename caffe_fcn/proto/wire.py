"""The wire format, walked without building messages.

A protobuf message is a row of fields: a varint key (number * 8 + kind), then a value whose kind tells its
length. Walking costs a few bytes a field, however large the values are: so the shapes in a weights file of
500 MB are found at once. Nothing is read beyond the bounds of the enclosing message, and every declared length
is checked against them before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from mmap import mmap

Buffer: TypeAlias = "bytes | bytearray | memoryview | mmap"


class Bytes(Protocol):
    """Anything that has a length and a byte at each position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> int: ...


VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
_FIXED = {FIXED64: 8, FIXED32: 4}

DEEPEST = 100  # how many messages and groups inside one another protobuf parses


class WireError(ValueError):
    """The bytes are not a protobuf message; ``offset`` is where they stop being one."""

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
    """Whether a file that begins with ``head`` is a binary message, and not text.

    A binary message has lengths and numbers, which are control characters. Text has them in strings and comments
    at most, and before those the name of a field with a colon or a brace.

    >>> is_binary(b"\\x0a\\x04tiny"), is_binary(b'name: "tiny"')
    (True, False)
    """
    head = head[:4096]
    return any(byte < 9 or 13 < byte < 32 for byte in head) and not _FIRST_FIELD.match(head)


_FIRST_FIELD = re.compile(rb"(?:\s|#[^\n]*\n)*[a-z_][a-z0-9_]*\s*[:{<]")


def walk(data: Bytes, begin: int = 0, end: int | None = None, depth: int = 0) -> Iterator[Field]:
    """The fields of the message that lies in ``data[begin:end]``; raises `WireError` where protobuf refuses them.

    A group is one field, from the key that starts it to the key that ends it. ``depth`` is the number of messages
    around this one, which protobuf counts against the depth of its groups.
    """
    position = begin
    limit = len(data) if end is None else end
    while position < limit:
        field = _read_field(data, position, limit)
        if field.kind == END_GROUP:
            raise WireError(f"a group {field.number} ends that has not begun", field.start)
        if field.kind == GROUP:
            field = field._replace(end=_find_group_end(data, field, limit, DEEPEST - depth))
        yield field
        position = field.end


def _read_field(data: Bytes, start: int, limit: int) -> Field:
    """The field at ``start``; for a group, only the key that starts or ends it."""
    key, position = read_varint(data, start, limit, _KEY)
    number, kind, value = key >> 3, key & 7, 0
    first = position
    if kind == VARINT:
        value, position = read_varint(data, position, limit)
    elif kind == BYTES:
        length, first = read_varint(data, position, limit, _LENGTH)
        position = first + length
    elif kind in _FIXED:
        position += _FIXED[kind]
    elif kind not in (GROUP, END_GROUP):
        raise WireError(f"wire type {kind} of field {number} does not exist", start)
    if not number:
        raise WireError("field number 0 does not exist", start)
    if position > limit:
        raise WireError(f"field {number} runs {position - limit} bytes past the end", start)
    return Field(number, kind, start, first, position, value)


def _find_group_end(data: Bytes, first: Field, limit: int, deepest: int) -> int:
    """The position behind the key that ends a group. There is no recursion, since the file chooses the depth."""
    open_groups = [first]
    position = first.end
    while open_groups:
        if len(open_groups) > deepest:
            raise WireError(f"groups lie deeper than {DEEPEST} messages", first.start)
        if position >= limit:
            raise WireError(f"group {open_groups[-1].number} does not end", open_groups[-1].start)
        field = _read_field(data, position, limit)
        if field.kind == GROUP:
            open_groups.append(field)
        elif field.kind == END_GROUP and field.number != open_groups.pop().number:
            raise WireError(f"a group {field.number} ends that has not begun", field.start)
        position = field.end
    return position


class _Size(NamedTuple):
    """How many bytes a varint may have, its largest value, and its name in errors."""

    bytes: int
    largest: int
    what: str


# protobuf reads a key and a length from no more bytes than 32 bits can need. It refuses a length above 2 GB; it is read
# here, as files above 2 GB are.
_VALUE = _Size(10, 2**64 - 1, "a varint")
_KEY = _Size(5, 2**32 - 1, "a key")
_LENGTH = _Size(5, 2**35 - 1, "a length")


def read_varint(data: Bytes, position: int, limit: int, size: _Size = _VALUE) -> tuple[int, int]:
    """The varint at ``position`` and the position behind it; raises `WireError`."""
    value = shift = 0
    start = position
    while position < limit:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            if size is _VALUE:  # of ten bytes' 70 bits protobuf keeps 64
                value &= size.largest
            elif value > size.largest:
                raise WireError(f"{size.what} is above {size.largest}", start)
            return value, position
        shift += 7
        if shift == 7 * size.bytes:
            raise WireError(f"{size.what} is longer than {size.bytes} bytes", start)
    raise WireError(f"the data ends inside {size.what}", start)


def encode_key(number: int, kind: int) -> bytes:
    """The key of a field."""
    return encode_varint(number << 3 | kind)


def encode_varint(value: int) -> bytes:
    """A non-negative integer as a varint."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(number: int, value: bytes) -> bytes:
    """A whole field of bytes, a string or a message."""
    return encode_key(number, BYTES) + encode_varint(len(value)) + value
