"""Writing ONNX files of any size: the graph is a message in memory, the weights go from file to file.

A ModelProto holds its graph, and the graph its initializers, as fields with a length before them. All lengths are known
before a number is read, so that the file is written in one pass, as caffemodels are. protobuf cannot read messages of
2 GB and more: then the numbers go into a file of their own beside the model, as ONNX's external data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from caffe_fcn.files import atomic_write, write_together
from caffe_fcn.interop.onnx.graph import Constant
from caffe_fcn.proto import wire
from caffe_fcn.weights.output_file import OutputFile
from caffe_fcn.weights.tensors import Tensor

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = 2**31 - 1
"""Bytes of the largest message that protobuf reads."""

DATA_SUFFIX = ".data"

_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9  # ModelProto.graph, GraphProto.initializer, TensorProto.raw_data
_SMALL = 1 << 10  # bytes of a constant that stays in the model's own file
_ALIGNMENT = 4096  # of external data, so that runtimes can map it


def write_model(path: Path, model: ModelProto, constants: Sequence[Constant]) -> list[Path]:
    """Write a model, to whose graph ``constants`` are added as initializers; returns the files, the model's first.

    The files appear whole or not at all. Raises `FileError` where the disk is full or a source changed meanwhile.
    """
    size = sum(_count_bytes(each) for each in constants) + model.ByteSize() + 1024 * len(constants)
    data = path.with_name(path.name + DATA_SUFFIX) if size > LARGEST else None
    with write_together(), ExitStack() as opened:
        outside = _place_outside(constants) if data is not None else {}
        heads = [_encode_head(each, outside.get(each.name), data) for each in constants]
        _write(opened.enter_context(atomic_write(path, wait=False)), model, constants, heads, outside)
        if data is not None:
            _write_data(opened.enter_context(atomic_write(data, wait=False)), constants, outside)
        for source in {file for each in _list_tensors(constants) for file in each.files}:
            source.check_unchanged()
    return [path, data] if data is not None else [path]


def _write(
    out: IO[bytes],
    model: ModelProto,
    constants: Sequence[Constant],
    heads: Sequence[bytes],
    outside: dict[str, int],
) -> None:
    graph = model.graph.SerializeToString(deterministic=True)
    fields = []
    for constant, head in zip(constants, heads, strict=True):
        inside = 0 if constant.name in outside else _count_bytes(constant)
        fields.append(wire.encode_key(_INITIALIZER, wire.BYTES) + wire.encode_varint(len(head) + inside) + head)
    values = [each for each in constants if each.name not in outside]
    size = len(graph) + sum(map(len, fields)) + sum(map(_count_bytes, values))
    rest = type(model)()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    output = OutputFile(out.fileno())
    output.write(rest.SerializeToString(deterministic=True))
    output.write(wire.encode_key(_GRAPH, wire.BYTES) + wire.encode_varint(size) + graph)
    for constant, head in zip(constants, fields, strict=True):
        output.write(head)
        if constant.name not in outside:
            _write_values(output, constant)
    output.flush()


def _write_data(out: IO[bytes], constants: Sequence[Constant], outside: dict[str, int]) -> None:
    output, end = OutputFile(out.fileno()), 0
    for constant in constants:
        if constant.name in outside:
            output.write(bytes(outside[constant.name] - end))
            _write_values(output, constant)
            end = outside[constant.name] + _count_bytes(constant)
    output.flush()


def _write_values(output: OutputFile, constant: Constant) -> None:
    if isinstance(constant.values, Tensor):
        output.write_tensor(constant.values)
    else:
        output.write(struct.pack(f"<{len(constant.values)}q", *constant.values))


def _encode_head(constant: Constant, begin: int | None, data: Path | None) -> bytes:
    """A TensorProto up to its values, or, of a constant that lies in the file ``data``, with its place there."""
    from onnx import TensorProto

    kind = TensorProto.FLOAT if isinstance(constant.values, Tensor) else TensorProto.INT64
    head = TensorProto(name=constant.name, dims=constant.shape, data_type=kind)
    size = _count_bytes(constant)
    if begin is None or data is None:
        return bytes(head.SerializeToString()) + wire.encode_key(_RAW_DATA, wire.BYTES) + wire.encode_varint(size)
    head.data_location = TensorProto.EXTERNAL
    for key, value in (("location", data.name), ("offset", begin), ("length", size)):
        head.external_data.add(key=key, value=str(value))
    return bytes(head.SerializeToString())


def _place_outside(constants: Sequence[Constant]) -> dict[str, int]:
    """Where each large constant begins in the file of external data."""
    places, end = {}, 0
    for constant in constants:
        if _count_bytes(constant) >= _SMALL:
            places[constant.name] = begin = -(-end // _ALIGNMENT) * _ALIGNMENT
            end = begin + _count_bytes(constant)
    return places


def _count_bytes(constant: Constant) -> int:
    return constant.values.nbytes if isinstance(constant.values, Tensor) else 8 * len(constant.values)


def _list_tensors(constants: Sequence[Constant]) -> Iterator[Tensor]:
    return (each.values for each in constants if isinstance(each.values, Tensor))
