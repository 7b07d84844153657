"""Caffe's own weights file, written in the current format.

The lengths of all messages are known before a number is read, so that the file is written in one pass: what stands
before each parameter's values, then the values.
"""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.errors import WeightsError
from caffe_fcn.proto import wire
from caffe_fcn.proto.wire import BYTES
from caffe_fcn.weights.blobs import encode_blob_head
from caffe_fcn.weights.layers import Layer
from caffe_fcn.weights.output_file import OutputFile
from caffe_fcn.weights.tensors import FileSegment, Tensor

# Real Caffe cannot load more (kProtoReadBytesLimit in src/caffe/util/io.cpp): protobuf counts bytes in an int.
LARGEST = 2**31 - 1

_LAYER, _BLOBS = 100, 7  # NetParameter.layer, LayerParameter.blobs


def write(output: OutputFile, path: object, layers: Sequence[Layer], net: bytes = b"") -> None:
    """Write a caffemodel of ``layers``; ``net`` is the serialized NetParameter without them.

    What forks of Caffe have is written in a fork's numbers, where `dialects.writing` finds one.
    Raises `WeightsError`, before anything is written, for more bytes than real Caffe can load.
    """
    from caffe_fcn.proto.dialects.writing import finish  # reading needs no schema

    if not layers:
        raise WeightsError(path, "would hold no layers, and be no weights file", "write the weights of a net")
    definitions, net = finish([layer.definition or _define(layer) for layer in layers], net)
    heads = []
    end = len(net)
    for layer, definition in zip(layers, definitions, strict=True):
        heads.append(_encode_heads(layer, definition, end))
        end += sum(map(len, heads[-1])) + sum(tensor.nbytes for tensor in layer.tensors)
    if end > LARGEST:
        mend = "write a .caffemodel.h5, or float16"
        raise WeightsError(path, f"would take {end} bytes, and Caffe loads no more than {LARGEST}", mend)
    output.reserve(end)
    output.write(net)
    for layer, (layer_head, *blob_heads) in zip(layers, heads, strict=True):
        output.write(layer_head)
        for blob_head, tensor in zip(blob_heads, layer.tensors, strict=True):
            output.write(blob_head)
            output.write_tensor(tensor)


# Bytes whose places in two files differ by a multiple of a cache line are copied a tenth faster.
_LINE = 64
_WORTH_ALIGNING = 1 << 20


def _encode_heads(layer: Layer, definition: bytes, begin: int) -> list[bytes]:
    """The bytes before a layer's parameters, then those before each one's values, in a file where it is at ``begin``.

    Large values that the kernel will copy are moved by a few bytes, so that they lie on the same cache lines
    as in their source. Moving them may lengthen a length before them, so this takes a few rounds.
    """
    moves = [0] * len(layer.tensors)
    for _ in range(3):
        blobs = [encode_blob_head(_BLOBS, *pair) for pair in zip(layer.tensors, moves, strict=True)]
        size = len(definition) + sum(map(len, blobs)) + sum(tensor.nbytes for tensor in layer.tensors)
        heads = [wire.encode_key(_LAYER, BYTES) + wire.encode_varint(size) + definition, *blobs]
        position, used = begin + len(heads[0]), moves
        moves = []
        for tensor, blob, move in zip(layer.tensors, blobs, used, strict=True):
            moves.append(_find_move(tensor, position + len(blob) - move))
            position += len(blob) - move + moves[-1] + tensor.nbytes
        if moves == used:
            break
    return heads


def _define(layer: Layer) -> bytes:
    """The definition of a layer that came from a format without definitions."""
    from caffe_fcn.proto import LayerParameter

    return bytes(LayerParameter(name=layer.name, type=layer.type or None).SerializeToString())


def _find_move(tensor: Tensor, begin: int) -> int:
    """By how many bytes values at ``begin`` must move to lie on the cache lines of their source."""
    first = tensor.segments[0] if tensor.segments else None
    if not isinstance(first, FileSegment) or first.size < _WORTH_ALIGNING or tensor.dtype == "float16":
        return 0
    move = (first.begin - begin) % _LINE
    return move if move != 1 else move + _LINE
