"""Binary messages of a fork in the numbers of our schema, and back.

Forks give one number to different fields: 143 is PSPNet's interp_param and BVLC's input_param. A message that a fork
wrote is therefore translated, field by field and message by message, before protobuf reads it.

A field of which only the name is known keeps its bytes under a number of its own, ``OPAQUE`` above the fork's, so that
it is not taken for what BVLC has under that number. So does, ``_DISPLACED`` above BVLC's number, a field of BVLC's that
a fork does not have, where the fork gives the number to another one.

The types of V1 layers that forks add to its enum become kept fields (``type: INTERP``), as in a text.
"""

from __future__ import annotations

from functools import cache

from google.protobuf.descriptor import Descriptor

from caffe_fcn.proto import wire
from caffe_fcn.proto.dialects.table import ALIASES, fork_fields, layer_types
from caffe_fcn.proto.kept_fields import NAME as KEPT
from caffe_fcn.proto.schema import V1LayerParameter

OPAQUE = 300_000_000
_DISPLACED = 400_000_000


def to_ours(data: wire.Buffer, descriptor: Descriptor, fork: str) -> bytes:
    """A serialized message of a fork with our numbers; ``descriptor`` is that of our message. Raises `WireError`."""
    known = ALIASES.get(fork, fork)
    return _translate(data, 0, len(data), descriptor, _numbers(known, False), True, _v1_types(known))


def to_forks(data: wire.Buffer, descriptor: Descriptor, fork: str) -> bytes:
    """The reverse of `to_ours`. What the fork does not have keeps its private number, which every Caffe skips."""
    return _translate(data, 0, len(data), descriptor, _numbers(ALIASES.get(fork, fork), True), False, {})


def _translate(
    data: wire.Buffer,
    begin: int,
    end: int,
    descriptor: Descriptor,
    numbers: dict[str, dict[int, int]],
    reading: bool,
    v1_types: dict[int, str],
) -> bytes:
    out = bytearray()
    table = numbers.get(descriptor.name, {})
    taken = set() if reading else set(table.values())
    for field in wire.walk(data, begin, end):
        number = table.get(field.number, field.number)
        if reading and field.number > _DISPLACED:
            number = field.number - _DISPLACED
        elif not reading and field.number > OPAQUE:
            number = field.number - OPAQUE
        elif field.number not in table and field.number in taken:
            number = field.number + _DISPLACED
        known = descriptor.fields_by_number.get(number if reading else field.number)
        v1_type = v1_types.get(field.value) if field.kind == wire.VARINT and known is _V1_TYPE else None
        if v1_type:
            out += wire.encode_bytes(_KEPT, f"type: {v1_type}".encode())
        elif field.kind == wire.BYTES and known is not None and known.message_type is not None:
            inner = _translate(data, field.begin, field.end, known.message_type, numbers, reading, v1_types)
            out += wire.encode_bytes(number, inner)
        elif number == field.number:
            out += data[field.start : field.end]
        elif field.kind == wire.BYTES:
            out += wire.encode_bytes(number, bytes(data[field.begin : field.end]))
        elif field.kind in (wire.VARINT, wire.FIXED32, wire.FIXED64):
            out += wire.encode_key(number, field.kind) + data[field.begin : field.end]
        else:  # a group, which no Caffe has
            out += data[field.start : field.end]
    return bytes(out)


_V1_TYPE = V1LayerParameter.DESCRIPTOR.fields_by_name["type"]
_KEPT = V1LayerParameter.DESCRIPTOR.fields_by_name[KEPT].number


@cache
def _v1_types(fork: str) -> dict[int, str]:
    """What a fork calls the numbers of its V1 enum that are not BVLC's."""
    return {row.v1_numbers[fork]: row.v1 for row in layer_types() if fork in row.v1_numbers}


@cache
def _numbers(fork: str, reverse: bool) -> dict[str, dict[int, int]]:
    """Message -> the fork's number -> ours, or the reverse."""
    found: dict[str, dict[int, int]] = {}
    for row in fork_fields():
        theirs = row.forks.get(fork, 0)
        if not theirs:
            continue
        ours = row.number or OPAQUE + theirs
        found.setdefault(row.message, {})[ours if reverse else theirs] = theirs if reverse else ours
    return found
