"""Fields of binary files that no schema has, kept by their numbers: ``999: 5``, as protobuf's own printer writes them.

They are kept fields like those that texts have (`proto.kept_fields`). A text says what their bytes are: ``5`` is a
varint, ``0x00000005`` is one of four bytes, with sixteen digits of eight, and a string or a message has a length; a
group, which no Caffe has, stands in angle brackets. So they become the same bytes again where a binary file is written.
Fields too large to be settings are left out.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import text_encoding
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffe_fcn.errors import PrototxtError
from caffe_fcn.proto import wire
from caffe_fcn.proto.kept_fields import NAME, kept_name
from caffe_fcn.proto.schema import Message, NetParameter
from caffe_fcn.proto.text import NUMBER
from caffe_fcn.proto.tokens import Tokens

_LARGEST = 1 << 20  # bytes of a field
_MOST = 100_000  # fields of a file
_DEEPEST = 16  # messages inside one another that are written as such
_NUMBERS = 1 << 29  # protobuf's numbers are smaller
_KEPT_KEY = wire.encode_key(NetParameter.DESCRIPTOR.fields_by_name[NAME].number, wire.BYTES)
_CLOSERS = {"{": "}", "<": ">"}
_DIGITS = {wire.FIXED32: 8, wire.FIXED64: 16}


def keep_numbered(message: Message, data: wire.Buffer) -> None:
    """Keep what ``message``, which was read from ``data``, has of fields and values outside our schema.

    >>> net = NetParameter.FromString(b"\\xb8\\x3e\\x05")
    >>> keep_numbered(net, b"\\xb8\\x3e\\x05")
    >>> list(net.kept_fields)
    ['999: 5']

    Raises `WireError` for more of them than any net has.
    """
    if _keep(message, data, 0, len(data), 0):
        message.DiscardUnknownFields()


def restore_numbered(data: bytes, descriptor: Descriptor) -> bytes:
    """A serialized message with the bytes of its numbered fields in place of the texts that keep them."""
    if _KEPT_KEY not in data:
        return data
    return _restore(data, 0, len(data), descriptor)


def _keep(holder: Any, data: wire.Buffer, begin: int, end: int, count: int) -> int:
    """Keep the unknown fields of a message; returns how many there are with ``count`` before them."""
    by_number = holder.DESCRIPTOR.fields_by_number
    seen: dict[int, int] = {}
    for field in wire.walk(data, begin, end):
        known = by_number.get(field.number)
        if known is None or not _is_read(field, known):
            count += 1
            if count > _MOST:
                raise wire.WireError(f"has more than {_MOST} fields that no Caffe has", field.start)
            if field.end - field.start <= _LARGEST and (text := _spell(data, field, 0)):
                holder.kept_fields.append(text)
        elif known.message_type is not None:
            inner = getattr(holder, known.name)
            if not known.has_presence:
                place = seen.get(field.number, 0)
                seen[field.number] = place + 1
                inner = inner[place]
            count = _keep(inner, data, field.begin, field.end, count)
    return count


def _is_read(field: wire.Field, known: FieldDescriptor) -> bool:
    """Whether protobuf takes a field's value for that of the schema's."""
    if known.enum_type is not None and field.kind == wire.VARINT:
        value = field.value & 0xFFFFFFFF
        return (value - (value >> 31 << 32)) in known.enum_type.values_by_number
    wanted = wire_kind(known)
    return field.kind == wanted or (field.kind == wire.BYTES and not known.has_presence)


def wire_kind(field: FieldDescriptor) -> int:
    """The wire format's kind of a single value of a field."""
    return _WIRE_KINDS.get(field.type, wire.VARINT)


_WIRE_KINDS = {
    **dict.fromkeys(
        (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32), wire.FIXED32
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64), wire.FIXED64
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE), wire.BYTES
    ),
}


def _spell(data: wire.Buffer, field: wire.Field, depth: int) -> str:
    """A field's text; empty for a group that is nested too deep or spelled oddly."""
    if field.kind == wire.VARINT:
        return f"{field.number}: {field.value}"
    value = bytes(data[field.begin : field.end])
    if field.kind == wire.GROUP:
        end = wire.encode_key(field.number, wire.END_GROUP)
        text = _spell_fields(value.removesuffix(end), depth + 1)
        return "" if text is None or not value.endswith(end) else f"{field.number} < {text} >"
    if field.kind != wire.BYTES:
        return f"{field.number}: 0x{int.from_bytes(value, 'little'):0{_DIGITS[field.kind]}x}"
    inside = _spell_message(value, depth + 1)
    if inside is not None:
        return f"{field.number} {{ {inside} }}"
    return f'{field.number}: "{text_encoding.CEscape(value, False)}"'


def _spell_message(value: bytes, depth: int) -> str | None:
    """The text of bytes that are a message; None where they are not, or may as well be a string."""
    if not value or all(32 <= byte < 127 for byte in value):
        return None
    return _spell_fields(value, depth)


def _spell_fields(value: bytes, depth: int) -> str | None:
    """The text of fields; None where it does not become the same bytes again."""
    if depth > _DEEPEST:
        return None
    try:
        text = " ".join(_spell(value, field, depth) for field in wire.walk(value))
        return text if _encode_fields(Tokens(text, ""), "") == value else None
    except (PrototxtError, wire.WireError):
        return None


def _restore(data: bytes, begin: int, end: int, descriptor: Descriptor) -> bytes:
    out = bytearray()
    for field in wire.walk(data, begin, end):
        known = descriptor.fields_by_number.get(field.number)
        if known is not None and known.name == NAME:
            text = data[field.begin : field.end].decode(errors="replace")
            out += _encode(text) or data[field.start : field.end]
        elif known is not None and known.message_type is not None and field.kind == wire.BYTES:
            out += wire.encode_bytes(field.number, _restore(data, field.begin, field.end, known.message_type))
        else:
            out += data[field.start : field.end]
    return bytes(out)


def _encode(text: str) -> bytes | None:
    """The bytes of a kept field that is one by its number; None for any other text."""
    if not kept_name(text).isdecimal():
        return None
    try:
        return _encode_fields(Tokens(text, ""), "")
    except (PrototxtError, ValueError):  # a text of somebody's, with escapes perhaps that do not exist
        return None


def _encode_fields(tokens: Tokens, closer: str) -> bytes:
    """The bytes of fields up to a mark; raises `PrototxtError` for anything that `_spell` does not write."""
    out = b""
    while tokens.kind and tokens.token != closer:
        if not NUMBER.fullmatch(tokens.token) or int(tokens.token) >= _NUMBERS:
            tokens.fail(f"{tokens.token!r} is no field's number")
        number = int(tokens.token)
        tokens.advance()
        if tokens.kind == "mark" and tokens.token == ":":
            tokens.advance()
        out += _encode_value(tokens, number)
    return out


def _encode_value(tokens: Tokens, number: int) -> bytes:
    kind, token = tokens.kind, tokens.token
    tokens.advance()
    if kind == "mark" and token in _CLOSERS:
        inside = _encode_fields(tokens, _CLOSERS[token])
        tokens.advance()
        if token == "{":
            return wire.encode_bytes(number, inside)
        return wire.encode_key(number, wire.GROUP) + inside + wire.encode_key(number, wire.END_GROUP)
    if kind == "string":
        return wire.encode_bytes(number, text_encoding.CUnescape(token[1:-1]))
    if kind == "integer" and token.lower().startswith("0x"):
        for fixed, digits in _DIGITS.items():
            if len(token) == digits + 2:
                return wire.encode_key(number, fixed) + int(token, 16).to_bytes(digits // 2, "little")
    elif kind == "integer" and (token == "0" or token[0] != "0") and len(token) <= 20 and int(token) < 1 << 64:
        return wire.encode_key(number, wire.VARINT) + wire.encode_varint(int(token))
    return tokens.fail(f"{token!r} is no value of a field of a binary file")
