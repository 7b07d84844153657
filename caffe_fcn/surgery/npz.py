"""Weights as numpy's ``.npz``: a zip of ``.npy`` files named ``LAYER/INDEX``.

A member that is stored, as `numpy.savez` does, is a stretch of the file; one that is compressed is unpacked
as it is read. Numpy's headers are parsed by numpy, never anything pickled.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from caffe_fcn.errors import WeightsError
from caffe_fcn.surgery.layers import Layer, Weights
from caffe_fcn.surgery.naming import layers_of, name_of
from caffe_fcn.surgery.tensors import CHUNK, ITEM_SIZES, Made, Piece, Shape, SourceFile, Stretch, Tensor

if TYPE_CHECKING:
    import zipfile

MAGIC = b"PK\x03\x04"

LONGEST_HEADER = 1 << 12
_DENSEST = 1032  # deflate makes no more than this of a byte: a member that declares more is not there
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # its signature, and the lengths of the name and of the extra field
BROKEN = "the file is cut off or damaged: copy or fetch it again"


def read(file: SourceFile) -> Weights:
    """The layers of an ``.npz`` file; raises `WeightsError` naming the array."""
    import zipfile

    try:
        with zipfile.ZipFile(file.path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            tensors = {name: _tensor(file, archive, info) for name, info in members.items()}
    except _unreadable() as error:
        raise WeightsError(file.path, f"is no zip that can be read: {error}", BROKEN) from error
    return Weights(file, "npz", layers_of(file.path, tensors))


def _unreadable() -> tuple[type[Exception], ...]:
    """What zipfile raises for a zip that is none, or no longer."""
    import zipfile
    import zlib

    return zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError, OverflowError


def _tensor(file: SourceFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Tensor:
    import zipfile

    where = f"{file.path}, array '{info.filename}'"
    if info.file_size > _DENSEST * max(info.compress_size, 1):
        raise WeightsError(where, f"declares {info.file_size} bytes in {info.compress_size}", BROKEN)
    with archive.open(info) as member:
        shape, dtype, header = parse_header(member.read(LONGEST_HEADER), where)
    size = math.prod(shape) * ITEM_SIZES[dtype]
    if info.file_size != header + size:
        raise WeightsError(where, f"needs {header + size} bytes, it has {info.file_size}", BROKEN)
    piece: Piece = Made(size, lambda: _unpacked(file, info, header, where), frozenset((file,)))
    if info.compress_type == zipfile.ZIP_STORED:
        signature, name, extra = _LOCAL_HEADER.unpack(file.read(info.header_offset, _LOCAL_HEADER.size))
        begin = info.header_offset + _LOCAL_HEADER.size + name + extra + header
        if signature != MAGIC or begin + size > len(file):
            raise WeightsError(where, "does not lie where the zip says", BROKEN)
        piece = Stretch(file, begin, size)
    return Tensor(shape, dtype, (piece,))


def _unpacked(file: SourceFile, info: zipfile.ZipInfo, header: int, where: str) -> Iterator[bytes]:
    import zipfile

    try:
        with zipfile.ZipFile(file.path) as archive, archive.open(info) as member:
            member.read(header)
            left = info.file_size - header
            while left > 0 and (chunk := member.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except _unreadable() as error:
        raise WeightsError(where, f"cannot be unpacked: {error}", BROKEN) from error
    if left:
        raise WeightsError(where, f"ends {left} bytes early", BROKEN)


def parse_header(data: bytes, where: str) -> tuple[Shape, str, int]:
    """Shape, type and length of an ``.npy`` header; raises `WeightsError` for what holds no plain floats."""
    from numpy.lib import format as npy

    stream = io.BytesIO(data)
    try:
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, fortran, kind = readers[npy.read_magic(stream)](stream)
    except (ValueError, KeyError) as error:
        raise WeightsError(where, "is no numpy array", BROKEN) from error
    if kind.name not in ITEM_SIZES or kind.byteorder == ">":
        raise WeightsError(where, f"holds {kind}", "weights are little-endian float16, float32 or float64")
    if fortran and len(shape) > 1:
        raise WeightsError(where, "has its axes in Fortran's order", "save numpy.ascontiguousarray of it")
    if any(side < 0 for side in shape):
        raise WeightsError(where, f"has the shape {shape}", BROKEN)
    return tuple(shape), kind.name, stream.tell()


def header_of(tensor: Tensor) -> bytes:
    """The ``.npy`` header of a tensor."""
    from numpy.lib import format as npy

    stream = io.BytesIO()
    npy.write_array_header_1_0(
        stream, {"descr": f"<f{tensor.item_size}", "fortran_order": False, "shape": tensor.shape}
    )
    return stream.getvalue()


def write(out: IO[bytes], path: object, layers: Sequence[Layer]) -> None:
    """Write an uncompressed ``.npz``. Its checksums need every byte: they pass through in chunks."""
    import zipfile

    with zipfile.ZipFile(out, "w") as archive:
        for layer in layers:
            for index, tensor in enumerate(layer.tensors):
                info = zipfile.ZipInfo(f"{name_of(layer.name, index)}.npy")
                with archive.open(info, "w", force_zip64=True) as member:
                    member.write(header_of(tensor))
                    for chunk in tensor.chunks():
                        member.write(chunk)
