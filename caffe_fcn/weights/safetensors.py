"""Weights as ``.safetensors``: a JSON header of names, types, shapes and offsets, then the bytes.

The format is its own description (https://github.com/huggingface/safetensors), so nothing is needed to read
or to write it. Arrays are named ``LAYER/INDEX``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from caffe_fcn import strict_json
from caffe_fcn.errors import WeightsError
from caffe_fcn.weights.array_names import group_by_layer, name_arrays
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.layers import Layer, Weights
from caffe_fcn.weights.output_file import OutputFile
from caffe_fcn.weights.tensors import ITEM_SIZES, FileSegment, Shape, Tensor, explain_bad_shape

_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}
_COUNTS = {**_DTYPES, "I64": "int64"}
_ITEM_SIZES = {**ITEM_SIZES, "int64": 8}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH = 8  # bytes of the header's length
_LONGEST_HEADER = 10_000_000  # that is read: room for 100,000 parameters


def read(file: InputFile) -> Weights:
    """The layers of a ``.safetensors`` file; raises `WeightsError` naming the array."""
    return Weights(file, "safetensors", group_by_layer(file.path, read_arrays(file)))


def read_arrays(file: InputFile, leave_out: str = "") -> dict[str, Tensor]:
    """The arrays of a ``.safetensors`` file by name; raises `WeightsError` naming the array.

    Integers of 64 bits under names that end in ``leave_out`` are passed over.
    """
    length = int.from_bytes(file.read(0, _LENGTH), "little")
    if _LENGTH + length > len(file):
        raise WeightsError(file.path, f"has a header of {length} bytes and ends before it does", DAMAGED)
    if length > _LONGEST_HEADER:
        raise WeightsError(file.path, f"has a header of {length} bytes, more than {_LONGEST_HEADER}", DAMAGED)
    try:
        header = strict_json.parse(file.read(_LENGTH, length))
    except ValueError as error:
        raise WeightsError(file.path, f"its header is no JSON: {error}", DAMAGED) from error
    begin = _LENGTH + length
    segments: dict[str, FileSegment] = {}
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            is_left_out = bool(leave_out) and name.endswith(leave_out)
            shape, dtype, segments[name] = _parse_entry(file, begin, name, entry, _COUNTS if is_left_out else _DTYPES)
            if not is_left_out:
                tensors[name] = Tensor(shape, dtype, (segments[name],))
    _check_places(file, begin, segments)
    return tensors


def _check_places(file: InputFile, data: int, segments: dict[str, FileSegment]) -> None:
    """Raise `WeightsError` unless the arrays lie one behind the other, from the header to the end of the file."""
    end = data
    for name, segment in sorted(segments.items(), key=lambda item: (item[1].begin, item[1].size)):
        if segment.begin != end:
            what = "overlaps another" if segment.begin < end else f"leaves {segment.begin - end} bytes before it"
            raise WeightsError(f"{file.path}, array '{name}'", what, DAMAGED)
        end += segment.size
    if end != len(file):
        raise WeightsError(file.path, f"has {len(file) - end} bytes behind its last array", DAMAGED)


def _parse_entry(
    file: InputFile, data: int, name: str, entry: Any, dtypes: Mapping[str, str]
) -> tuple[Shape, str, FileSegment]:
    """The shape and the type of an array, and where its bytes are."""
    where = f"{file.path}, array '{name}'"
    match entry:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [begin, end]} if all(
            type(number) is int  # True is an int, too
            for number in (*shape, begin, end)
        ):
            pass
        case _:
            raise WeightsError(where, "its entry in the header makes no sense", DAMAGED)
    if kind not in dtypes:
        raise WeightsError(where, f"holds {kind!r}", f"weights are {', '.join(_DTYPES)}")
    if reason := explain_bad_shape(shape):
        raise WeightsError(where, reason, DAMAGED)
    size = math.prod(shape) * _ITEM_SIZES[dtypes[kind]]
    if not 0 <= begin <= end <= len(file) - data or end - begin != size:
        raise WeightsError(where, f"needs {size} bytes, the header gives it {begin} to {end}", DAMAGED)
    return tuple(shape), dtypes[kind], FileSegment(file, data + begin, size)


def write(output: OutputFile, path: object, layers: Sequence[Layer]) -> None:
    """Write a safetensors file; raises `WeightsError` for names that it cannot hold."""
    write_arrays(output, path, list(name_arrays(path, layers)), {"format": "caffe"})


def write_arrays(
    output: OutputFile, path: object, arrays: Sequence[tuple[str, Tensor]], metadata: Mapping[str, str]
) -> None:
    """Write arrays under any names; raises `WeightsError` where there are more than a header can hold."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in arrays:
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": tensor.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH)
    if len(text) > _LONGEST_HEADER:
        raise WeightsError(path, f"would have a header of {len(text)} bytes, more than {_LONGEST_HEADER}", "write .npz")
    output.reserve(_LENGTH + len(text) + end)
    output.write(len(text).to_bytes(_LENGTH, "little") + text)
    for _, tensor in arrays:
        output.write_tensor(tensor)
