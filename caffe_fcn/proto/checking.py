"""What protobuf refuses to parse as one of Caffe's messages, found without protobuf.

Framing is not all: a field that the schema knows as a message must hold one, and a field of packed numbers must hold
whole numbers. Fields that the schema does not know, or knows with another wire type, are skipped; protobuf keeps them
as unknown fields.

Importing protobuf takes longer than looking at the headers of most files. The schema is therefore read from
``caffe.desc`` here, one message after the other as they are needed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from caffe_fcn.proto import wire
from caffe_fcn.proto.wire import BYTES, Bytes, WireError

# Numbers of fields in google/protobuf/descriptor.proto
_FILE, _FILE_MESSAGE = 1, 4  # FileDescriptorSet.file, FileDescriptorProto.message_type
_NAME, _FIELD = 1, 2  # DescriptorProto.name, .field
_NUMBER, _LABEL, _TYPE, _TYPE_NAME = 3, 4, 5, 6  # FieldDescriptorProto.number, .label, .type, .type_name
_REPEATED, _STRING, _MESSAGE, _OPAQUE = 3, 9, 11, 12  # FieldDescriptorProto.Label and .Type; bytes are opaque
_WIDTHS = {1: 8, 6: 8, 16: 8, 2: 4, 7: 4, 15: 4}  # of the types of fixed width: double, float, ...


class _Rule(NamedTuple):
    """The content of a field of bytes: a message, or numbers of a width (0: varints)."""

    message: str = ""
    width: int = 0


def check(data: Bytes, message: str, begin: int, end: int, depth: int = 0) -> None:
    """Raise `WireError` where protobuf refuses ``data[begin:end]`` as a message of this name, such as ``"BlobProto"``.

    The bytes may also be any run of whole fields of the message; ``depth`` is the number of messages around it.
    """
    rules = _rules(message)
    for field in wire.walk(data, begin, end, depth):
        rule = rules.get(field.number) if field.kind == BYTES else None
        if rule is None:
            continue
        if rule.message:
            check(data, rule.message, field.begin, field.end, depth + 1)
        elif rule.width:
            if (field.end - field.begin) % rule.width:
                what = f"{field.end - field.begin} bytes of field {field.number} are no numbers of {rule.width} bytes"
                raise WireError(what, field.start)
        else:
            position = field.begin
            while position < field.end:
                _, position = wire.read_varint(data, position, field.end)


@cache
def _rules(message: str) -> dict[int, _Rule]:
    """The fields of a message whose bytes protobuf looks into, by their numbers."""
    data, messages = _schema()
    fields = (field for field in wire.walk(data, *messages[message]) if field.number == _FIELD)
    facts = (_describe(data, field.begin, field.end) for field in fields)
    return {number: rule for number, rule in facts if rule is not None}


def _describe(data: bytes, begin: int, end: int) -> tuple[int, _Rule | None]:
    facts = {field.number: field for field in wire.walk(data, begin, end)}
    number, kind = facts[_NUMBER].value, facts[_TYPE].value
    if kind == _MESSAGE:
        name = data[facts[_TYPE_NAME].begin : facts[_TYPE_NAME].end].decode()
        return number, _Rule(message=name.rpartition(".")[2])
    if facts[_LABEL].value == _REPEATED and kind not in (_STRING, _OPAQUE):
        return number, _Rule(width=_WIDTHS.get(kind, 0))
    return number, None


@cache
def _schema() -> tuple[bytes, dict[str, tuple[int, int]]]:
    """The compiled schema, and where in it each message is described."""
    data = Path(__file__).with_name("caffe.desc").read_bytes()
    messages = {}
    for file in wire.walk(data):
        for message in wire.walk(data, file.begin, file.end):
            if file.number == _FILE and message.number == _FILE_MESSAGE:
                name = next(field for field in wire.walk(data, message.begin, message.end) if field.number == _NAME)
                messages[data[name.begin : name.end].decode()] = (message.begin, message.end)
    return data, messages
