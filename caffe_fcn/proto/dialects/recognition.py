"""Which forks of Caffe a binary net can come from.

BVLC's schema comes first: a net that it explains is no fork's. Else every fork is tried on the layers that BVLC's
schema does not explain. It explains them if each number is a field's, of the right wire type, in every message; and
where forks read them differently, that one is right whose fields are named like the layers that have them (interp_param
in a layer of type Interp). Where that does not decide, nobody does: the net stays as it is, and the forks are named.
So are those that give ceil_mode the number of BVLC's round_mode, where a net has that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffe_fcn.proto import wire
from caffe_fcn.proto.dialects.numbering import OPAQUE, to_ours
from caffe_fcn.proto.dialects.table import CONVERTERS, FORKS, fork_fields
from caffe_fcn.proto.kept_fields import kept_values
from caffe_fcn.proto.schema import LayerParameter, PoolingParameter, V1LayerParameter

_MOST_LAYERS = 200  # that are looked at: nets repeat themselves


BVLC = "bvlc"


class Recognition(NamedTuple):
    """The forks whose reading of a net is the likeliest, all of them the same reading if ``agree``; none for BVLC's.

    The first is "bvlc" where BVLC's reading is as likely as those of the others.
    """

    forks: tuple[str, ...] = ()
    agree: bool = True


def recognize(net: wire.Buffer, descriptor: Descriptor) -> Recognition:
    """The forks that a serialized net, with ``descriptor`` NetParameter's, can come from. Raises `WireError`."""
    strange = [
        (bytes(net[field.begin : field.end]), layer_descriptor)
        for field, layer_descriptor in _layers(net, descriptor)
        if not _explains(net, field.begin, field.end, layer_descriptor)
    ][:_MOST_LAYERS]
    if not strange:
        others = _forks_with_ceil_mode() if _rounds(net, descriptor) else []
        return Recognition((BVLC, *others), False) if others else Recognition()
    readings: dict[tuple[bytes, ...], list[str]] = {}
    for fork in sorted(FORKS, key=lambda fork: fork in CONVERTERS):
        reading = _read_as(fork, strange)
        if reading is not None:
            readings.setdefault(reading, []).append(fork)
    if not readings:
        return Recognition()
    matches = {reading: _count_matches(reading, [kind for _, kind in strange]) for reading in readings}
    likeliest = [forks for reading, forks in readings.items() if matches[reading] == max(matches.values())]
    return Recognition(tuple(fork for forks in likeliest for fork in forks), len(likeliest) == 1)


def _layers(net: wire.Buffer, descriptor: Descriptor) -> Iterator[tuple[wire.Field, Descriptor]]:
    for field in wire.walk(net):
        known = descriptor.fields_by_number.get(field.number)
        if field.kind == wire.BYTES and known is not None and known.name in ("layer", "layers"):
            yield field, known.message_type


def _rounds(net: wire.Buffer, descriptor: Descriptor) -> bool:
    """Whether a layer has BVLC's pooling_param { round_mode }, whose number some forks give to ceil_mode.

    The two are opposites: 1 is FLOOR, or rounding up.
    """
    layers = ((net[layer.begin : layer.end], known) for layer, known in _layers(net, descriptor))
    for data, known in layers:
        number = known.fields_by_name["pooling_param"].number
        for field in wire.walk(data):
            if field.number == number and field.kind == wire.BYTES:
                inner = wire.walk(data, field.begin, field.end)
                if any(each.number == _ROUND_MODE and each.kind == wire.VARINT for each in inner):
                    return True
    return False


def _forks_with_ceil_mode() -> list[str]:
    """The forks that give ceil_mode the number of BVLC's round_mode."""
    return [
        fork
        for row in fork_fields()
        if (row.message, row.name) == ("PoolingParameter", "ceil_mode")
        for fork, number in row.forks.items()
        if number == _ROUND_MODE
    ]


_ROUND_MODE = PoolingParameter.DESCRIPTOR.fields_by_name["round_mode"].number


def _read_as(fork: str, layers: Sequence[tuple[bytes, Descriptor]]) -> tuple[bytes, ...] | None:
    """The layers in our numbers, or None where the fork does not explain them."""
    found = []
    for layer, descriptor in layers:
        try:
            made = to_ours(layer, descriptor, fork)
        except wire.WireError:
            return None
        if not _explains(made, 0, len(made), descriptor):
            return None
        found.append(made)
    return tuple(found)


def _explains(data: wire.Buffer, begin: int, end: int, descriptor: Descriptor) -> bool:
    """Whether our schema has every field of a message, with this wire type and such a value."""
    try:
        for field in wire.walk(data, begin, end):
            if field.number > OPAQUE:
                continue
            known = descriptor.fields_by_number.get(field.number)
            if known is None or not _fits(field, known):
                return False
            if known.message_type is not None and not _explains(data, field.begin, field.end, known.message_type):
                return False
    except wire.WireError:
        return False
    return True


def _fits(field: wire.Field, known: FieldDescriptor) -> bool:
    if known.enum_type is not None and field.kind == wire.VARINT:
        return field.value in known.enum_type.values_by_number
    if known.cpp_type == FieldDescriptor.CPPTYPE_BOOL and field.kind == wire.VARINT:
        return field.value < 2
    wanted = _KINDS.get(known.cpp_type, wire.VARINT)
    is_packed = field.kind == wire.BYTES and not known.has_presence
    return field.kind == wanted or (is_packed and wanted != wire.BYTES)


_KINDS = {
    FieldDescriptor.CPPTYPE_FLOAT: wire.FIXED32,
    FieldDescriptor.CPPTYPE_DOUBLE: wire.FIXED64,
    FieldDescriptor.CPPTYPE_STRING: wire.BYTES,
    FieldDescriptor.CPPTYPE_MESSAGE: wire.BYTES,
}


def _count_matches(layers: Sequence[bytes], kinds: Sequence[Descriptor]) -> int:
    """How many of the layers, in our numbers, have settings that are named like their type."""
    count = 0
    for data, kind in zip(layers, kinds, strict=True):
        is_v1 = kind.name == V1LayerParameter.DESCRIPTOR.name
        layer: Any = (V1LayerParameter if is_v1 else LayerParameter).FromString(data)
        stem = (_name_v1_type(layer) if is_v1 else layer.type).lower()
        settings = [field.name.removesuffix("_param").replace("_", "") for field, _ in layer.ListFields()]
        count += any(name.startswith(stem) or stem.startswith(name) for name in settings if stem and len(name) > 1)
    return count


def _name_v1_type(layer: V1LayerParameter) -> str:
    """The type of a V1 layer, in the enum or, of a fork, kept as its text."""
    kept = kept_values(layer, "type")
    names = V1LayerParameter.LayerType
    return kept[0].replace("_", "") if kept else names.Name(layer.type).replace("_", "")
