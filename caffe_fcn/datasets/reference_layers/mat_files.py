"""MATLAB files (version 5, which MATLAB calls -v6 and -v7): the matrices of numbers in them, and those within structs.

    label = mat_files.read_matrix(file.read(), "GTcls", "Segmentation")

A file is a row of elements, each with a tag of its type and its size; a matrix is an element that holds its flags, its
dimensions and its name as elements, and then its values, or for a struct the names of its fields and a matrix for each.
Every size is checked against what is there, and what is not asked for is passed over. Like `decoders` this module
stands alone, to run in the Python that pycaffe was built for.

Format: "MAT-File Format", The MathWorks.
"""

# ruff: noqa: UP006, UP032, UP035, UP045 - for old Pythons

import struct
import zlib
from typing import Any, Iterator, Optional, Tuple

import numpy as np

_HEADER = 128
_VERSION = 0x0100
_TAG = 8
_MATRIX, _COMPRESSED = 14, 15
_VALUES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_STRUCT = 2
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"
}  # fmt: skip
_COMPLEX = 0x0800
_MOST_BYTES = 1 << 28  # of an inflated variable: a label of 5000x5000 in float64, and more than any published set has

_Element = Tuple[int, memoryview]


def read_matrix(data: bytes, name: str, field: Optional[str] = None) -> Any:
    """The matrix of that name, H x W, or a ``field`` of the first struct of that name.

    Raises ValueError where the file is damaged, or of another kind, or has no such matrix.
    """
    order = _byte_order(data)
    try:
        for kind, content in _walk_elements(memoryview(data)[_HEADER:], order):
            if kind == _COMPRESSED:
                kind, content = next(_walk_elements(memoryview(_inflate(content)), order), (0, content))
            if kind == _MATRIX:
                parts = _walk_elements(content, order)
                flags = _read_flags(parts, order)
                _read_sizes(parts, order)
                if _read_text(parts) == name:
                    found = content if field is None else _field(parts, flags, field, order)
                    return _read_values(found, order)
    except (StopIteration, zlib.error) as error:
        raise ValueError("a matrix is cut off or damaged") from error
    raise ValueError("has no matrix '{}'".format(name))


def _byte_order(data: bytes) -> str:
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None or struct.unpack(order + "H", data[_HEADER - 4 : _HEADER - 2])[0] != _VERSION:
        raise ValueError("is no MATLAB file of version 5 (-v6 or -v7)")
    return order


def _walk_elements(data: memoryview, order: str) -> Iterator[_Element]:
    """The type and the content of each element; those of four bytes or less may lie in their tag."""
    place = 0
    while len(data) - place >= _TAG:
        kind, size = struct.unpack_from(order + "II", data, place)
        begin, end = place + _TAG, place + _TAG + size
        if kind >> 16:
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end = place + _TAG // 2, place + _TAG // 2 + size
            if size > _TAG // 2:
                raise ValueError("an element in a tag has {} bytes".format(size))
        if end > len(data):
            raise ValueError("is cut off: an element has {} bytes, and {} are there".format(size, len(data) - begin))
        yield kind, data[begin:end]
        padded = kind != _COMPRESSED
        place = max(end + (-end % _TAG if padded else 0), place + _TAG)


def _inflate(data: memoryview) -> bytes:
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(data, _MOST_BYTES)
    if inflater.unconsumed_tail:
        raise ValueError("a matrix has more than {} MiB".format(_MOST_BYTES >> 20))
    return inflated


def _read_numbers(element: _Element, order: str) -> Any:
    kind, content = element
    dtype = np.dtype(order + _VALUES[kind]) if kind in _VALUES else None
    if dtype is None or len(content) % dtype.itemsize:
        raise ValueError("an element of type {} has {} bytes".format(kind, len(content)))
    return np.frombuffer(content, dtype)


def _read_flags(parts: Iterator[_Element], order: str) -> int:
    numbers = _read_numbers(next(parts), order)
    if len(numbers) != 2 or numbers.dtype.kind != "u":
        raise ValueError("a matrix has no flags")
    return int(numbers[0])


def _read_sizes(parts: Iterator[_Element], order: str) -> Any:
    numbers = _read_numbers(next(parts), order)
    if numbers.dtype.kind not in "iu" or len(numbers) < 2 or numbers.min() < 0:
        raise ValueError("a matrix has no dimensions")
    return numbers.tolist()


def _read_text(parts: Iterator[_Element]) -> str:
    return bytes(next(parts)[1]).decode("latin-1")


def _field(parts: Iterator[_Element], flags: int, field: str, order: str) -> memoryview:
    """The matrix of a field of the first of some structs, whose name was read last."""
    if flags & 0xFF != _STRUCT:
        raise ValueError("is not a struct with a field '{}'".format(field))
    width = _read_numbers(next(parts), order)
    names = bytes(next(parts)[1])
    if len(width) != 1 or not 0 < width[0] <= len(names):
        raise ValueError("has no field '{}'".format(field))
    for place in range(0, len(names), int(width[0])):
        kind, content = next(parts)
        name = names[place : place + int(width[0])].partition(b"\0")[0].decode("latin-1")
        if name == field and kind == _MATRIX:
            return content
    raise ValueError("has no field '{}'".format(field))


def _read_values(content: memoryview, order: str) -> Any:
    parts = _walk_elements(content, order)
    flags, sizes = _read_flags(parts, order), _read_sizes(parts, order)
    _read_text(parts)
    class_ = _CLASSES.get(flags & 0xFF)
    if class_ is None or flags & _COMPLEX or len(sizes) != 2:
        raise ValueError("holds no matrix of numbers with two dimensions")
    stored = _read_numbers(next(parts), order)
    if len(stored) != sizes[0] * sizes[1]:
        raise ValueError("has {} values for {}x{}".format(len(stored), *sizes))
    if stored.dtype.kind == "f" and class_[0] != "f":
        raise ValueError("has floats for whole numbers")
    return stored.reshape(sizes, order="F").astype(class_)
