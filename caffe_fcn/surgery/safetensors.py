"""Weights as ``.safetensors``: a JSON header of names, types, shapes and offsets, then the bytes.

The format is its own description (https://github.com/huggingface/safetensors), so nothing is needed to read
or to write it. Arrays are named ``LAYER/INDEX``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from caffe_fcn.errors import WeightsError
from caffe_fcn.surgery.layers import Layer, Weights
from caffe_fcn.surgery.naming import layers_of, name_of
from caffe_fcn.surgery.tensors import ITEM_SIZES, Sink, SourceFile, Stretch, Tensor

_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH = 8  # bytes of the header's length
_LONGEST_HEADER = 100_000_000  # the format's own limit
_BROKEN = "the file is cut off or damaged: copy or fetch it again"


def matches(head: bytes) -> bool:
    """Whether a file beginning so is a safetensors file."""
    return head[_LENGTH : _LENGTH + 1] == b"{" and int.from_bytes(head[:_LENGTH], "little") <= _LONGEST_HEADER


def read(file: SourceFile) -> Weights:
    """The layers of a ``.safetensors`` file; raises `WeightsError` naming the array."""
    length = int.from_bytes(file.read(0, _LENGTH), "little")
    if _LENGTH + length > len(file):
        raise WeightsError(file.path, f"has a header of {length} bytes and ends before that", _BROKEN)
    try:
        header = json.loads(file.read(_LENGTH, length), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise WeightsError(file.path, f"its header is no JSON: {error}", _BROKEN) from error
    begin = _LENGTH + length
    tensors = {name: _tensor(file, begin, name, entry) for name, entry in header.items() if name != "__metadata__"}
    return Weights(file, "safetensors", layers_of(file.path, tensors))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice")
    return result


def _tensor(file: SourceFile, data: int, name: str, entry: Any) -> Tensor:
    where = f"{file.path}, array '{name}'"
    match entry:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise WeightsError(where, "its entry in the header makes no sense", _BROKEN)
    if kind not in _DTYPES:
        raise WeightsError(where, f"holds {kind}", f"weights are {', '.join(_DTYPES)}")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise WeightsError(where, f"has the shape {shape}", _BROKEN)
    size = math.prod(shape) * ITEM_SIZES[_DTYPES[kind]]
    if not 0 <= begin <= end <= len(file) - data or end - begin != size:
        raise WeightsError(where, f"needs {size} bytes, the header gives it {begin} to {end}", _BROKEN)
    return Tensor(tuple(shape), _DTYPES[kind], (Stretch(file, data + begin, size),))


def write(sink: Sink, layers: Sequence[Layer]) -> None:
    """Write a safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "caffe"}}
    end = 0
    for layer in layers:
        for index, tensor in enumerate(layer.tensors):
            begin, end = end, end + tensor.nbytes
            header[name_of(layer.name, index)] = {
                "dtype": _NAMES[tensor.dtype],
                "shape": tensor.shape,
                "data_offsets": [begin, end],
            }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % _LENGTH)
    sink.reserve(_LENGTH + len(text) + end)
    sink.write(len(text).to_bytes(_LENGTH, "little") + text)
    for layer in layers:
        for tensor in layer.tensors:
            sink.pour(tensor)
