"""Caffe's own weights files: a NetParameter whose layers carry BlobProtos.

Reading walks keys and lengths and never touches the numbers, so that it takes as long for a file of 3 GB,
which protobuf refuses, as for one of 3 KB. Files of all ages are read:

- current: NetParameter.layer (100), blobs with a BlobShape;
- V1: NetParameter.layers (2), blobs of num x channels x height x width (a bias is 1x1x1xN);
- V0: a layer nested inside V1's;
- values packed or not, as float, double, or NVIDIA's raw_data (its Caffe 0.16 and later) of 16, 32 or 64 bits.

Of several values in one blob Caffe's choice is taken (Blob::FromProto in src/caffe/blob.cpp), diffs are
passed over. Writing is always in the current format, float16 in NVIDIA's form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import MOST_AXES, dims
from caffe_fcn.proto import checking, wire
from caffe_fcn.proto.wire import BYTES, FIXED32, FIXED64, VARINT, Field, WireError
from caffe_fcn.weights.layers import Layer, Weights, place
from caffe_fcn.weights.tensors import (
    CHUNK,
    ITEM_SIZES,
    Made,
    Piece,
    Shape,
    Sink,
    SourceFile,
    Stretch,
    Tensor,
    shape_refusal,
)

# Real Caffe cannot load more (kProtoReadBytesLimit in src/caffe/util/io.cpp): protobuf counts bytes in an int.
LARGEST = 2**31 - 1

# What any net that ever was stays far below. Beyond it a file is damaged, or made to cost more memory than it
# has bytes.
_MOST_LAYERS = 1 << 20
_MOST_PARTS = 1 << 12
_LARGEST_DEFINITION = 1 << 20

_DAMAGED = "the file is cut off or damaged: copy or fetch it again"


class _Numbers(NamedTuple):
    """The numbers of a layer message's fields."""

    name: int
    blobs: int
    type: int = 0  # where the type is a name; V1 has an enum instead


_LAYER, _V1, _V0 = 100, 2, 1  # NetParameter.layer, NetParameter.layers, V1LayerParameter.layer
_NUMBERS = {_LAYER: _Numbers(1, 7, 2), _V1: _Numbers(4, 6), _V0: _Numbers(1, 50, 2)}
_MESSAGES = {_LAYER: "LayerParameter", _V1: "V1LayerParameter", _V0: "V0LayerParameter"}
_FORMATS = {_LAYER: "caffemodel", _V1: "caffemodel (V1)", _V0: "caffemodel (V0)"}


def read(file: SourceFile) -> Weights:
    """The layers of a caffemodel; raises `WeightsError` naming the file, the layer and the byte."""
    layers: list[Layer] = []
    ages = set()
    head = _Spans(file)
    try:
        for field in wire.walk(file):
            if field.number in (_LAYER, _V1) and field.kind == BYTES:
                layer, age = _layer(file, field, len(layers))
                layers.append(layer)
                ages.add(age)
            else:
                head.add(field)
            if len(layers) > _MOST_LAYERS:
                raise WireError(f"more than {_MOST_LAYERS} layers", field.start)
        head.check("NetParameter", 0)
        texts = head.bytes()
    except WireError as error:
        raise _no_net(file, layers) or _damaged(str(file.path), error) from error
    except WeightsError as error:
        raise _no_net(file, layers) or error from error.__cause__
    if not layers:
        raise _no_net(file, layers) or WeightsError(file.path, "holds no layers", "name a weights file")
    if len(ages) > 1:
        raise WeightsError(file.path, f"mixes {' and '.join(_FORMATS[age] for age in sorted(ages))}", _DAMAGED)
    age = ages.pop()
    return Weights(file, _FORMATS[age], tuple(layers if age == _LAYER else _upgraded(file, layers)), texts)


def read_blob(file: SourceFile, field: Field | None = None) -> Tensor:
    """The BlobProto in a field, or that the file consists of (a mean); raises `WeightsError` naming the byte."""
    try:
        return _blob(file, field or Field(0, BYTES, 0, 0, len(file), 0))[0]
    except WireError as error:
        raise _damaged(str(file.path), error) from error


def _no_net(file: SourceFile, layers: Sequence[Layer]) -> WeightsError | None:
    """The error for a file that holds another of Caffe's messages, if it does."""
    if layers:
        return None
    mend = "name the .caffemodel"
    try:
        if (mean := read_blob(file)).count:
            return WeightsError(file.path, f"is an image mean of {dims(mean.shape)}, not a net's weights", mend)
    except WeightsError:
        pass
    if file[0] == _ITERATION:
        return WeightsError(file.path, "is a solver's state, not a net's weights", mend)
    return None


_ITERATION = wire.key(1, VARINT)[0]  # SolverState.iter, written first; a net's field 1 is its name


def _damaged(where: str, error: WireError) -> WeightsError:
    return WeightsError(f"{where}, byte {error.offset}", str(error), _DAMAGED)


def _upgraded(file: SourceFile, layers: list[Layer]) -> Iterator[Layer]:
    """Layers of an old format with the definitions that they have in the current one."""
    from caffe_fcn.proto import read_net

    try:
        definitions = {layer.name: layer for layer in read_net(file.path).layer}
    except UnicodeDecodeError as error:
        raise WeightsError(file.path, f"a name in it is not UTF-8 text: {error.object!r}", _DAMAGED) from error
    for layer in layers:
        if (definition := definitions.get(layer.name)) is not None:
            tensors = tuple(_modern(tensor, definition.type, number) for number, tensor in enumerate(layer.tensors))
            yield Layer(layer.name, tensors, definition.type, definition.SerializeToString())


def _modern(tensor: Tensor, kind: str, index: int) -> Tensor:
    """A parameter of four axes as its layer has it today: real Caffe forgives the old shape only in the old fields."""
    from caffe_fcn.net.layer_types import Kind, layer_type  # files of today's format do without the table

    axes = 1 if index else 2 if layer_type(kind).kind is Kind.INNER_PRODUCT else 4
    if len(tensor.shape) != 4 or set(tensor.shape[:-axes]) - {1}:
        return tensor
    return tensor.reshaped(tensor.shape[-axes:])


class _Spans:
    """The bytes of fields that stand apart in a file, fetched together."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._spans: list[tuple[int, int]] = []
        self._size = 0

    def add(self, field: Field) -> None:
        self._size += field.end - field.start
        if self._size > _LARGEST_DEFINITION:
            raise WireError(f"{self._size} bytes that are no parameters", field.start)
        if self._spans and self._spans[-1][1] == field.start:
            self._spans[-1] = (self._spans[-1][0], field.end)
        else:
            self._spans.append((field.start, field.end))

    def check(self, message: str, depth: int) -> None:
        """Raise `WireError` where protobuf refuses the fields."""
        for begin, end in self._spans:
            checking.check(self._file, message, begin, end, depth)

    def bytes(self) -> bytes:
        return b"".join(self._file.read(begin, end - begin) for begin, end in self._spans)


def _layer(file: SourceFile, message: Field, index: int) -> tuple[Layer, int]:
    """A layer, and the number of the field that tells its format's age."""
    age = message.number
    reading = _LayerReading(file, index, age)
    nested = []  # the V0 layers inside a V1 layer; protobuf merges several
    with reading.naming_errors():
        for field in wire.walk(file, message.begin, message.end, depth=1):
            if age == _V1 and field.number == _V0 and field.kind == BYTES:
                nested.append(field)
            else:
                reading.add(field)
        reading.check(depth=1)
    if not nested:
        return reading.layer(), age
    inner = _LayerReading(file, index, _V0)
    with inner.naming_errors():
        for part in nested:
            for field in wire.walk(file, part.begin, part.end, depth=2):
                inner.add(field)
        inner.check(depth=2)
    return inner.layer(), _V0


class _LayerReading:
    """A layer of one format's age, put together field by field."""

    def __init__(self, file: SourceFile, index: int, age: int) -> None:
        self._file, self._index, self._age = file, index, age
        self._texts = dict.fromkeys(_NUMBERS[age], "")
        self._tensors: list[Tensor] = []
        self._old: set[int] = set()  # the tensors in the old format's shape
        self._definition = _Spans(file)

    def add(self, field: Field) -> None:
        if field.number == _NUMBERS[self._age].blobs and field.kind == BYTES:
            tensor, is_old = _blob(self._file, field)
            self._old.update({len(self._tensors)} if is_old else ())
            self._tensors.append(tensor)
            return
        self._definition.add(field)
        if field.number in self._texts and field.kind == BYTES:
            self._texts[field.number] = _text(self._file, field)

    def check(self, depth: int) -> None:
        self._definition.check(_MESSAGES[self._age], depth)

    def layer(self) -> Layer:
        numbers = _NUMBERS[self._age]
        name, kind = self._texts[numbers.name], self._texts[numbers.type]
        tensors = (_modern(each, kind, at) if at in self._old else each for at, each in enumerate(self._tensors))
        return Layer(name, tuple(tensors), kind, self._definition.bytes())

    @contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Turn a `WireError` inside the block into a `WeightsError` that names the layer and the parameter."""
        try:
            yield
        except WireError as error:
            name = self._texts[_NUMBERS[self._age].name] or f"number {self._index}"
            raise _damaged(place(self._file.path, name, len(self._tensors)), error) from error


def _text(file: SourceFile, field: Field) -> str:
    try:
        return file.read(field.begin, field.end - field.begin).decode()
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8 text", field.begin) from error


# BlobProto's fields, with the wire types that they have; with another one protobuf keeps them as unknown.
_LEGACY = {1: 0, 2: 1, 3: 2, 4: 3}  # num, channels, height, width
_DATA, _DIFF, _SHAPE, _DOUBLE, _DOUBLE_DIFF, _RAW_TYPE, _RAW_DIFF_TYPE, _RAW, _RAW_DIFF = range(5, 14)
_KINDS = {
    **{number: {VARINT} for number in (*_LEGACY, _RAW_TYPE, _RAW_DIFF_TYPE)},
    **{number: {BYTES, FIXED32} for number in (_DATA, _DIFF)},
    **{number: {BYTES, FIXED64} for number in (_DOUBLE, _DOUBLE_DIFF)},
    **{number: {BYTES} for number in (_SHAPE, _RAW, _RAW_DIFF)},
}
_WIDTHS = {_DATA: 4, _DIFF: 4, _DOUBLE: 8, _DOUBLE_DIFF: 8}
_FLOATS = {_DATA: "float32", _DOUBLE: "float64"}
_RAW_TYPES = {0: "float64", 1: "float32", 2: "float16"}  # the enum Type of NVIDIA's caffe.proto
_RAW_HALF = 2
_PREFERENCES = {_DATA: 0, _DOUBLE: 1, _RAW: 2}  # of several that are not empty, the last in this order counts
_BLOB_DEPTH = 2  # a net and a layer are around a blob


def _blob(file: SourceFile, message: Field) -> tuple[Tensor, bool]:
    """A BlobProto, and whether it has the old formats' shape."""
    legacy: dict[int, int] = {}
    shape: list[int] = []
    has_shape = False
    pieces: dict[int, list[Piece]] = {}
    raw_type: int | None = None
    fields = wire.walk(file, message.begin, message.end, _BLOB_DEPTH)
    while (field := next(fields, None)) is not None:
        number = field.number
        if field.kind not in _KINDS.get(number, ()):
            continue
        if number in _LEGACY:
            legacy[number] = _to_signed(field.value, 32)
        elif number == _SHAPE:
            shape += _dims(file, field)
            has_shape = True
        elif number == _RAW_TYPE:
            raw_type = field.value
        elif number == _RAW:
            pieces[_RAW] = [Stretch(file, field.begin, field.end - field.begin)]
        elif field.kind in (FIXED32, FIXED64):
            piece, end = _unpacked(file, field, message.end)
            pieces.setdefault(number, []).append(piece)
            fields = wire.walk(file, end, message.end, _BLOB_DEPTH)
        elif number in _WIDTHS:
            size = field.end - field.begin
            if size % _WIDTHS[number]:
                raise WireError(f"{size} bytes are no numbers of {_WIDTHS[number]} bytes", field.start)
            runs = pieces.setdefault(number, [])
            if size:
                runs.append(Stretch(file, field.begin, size))
        if len(shape) > MOST_AXES or len(pieces.get(number, ())) > _MOST_PARTS:
            raise WireError("a shape or values in too many parts", field.start)
    if legacy:
        shape = [legacy.get(number, 0) for number in _LEGACY]
    known = tuple(shape) if legacy or has_shape else None
    return _checked(known, pieces, raw_type, message.start), bool(legacy)


def _checked(shape: Shape | None, pieces: dict[int, list[Piece]], raw_type: int | None, offset: int) -> Tensor:
    """The tensor of a blob's values. Caffe writes no shape for a scalar; several values without one get one axis."""
    kept = max(
        pieces.keys() & _PREFERENCES.keys(), key=lambda each: (bool(pieces[each]), _PREFERENCES[each]), default=_DATA
    )
    dtype = _FLOATS[kept] if kept != _RAW else _RAW_TYPES.get(-1 if raw_type is None else raw_type)
    if dtype is None:
        raise WireError(f"raw_data of type {raw_type} holds no floats", offset)
    values = tuple(pieces.get(kept, ()))
    size = sum(piece.size for piece in values)
    if shape is None:
        shape = () if size == ITEM_SIZES[dtype] else (size // ITEM_SIZES[dtype],)
    if refusal := shape_refusal(shape):
        raise WireError(refusal, offset)
    tensor = Tensor(shape, dtype, values)
    if size != tensor.nbytes:
        raise WireError(f"shape {dims(tensor.shape)} needs {tensor.nbytes} bytes of {dtype}, it has {size}", offset)
    return tensor


def _dims(file: SourceFile, message: Field) -> Iterator[int]:
    for field in wire.walk(file, message.begin, message.end, _BLOB_DEPTH + 1):
        if field.number == 1 and field.kind == VARINT:
            yield _to_signed(field.value, 64)
        elif field.number == 1 and field.kind == BYTES:
            at = field.begin
            while at < field.end:
                value, at = wire.varint(file, at, field.end)
                yield _to_signed(value, 64)


def _to_signed(value: int, bits: int) -> int:
    """A varint as protobuf reads it into an integer of so many bits: the others are dropped."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half


def _unpacked(file: SourceFile, first: Field, limit: int) -> tuple[Piece, int]:
    """The run of unpacked values that begins with ``first``, each behind a key of its own, and where it ends."""
    import numpy as np

    size = first.end - first.begin
    key, record = file.read(first.start, first.begin - first.start), first.end - first.start
    end = first.start
    while end + record <= limit:
        block = file.read(end, min(CHUNK, limit - end) // record * record)
        keys = np.frombuffer(block, np.uint8).reshape(-1, record)[:, : len(key)]
        same = (keys == np.frombuffer(key, np.uint8)).all(axis=1)
        run = len(same) if same.all() else int(same.argmin())
        end += run * record
        if run < len(same):
            break

    def values() -> Iterator[bytes]:
        step = CHUNK // record * record
        for begin in range(first.start, end, step):
            block = np.frombuffer(file.read(begin, min(step, end - begin)), np.uint8)
            yield block.reshape(-1, record)[:, len(key) :].tobytes()

    return Made((end - first.start) // record * size, values, frozenset((file,))), end


def write(sink: Sink, path: object, layers: Sequence[Layer], head: bytes = b"") -> None:
    """Write a caffemodel in the current format: float32 as data, float64 as double_data, float16 as raw_data.

    Raises `WeightsError`, before anything is written, for more bytes than real Caffe can load.
    """
    if not layers:
        raise WeightsError(path, "would hold no layers, and be no weights file", "write the weights of a net")
    heads = []  # of every layer, what stands before each tensor's values, and alone if it has none
    end = len(head)
    for layer in layers:
        heads.append(_heads(layer, end))
        end += sum(map(len, heads[-1])) + sum(tensor.nbytes for tensor in layer.tensors)
    if end > LARGEST:
        mend = "write a .caffemodel.h5, or float16"
        raise WeightsError(path, f"would take {end} bytes, and Caffe loads no more than {LARGEST}", mend)
    sink.reserve(end)
    sink.write(head)
    for layer, befores in zip(layers, heads, strict=True):
        sink.write(befores[0])
        for before, tensor in zip(befores[1:], layer.tensors, strict=True):
            sink.write(before)
            sink.pour(tensor)


# Bytes whose places in two files differ by a multiple of this are copied a tenth faster: a cache line.
_LINE = 64
_WORTH_ALIGNING = 1 << 20


def _heads(layer: Layer, begin: int) -> list[bytes]:
    """What stands before a layer's parameters, and before each one's values, in a file where it is to ``begin``.

    Large values that the kernel will copy are moved by a few bytes to where they lie on the same cache lines
    as in their source. Moving them may lengthen a length before them, so the places are settled in rounds.
    """
    definition = layer.definition or _definition(layer)
    moves = [0] * len(layer.tensors)
    for _ in range(3):
        blobs = [blob_head(_NUMBERS[_LAYER].blobs, *pair) for pair in zip(layer.tensors, moves, strict=True)]
        size = len(definition) + sum(map(len, blobs)) + sum(tensor.nbytes for tensor in layer.tensors)
        heads = [wire.key(_LAYER, BYTES) + wire.encode_varint(size) + definition, *blobs]
        at, settled = begin + len(heads[0]), moves
        moves = []
        for tensor, blob, move in zip(layer.tensors, blobs, settled, strict=True):
            moves.append(_move(tensor, at + len(blob) - move))
            at += len(blob) - move + moves[-1] + tensor.nbytes
        if moves == settled:
            break
    return heads


def _definition(layer: Layer) -> bytes:
    """What a caffemodel says of a layer that came from a format without definitions."""
    from caffe_fcn.proto import LayerParameter

    return bytes(LayerParameter(name=layer.name, type=layer.type or None).SerializeToString())


def _move(tensor: Tensor, begin: int) -> int:
    """By how much values that would lie at ``begin`` must move to lie on the cache lines of their source."""
    first = tensor.pieces[0] if tensor.pieces else None
    if not isinstance(first, Stretch) or first.size < _WORTH_ALIGNING or tensor.dtype == "float16":
        return 0
    move = (first.begin - begin) % _LINE
    return move if move != 1 else move + _LINE


def blob_head(number: int, tensor: Tensor, move: int = 0) -> bytes:
    """All of a message's field ``number``, a BlobProto, but the values, which must follow.

    The values are moved by ``move`` bytes, which may not be one, by runs of no values before them: packed values
    may come in several runs.
    """
    shape = _field(1, b"".join(map(wire.encode_varint, tensor.shape))) if tensor.shape else b""
    key = wire.key({"float32": _DATA, "float64": _DOUBLE, "float16": _RAW}[tensor.dtype], BYTES)
    inner = _field(_SHAPE, shape)
    if tensor.dtype == "float16":
        inner += wire.key(_RAW_TYPE, VARINT) + wire.encode_varint(_RAW_HALF)
    inner += (key + b"\x00") * ((move - move % 2 * 3) // 2) + (key + b"\x80\x00") * (move % 2)
    inner += key + wire.encode_varint(tensor.nbytes)
    return wire.key(number, BYTES) + wire.encode_varint(len(inner) + tensor.nbytes) + inner


def _field(number: int, value: bytes) -> bytes:
    return wire.key(number, BYTES) + wire.encode_varint(len(value)) + value
