"""A binary net without its weights: what a net says of itself is small, whatever the size of its blobs."""

from __future__ import annotations

from typing import NamedTuple

from caffe_fcn.proto import checking, wire

_MOST_FIELDS = 100_000  # of a net or layer; each empty message takes hundreds of times its three bytes


class _LayerField(NamedTuple):
    """A field that holds a layer: the number of the layer's blobs, and of the field with a layer inside it, if any."""

    blobs: int
    nested: int = 0


# By number: NetParameter.layer (LayerParameter) and .layers (V1LayerParameter, which may hold a V0LayerParameter)
LAYER = 100
_LAYER_FIELDS = {LAYER: _LayerField(blobs=7), 2: _LayerField(blobs=6, nested=1)}
_V0_LAYER = _LayerField(blobs=50)


def strip_blobs(net: wire.Buffer) -> bytes:
    """A serialized NetParameter without the blobs of its layers; raises `WireError` where protobuf refuses it."""
    out = bytearray()
    for count, field in enumerate(wire.walk(net)):
        if count == _MOST_FIELDS:
            raise wire.WireError(f"has more than {_MOST_FIELDS} layers", field.start)
        if field.number in _LAYER_FIELDS and field.kind == wire.BYTES:
            layer = _strip_layer(net, field.begin, field.end, _LAYER_FIELDS[field.number])
            out += wire.encode_bytes(field.number, layer)
        else:
            out += net[field.start : field.end]
    return bytes(out)


def _strip_layer(data: wire.Buffer, begin: int, end: int, numbers: _LayerField) -> bytes:
    out = bytearray()
    for count, field in enumerate(wire.walk(data, begin, end)):
        if count == _MOST_FIELDS:
            raise wire.WireError(f"a layer has more than {_MOST_FIELDS} fields", field.start)
        if field.number == numbers.blobs:
            if field.kind == wire.BYTES:
                checking.check(data, "BlobProto", field.begin, field.end)
        elif field.number == numbers.nested and field.kind == wire.BYTES:
            out += wire.encode_bytes(field.number, _strip_layer(data, field.begin, field.end, _V0_LAYER))
        else:
            out += data[field.start : field.end]
    return bytes(out)
