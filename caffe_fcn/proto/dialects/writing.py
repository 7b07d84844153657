"""What binary files say of a net, in the numbers of the fork that the net is written for.

Our schema gives private numbers to what forks add, which no Caffe reads. Where the fields of a net are those of one
fork, of that with the most of its layer types, and its numbers tell so again to whoever reads the file, they are
written instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor import Descriptor

from caffe_fcn.proto import wire
from caffe_fcn.proto.dialects.numbering import to_forks, to_ours
from caffe_fcn.proto.dialects.recognition import recognize
from caffe_fcn.proto.dialects.table import CONVERTERS, PRIVATE, fork_fields, layer_types
from caffe_fcn.proto.numbered_fields import restore_numbered
from caffe_fcn.proto.schema import LayerParameter, NetParameter
from caffe_fcn.proto.stripping import LAYER


def finish(layers: Sequence[bytes], net: bytes) -> tuple[list[bytes], bytes]:
    """The serialized layers of a net, and the net without them, as a file has them."""
    made = [restore_numbered(layer, LayerParameter.DESCRIPTOR) for layer in layers]
    head = restore_numbered(net, NetParameter.DESCRIPTOR)
    whole = head + b"".join(wire.encode_bytes(LAYER, layer) for layer in made)
    used = set(_private_fields(whole, 0, len(whole), NetParameter.DESCRIPTOR))
    if not used:
        return made, head
    written = {to_forks(whole, NetParameter.DESCRIPTOR, fork): fork for fork in _likeliest(_forks_with(used), made)}
    if len(written) != 1:
        return made, head
    ((translated, fork),) = written.items()
    forks, agree = recognize(translated, NetParameter.DESCRIPTOR)
    if not (agree and forks and to_ours(translated, NetParameter.DESCRIPTOR, forks[0]) == whole):
        return made, head
    changed = [to_forks(layer, LayerParameter.DESCRIPTOR, fork) for layer in made]
    return changed, to_forks(head, NetParameter.DESCRIPTOR, fork)


def _likeliest(forks: Sequence[str], layers: Sequence[bytes]) -> list[str]:
    """Those of forks that have the most of the layer types, as far as it is known who has them."""
    types = {LayerParameter.FromString(layer).type for layer in layers}
    counts = {fork: sum(row.name in types and fork in row.forks for row in layer_types()) for fork in forks}
    return [fork for fork, count in counts.items() if count == max(counts.values())]


def _private_fields(data: bytes, begin: int, end: int, descriptor: Descriptor) -> Iterator[tuple[str, int]]:
    """The message and the number of each field that is ours."""
    for field in wire.walk(data, begin, end):
        known = descriptor.fields_by_number.get(field.number)
        if known is None or field.number >= _KEPT:
            continue
        if field.number >= PRIVATE:
            yield descriptor.name, field.number
        if known.message_type is not None and field.kind == wire.BYTES:
            yield from _private_fields(data, field.begin, field.end, known.message_type)


_KEPT = NetParameter.DESCRIPTOR.fields_by_name["kept_fields"].number


def _forks_with(used: set[tuple[str, int]]) -> list[str]:
    """The forks that have a number for each of these fields."""
    having: dict[str, int] = {}
    for row in fork_fields():
        if (row.message, row.number) in used:
            for fork, number in row.forks.items():
                having[fork] = having.get(fork, 0) + bool(number)
    return [fork for fork, count in having.items() if count == len(used) and fork not in CONVERTERS]
