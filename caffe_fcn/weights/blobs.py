"""BlobProto, Caffe's message for one array: read as a handle on its values, and written as the bytes before them.

Reading walks keys and lengths and passes over the numbers. Several fields of the message may hold values: float,
double, or the raw_data of NVIDIA's Caffe (0.16 and later) with 16, 32 or 64 bits each, all of them packed or not.
Where more than one field holds values, Caffe's choice is taken (Blob::FromProto in src/caffe/blob.cpp).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import MOST_AXES, dims
from caffe_fcn.proto import wire
from caffe_fcn.proto.wire import BYTES, FIXED32, FIXED64, VARINT, Field, WireError
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.tensors import (
    CHUNK,
    ITEM_SIZES,
    FileSegment,
    GeneratedSegment,
    Segment,
    Shape,
    Tensor,
    explain_bad_shape,
)

# The numbers of BlobProto's fields
_LEGACY_SIDES = (1, 2, 3, 4)  # num, channels, height, width
_DATA, _DIFF, _SHAPE, _DOUBLE, _DOUBLE_DIFF, _RAW_TYPE, _RAW = 5, 6, 7, 8, 9, 10, 12
_SHAPE_DIM = 1  # BlobShape.dim

_RAW_DTYPES = {0: "float64", 1: "float32", 2: "float16"}  # the enum Type of NVIDIA's caffe.proto
_RAW_HALF = 2
_MOST_SEGMENTS = 1 << 12  # of one field: a file with more of them costs more memory than it has bytes
_DEPTH = 2  # messages around a blob: a net and a layer


def read_blob(file: InputFile, field: Field | None = None) -> Tensor:
    """The BlobProto in a field, or the one that the whole file is (a mean); raises `WeightsError` naming the byte."""
    try:
        return parse_blob(file, field or Field(0, BYTES, 0, 0, len(file), 0))[0]
    except WireError as error:
        raise WeightsError(f"{file.path}, byte {error.offset}", str(error), DAMAGED) from error


def parse_blob(file: InputFile, message: Field) -> tuple[Tensor, bool]:
    """A blob, and whether it has the four numbers of the old formats for a shape; raises `WireError`."""
    blob = _Blob(file, message.end)
    fields = wire.walk(file, message.begin, message.end, _DEPTH)
    while (found := next(fields, None)) is not None:
        read = _READERS.get((found.number, found.kind))
        if read is None:  # unknown, or known with another wire type, which protobuf treats alike
            continue
        end = read(blob, found)
        if end != found.end:
            fields = wire.walk(file, end, message.end, _DEPTH)
        if len(blob.shape) > MOST_AXES or len(blob.segments.get(found.number, ())) > _MOST_SEGMENTS:
            raise WireError("a shape or values in too many parts", found.start)
    return _make_tensor(blob, message.start), bool(blob.legacy)


@dataclass
class _Blob:
    """What has been read of a blob that ends at byte ``limit``: its shapes, and by field the segments with values."""

    file: InputFile
    limit: int
    legacy: dict[int, int] = dataclasses.field(default_factory=dict)
    shape: list[int] = dataclasses.field(default_factory=list)
    has_shape: bool = False
    segments: dict[int, list[Segment]] = dataclasses.field(default_factory=dict)
    raw_type: int | None = None


# Readers of fields. Each adds what a field holds to the blob, and returns the position behind what it has read.


def _read_legacy_side(blob: _Blob, field: Field) -> int:
    blob.legacy[field.number] = _to_signed(field.value, 32)
    return field.end


def _read_shape(blob: _Blob, field: Field) -> int:
    blob.shape += _read_dims(blob.file, field)
    blob.has_shape = True
    return field.end


def _read_raw_type(blob: _Blob, field: Field) -> int:
    blob.raw_type = field.value
    return field.end


def _read_raw(blob: _Blob, field: Field) -> int:
    blob.segments[field.number] = [FileSegment(blob.file, field.begin, field.end - field.begin)]
    return field.end


def _read_packed(blob: _Blob, field: Field) -> int:
    size, width = field.end - field.begin, _WIDTHS[field.number]
    if size % width:
        raise WireError(f"{size} bytes are no numbers of {width} bytes", field.start)
    segments = blob.segments.setdefault(field.number, [])
    if size:
        segments.append(FileSegment(blob.file, field.begin, size))
    return field.end


def _read_unpacked(blob: _Blob, first: Field) -> int:
    """Read a run of values, each behind a key of its own, as one segment."""
    import numpy as np

    file, size = blob.file, first.end - first.begin
    key, record = file.read(first.start, first.begin - first.start), first.end - first.start
    end = first.start
    while end + record <= blob.limit:
        block = file.read(end, min(CHUNK, blob.limit - end) // record * record)
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

    segment = GeneratedSegment((end - first.start) // record * size, values, frozenset((file,)))
    blob.segments.setdefault(first.number, []).append(segment)
    return end


_READERS: dict[tuple[int, int], Callable[[_Blob, Field], int]] = {
    **{(number, VARINT): _read_legacy_side for number in _LEGACY_SIDES},
    (_SHAPE, BYTES): _read_shape,
    (_DATA, BYTES): _read_packed,
    (_DATA, FIXED32): _read_unpacked,
    (_DIFF, BYTES): _read_packed,
    (_DIFF, FIXED32): _read_unpacked,
    (_DOUBLE, BYTES): _read_packed,
    (_DOUBLE, FIXED64): _read_unpacked,
    (_DOUBLE_DIFF, BYTES): _read_packed,
    (_DOUBLE_DIFF, FIXED64): _read_unpacked,
    (_RAW_TYPE, VARINT): _read_raw_type,
    (_RAW, BYTES): _read_raw,
}
_WIDTHS = {_DATA: 4, _DIFF: 4, _DOUBLE: 8, _DOUBLE_DIFF: 8}  # bytes of a packed value

# The fields whose values count, with their types (raw_data has its type beside it). Of several fields with values the
# one of the highest number counts; differences (diff, double_diff, raw_diff) never do.
_VALUES = {_DATA: "float32", _DOUBLE: "float64", _RAW: ""}


def _make_tensor(blob: _Blob, offset: int) -> Tensor:
    """The tensor of a blob's values.

    Caffe writes no shape for a scalar; several values without a shape get one axis. Raises `WireError` where shape
    and values do not fit each other.
    """
    segments = {number: blob.segments[number] for number in _VALUES if number in blob.segments}
    kept = max(segments, key=lambda number: (bool(segments[number]), number), default=_DATA)
    dtype = _VALUES[kept] or _RAW_DTYPES.get(-1 if blob.raw_type is None else blob.raw_type)
    if dtype is None:
        raise WireError(f"raw_data of type {blob.raw_type} holds no floats", offset)
    values = tuple(segments.get(kept, ()))
    size = sum(segment.size for segment in values)
    shape = _shape_of(blob)
    if shape is None:
        shape = () if size == ITEM_SIZES[dtype] else (size // ITEM_SIZES[dtype],)
    if reason := explain_bad_shape(shape):
        raise WireError(reason, offset)
    tensor = Tensor(shape, dtype, values)
    if size != tensor.nbytes:
        raise WireError(f"shape {dims(tensor.shape)} needs {tensor.nbytes} bytes of {dtype}, it has {size}", offset)
    return tensor


def _shape_of(blob: _Blob) -> Shape | None:
    """The shape that a blob names: the four numbers, where it has both them and a shape message."""
    if blob.legacy:
        return tuple(blob.legacy.get(number, 0) for number in _LEGACY_SIDES)
    return tuple(blob.shape) if blob.has_shape else None


def _read_dims(file: InputFile, message: Field) -> Iterator[int]:
    """The numbers of a BlobShape."""
    for field in wire.walk(file, message.begin, message.end, _DEPTH + 1):
        if field.number != _SHAPE_DIM:
            continue
        if field.kind == VARINT:
            yield _to_signed(field.value, 64)
        elif field.kind == BYTES:
            position = field.begin
            while position < field.end:
                value, position = wire.read_varint(file, position, field.end)
                yield _to_signed(value, 64)


def _to_signed(value: int, bits: int) -> int:
    """A varint as protobuf reads it into an integer of so many bits: higher bits are dropped."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half


def encode_blob_head(number: int, tensor: Tensor, move: int = 0) -> bytes:
    """A message's field ``number``, a BlobProto, without the values, which must follow.

    float32 goes into data, float64 into double_data, float16 into raw_data. The values are moved by ``move`` bytes,
    which may not be one, by runs of no values before them: packed values may come in several runs.
    """
    values = {"float32": _DATA, "float64": _DOUBLE, "float16": _RAW}[tensor.dtype]
    key = wire.encode_key(values, BYTES)
    shape = b"".join(map(wire.encode_varint, tensor.shape))
    inner = wire.encode_bytes(_SHAPE, wire.encode_bytes(_SHAPE_DIM, shape) if shape else b"")
    if values == _RAW:
        inner += wire.encode_key(_RAW_TYPE, VARINT) + wire.encode_varint(_RAW_HALF)
    inner += (key + b"\x00") * ((move - move % 2 * 3) // 2) + (key + b"\x80\x00") * (move % 2)
    inner += key + wire.encode_varint(tensor.nbytes)
    return wire.encode_key(number, BYTES) + wire.encode_varint(len(inner) + tensor.nbytes) + inner
