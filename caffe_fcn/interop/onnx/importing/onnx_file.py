"""An ONNX file as a message without its large tensors, whose values stay in the file.

The file is walked field by field (`proto.wire`). What is small becomes a ModelProto. A large tensor, of the
initializers or of a Constant node, becomes a handle (`weights.tensors.Tensor`), so that a model of 500 MB takes a few.
Those in a file beside the model, ONNX's external data, are handles likewise.

No size that the file names is trusted: a tensor has as many bytes as its shape and type need, or it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import FileError
from caffe_fcn.interop.onnx.model_file import LARGEST
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import wire
from caffe_fcn.proto.wire import BYTES, Field, WireError
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.tensors import ITEM_SIZES, FileSegment, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto

Array: TypeAlias = "NDArray[Any]"
Constant: TypeAlias = "Array | Tensor"

SMALL = 1 << 16
"""Bytes of a constant that is held in memory."""

DTYPES = {1: "float32", 10: "float16", 11: "float64"}
"""The types that a handle has, by their number in TensorProto.DataType."""

# The numbers of fields
_GRAPH = 7  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_OPERATOR, _ATTRIBUTE = 4, 5  # of NodeProto
_TENSOR = 5  # of AttributeProto
_FLOATS, _RAW, _DOUBLES = 4, 9, 10  # of TensorProto, whose values are packed floats, bytes, or packed doubles

_CONSTANT = b"Constant"
_PACKED = {"float32": _FLOATS, "float64": _DOUBLES}
_MOST_REST = 1 << 26  # bytes of a model that are no large tensors
_MOST_FIELDS = 1 << 16  # of a message other than the graph
_DAMAGED = "the file is damaged"


def load(constant: Constant) -> Array:
    """Return the values of a constant as an array in memory."""
    return constant.load() if isinstance(constant, Tensor) else constant


@dataclass
class OnnxFile:
    """An open file. ``model`` has its small parts; ``constants`` its large tensors, by the name of the value."""

    path: Path
    model: ModelProto
    constants: dict[str, Constant] = field(default_factory=dict)
    _opened: ExitStack = field(default_factory=ExitStack)
    _beside: dict[Path, InputFile] = field(default_factory=dict)

    def read_tensor(self, tensor: TensorProto) -> Constant:
        """Return a tensor of the model; raises `FileError` where shape and values do not fit."""
        from onnx import TensorProto, helper, numpy_helper

        where = f"{self.path}: constant '{tensor.name}'"
        _check_sides(tensor, where)
        if tensor.data_location == TensorProto.EXTERNAL:
            return self._open_external(tensor, where)
        try:
            if helper.tensor_dtype_to_np_dtype(tensor.data_type).hasobject:
                raise FileError(where, "is of texts", "Caffe has numbers alone")
            return numpy_helper.to_array(tensor)
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(where, "does not have the values of its shape and type", _DAMAGED) from error

    def _open_external(self, tensor: TensorProto, where: str) -> Constant:
        told = {each.key: each.value for each in tensor.external_data}
        folder = self.path.parent.resolve()
        name = told.get("location", "")
        data = (folder / name.replace("\0", "")).resolve()
        if folder not in data.parents:
            raise FileError(where, f"lies in {name!r}, which is not in the model's folder", "move it there")
        size = _count_bytes(tensor, where)
        try:
            begin = int(told.get("offset", 0))
        except ValueError as error:
            raise FileError(where, "has no sound place in its file", _DAMAGED) from error
        if data not in self._beside:
            self._beside[data] = self._opened.enter_context(_open(data, "the file of its weights belongs beside it"))
        file = self._beside[data]
        if begin < 0 or begin + size > len(file):
            raise FileError(where, f"lies beyond the end of {data}", "the file is cut short")
        return _make_constant(tensor, FileSegment(file, begin, size))


@contextmanager
def open_onnx(path: Path) -> Iterator[OnnxFile]:
    """Open an ONNX file; raises `FileError` for what is none."""
    with ExitStack() as opened:
        file = opened.enter_context(_open(path, "name an ONNX file"))
        if len(file) > LARGEST:
            mend = "ONNX files have less than 2 GB, and the rest in a second file"
            raise FileError(path, f"has {len(file)} bytes", mend)
        model, tensors = _parse(file)
        result = OnnxFile(path, model, _opened=opened)
        for name, message in tensors:
            result.constants[name] = _read_large(result, file, name, message)
        yield result


@contextmanager
def _open(path: Path, mend: str) -> Iterator[InputFile]:
    file = InputFile(path, mend)
    try:
        yield file
    finally:
        file.close()


def _parse(file: InputFile) -> tuple[ModelProto, list[tuple[str, Field]]]:
    """The model without its large tensors, and where these are, with the names of their values."""
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    reader = _Reader(file)
    mend = "name a file that ends with .onnx"
    try:
        model: ModelProto = ModelProto.FromString(b"".join(reader.read_model()))
    except WireError as error:
        what = f"is not an ONNX model, or cut short: byte {error.offset}: {error}"
        raise FileError(file.path, what, mend) from error
    except DecodeError as error:
        raise FileError(file.path, "is not an ONNX model", mend) from error
    return model, reader.tensors


class _Reader:
    """Copies a model but for its large tensors, which it lists."""

    def __init__(self, file: InputFile) -> None:
        self._file, self._copied = file, 0
        self.tensors: list[tuple[str, Field]] = []

    def read_model(self) -> Iterator[bytes]:
        for each in _walk(self._file, Field(0, BYTES, 0, 0, len(self._file), 0), 0):
            if each.number == _GRAPH and each.kind == BYTES:
                yield wire.encode_bytes(_GRAPH, b"".join(self._read_graph(each)))
            else:
                yield self._copy(each)

    def _read_graph(self, graph: Field) -> Iterator[bytes]:
        for each in wire.walk(self._file, graph.begin, graph.end, 1):
            large = each.kind == BYTES and each.end - each.start > SMALL
            if large and each.number == _INITIALIZER:
                self.tensors.append((_read_head(self._file, each).name, each))
            elif large and each.number == _NODE:
                yield self._read_node(each)
            else:
                yield self._copy(each)

    def _read_node(self, node: Field) -> bytes:
        """A node; the large tensor of a Constant is listed under the name of the node's output."""
        from onnx import NodeProto

        fields = list(_walk(self._file, node, 2))
        is_constant = any(each.number == _OPERATOR and self._holds(each, _CONSTANT) for each in fields)
        parts, large = [], []
        for each in fields:
            if is_constant and each.number == _ATTRIBUTE and each.kind == BYTES:
                inner = list(_walk(self._file, each, 3))
                found = [part for part in inner if part.number == _TENSOR and part.end - part.start > SMALL]
                rest = b"".join(self._copy(part) for part in inner if part not in found)
                parts.append(wire.encode_bytes(_ATTRIBUTE, rest))
                large += found
            else:
                parts.append(self._copy(each))
        message = b"".join(parts)
        outputs = NodeProto.FromString(message).output
        if outputs and large:
            self.tensors.append((outputs[0], large[-1]))
        return wire.encode_bytes(_NODE, message)

    def _holds(self, each: Field, text: bytes) -> bool:
        return each.end - each.begin == len(text) and self._file.read(each.begin, len(text)) == text

    def _copy(self, each: Field) -> bytes:
        size = each.end - each.start
        self._copied += size
        if self._copied > _MOST_REST:
            raise WireError(f"more than {_MOST_REST} bytes that are no large tensors", each.start)
        return self._file.read(each.start, size)


def _walk(file: InputFile, message: Field, depth: int) -> Iterator[Field]:
    """The fields of a message that has few."""
    for index, each in enumerate(wire.walk(file, message.begin, message.end, depth)):
        if index == _MOST_FIELDS:
            raise WireError(f"a message of more than {_MOST_FIELDS} fields", message.start)
        yield each


def _read_head(file: InputFile, tensor: Field) -> TensorProto:
    """A tensor's message without its large fields, which have its values."""
    from onnx import TensorProto

    small = (each for each in _walk(file, tensor, 4) if each.end - each.start <= SMALL)
    head: TensorProto = TensorProto.FromString(b"".join(file.read(each.start, each.end - each.start) for each in small))
    return head


def _read_large(source: OnnxFile, file: InputFile, name: str, message: Field) -> Constant:
    """A large tensor: a handle where its values lie side by side, otherwise an array."""
    from onnx import TensorProto

    head = _read_head(file, message)
    where = f"{source.path}: constant '{name}'"
    _check_sides(head, where)
    values = {each.number: each for each in _walk(file, message, 4) if each.end - each.start > SMALL}
    held = values.get(_RAW) or values.get(_PACKED.get(DTYPES.get(head.data_type, ""), 0))
    if held is None:  # of varying length
        return source.read_tensor(TensorProto.FromString(file.read(message.begin, message.end - message.begin)))
    if held.end - held.begin != _count_bytes(head, where):
        raise FileError(where, "does not have the values of its shape and type", _DAMAGED)
    return _make_constant(head, FileSegment(file, held.begin, held.end - held.begin))


def _check_sides(tensor: TensorProto, where: str) -> None:
    if any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > LARGEST:
        raise FileError(where, f"is of {dims(tensor.dims)}", _DAMAGED)


def _count_bytes(tensor: TensorProto, where: str) -> int:
    from onnx import helper

    count: int = math.prod(tensor.dims)
    if dtype := DTYPES.get(tensor.data_type):
        return count * ITEM_SIZES[dtype]
    try:
        numbers = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, TypeError) as error:
        raise FileError(where, f"is of type {tensor.data_type}, which ONNX has not", _DAMAGED) from error
    if numbers.hasobject:
        raise FileError(where, "is of texts", "Caffe has numbers alone")
    return count * int(numbers.itemsize)


def _make_constant(tensor: TensorProto, segment: FileSegment) -> Constant:
    """A handle on the values of a segment; an array of those that are few, or of a type that no handle has."""
    import numpy as np
    from onnx import helper

    shape, dtype = tuple(tensor.dims), DTYPES.get(tensor.data_type)
    if dtype is not None and segment.size > SMALL:
        return Tensor(shape, dtype, (segment,))
    numbers = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    return np.frombuffer(b"".join(segment.chunks()), numbers.newbyteorder("<")).reshape(shape)
