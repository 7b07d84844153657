"""Weights as numpy's ``.npz``: a zip of ``.npy`` files named ``LAYER/INDEX``.

A member that is stored, as `numpy.savez` stores it, is a segment of the file; a compressed one is unpacked while it is
read. Nothing pickled is read: the headers are parsed here.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from caffe_fcn.errors import WeightsError
from caffe_fcn.weights import signatures
from caffe_fcn.weights.array_names import group_by_layer, name_arrays
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.layers import Layer, Weights
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

if TYPE_CHECKING:
    import zipfile


LONGEST_HEADER = 1 << 12
_LONGEST_NAME = (1 << 16) - 1 - len(".npy")  # a zip counts a name's bytes in 16 bits
_LENGTH_OF_LENGTH = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}  # bytes, by the version of the format
# A single byte order in the name means the machine's own, which is little-endian wherever this runs.
_DTYPES = {f"{order}f{size}": name for order in "<=" for name, size in ITEM_SIZES.items()}
DENSEST = 1032  # deflate packs at most so many bytes into one: a member that declares more is damaged
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # its signature, and the lengths of the name and of the extra field


def read(file: InputFile) -> Weights:
    """The layers of an ``.npz`` file; raises `WeightsError` naming the array."""
    import zipfile

    try:
        with zipfile.ZipFile(file.path) as archive:
            tensors: dict[str, Tensor] = {}
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name in tensors:
                    raise WeightsError(file.path, f"has two arrays '{name}'", DAMAGED)
                tensors[name] = _read_tensor(file, archive, info)
    except _zip_errors() as error:
        raise WeightsError(file.path, f"is not a zip that can be read: {error}", DAMAGED) from error
    return Weights(file, "npz", group_by_layer(file.path, tensors))


def _zip_errors() -> tuple[type[Exception], ...]:
    """The errors that zipfile raises for a file that is not a zip, or a damaged one."""
    import zipfile
    import zlib

    return zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError, OverflowError


def _read_tensor(file: InputFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Tensor:
    import zipfile

    where = f"{file.path}, array '{info.filename}'"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # numpy writes no other
        raise WeightsError(where, f"is compressed in way {info.compress_type}", "save it with numpy.savez")
    if info.file_size > DENSEST * max(info.compress_size, 1):
        raise WeightsError(where, f"declares {info.file_size} bytes in {info.compress_size}", DAMAGED)
    with archive.open(info) as member:
        shape, dtype, header = parse_header(member.read(LONGEST_HEADER), where)
    size = math.prod(shape) * ITEM_SIZES[dtype]
    if info.file_size != header + size:
        raise WeightsError(where, f"needs {header + size} bytes, it has {info.file_size}", DAMAGED)
    segment: Segment = GeneratedSegment(size, lambda: _unpack(file, info, header, where), frozenset((file,)))
    if info.compress_type == zipfile.ZIP_STORED:
        signature, name, extra = _LOCAL_HEADER.unpack(file.read(info.header_offset, _LOCAL_HEADER.size))
        begin = info.header_offset + _LOCAL_HEADER.size + name + extra + header
        if signature != signatures.ZIP or begin + size > len(file):
            raise WeightsError(where, "does not lie where the zip says", DAMAGED)
        segment = FileSegment(file, begin, size)
    return Tensor(shape, dtype, (segment,))


def _unpack(file: InputFile, info: zipfile.ZipInfo, header: int, where: str) -> Iterator[bytes]:
    import zipfile

    try:
        with zipfile.ZipFile(file.path) as archive, archive.open(info) as member:
            member.read(header)
            left = info.file_size - header
            while left > 0 and (chunk := member.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except _zip_errors() as error:
        raise WeightsError(where, f"cannot be unpacked: {error}", DAMAGED) from error
    if left:
        raise WeightsError(where, f"ends {left} bytes early", DAMAGED)


# numpy's header is the text of a Python dict. It is parsed by this grammar and not by Python, whose parsers raise
# various errors for thousands of brackets. A list describes a structured type.
_ENTRY = re.compile(
    r"""\s* (['"]) (?P<key> descr | fortran_order | shape) \1 \s* : \s*
    (?: (['"]) (?P<text> [^'"\\]*) \3 | (?P<flag> True | False) | \( (?P<sides> [^()]*) \) | (?P<list> \[ .* ) )
    \s* (?: , | $ )""",
    re.VERBOSE | re.DOTALL,
)
_SIDE = re.compile(r"\s*(\d{1,39})L?\s*")  # Python 2 wrote its long integers with an L


def parse_header(data: bytes, where: str) -> tuple[Shape, str, int]:
    """Shape, type and length of an ``.npy`` header; raises `WeightsError` unless the array is one of plain floats."""
    size = _LENGTH_OF_LENGTH.get(data[6:8])
    begin = len(signatures.NPY) + 2 + (size or 0)
    if not data.startswith(signatures.NPY) or size is None or len(data) < begin:
        raise WeightsError(where, "is not a numpy array", DAMAGED)
    end = begin + int.from_bytes(data[begin - size : begin], "little")
    if end > LONGEST_HEADER:
        raise WeightsError(where, f"has a header of {end} bytes, more than {LONGEST_HEADER}", DAMAGED)
    entries = _parse_entries(data[begin:end].decode("latin-1")) if end <= len(data) else {}
    if entries.keys() != {"descr", "fortran_order", "shape"}:
        raise WeightsError(where, "has a damaged header", DAMAGED)
    kind, fortran, sides = (entries[key] for key in ("descr", "fortran_order", "shape"))
    if kind["list"]:
        raise WeightsError(where, "holds records", "weights are plain arrays of float16, float32 or float64")
    if kind["text"] not in _DTYPES:
        raise WeightsError(where, f"holds {kind['text']!r}", "weights are little-endian float16, float32 or float64")
    shape = _parse_shape(sides["sides"])
    if shape is None or not fortran["flag"]:
        raise WeightsError(where, "has a damaged header", DAMAGED)
    if reason := explain_bad_shape(shape):
        raise WeightsError(where, reason, DAMAGED)
    if fortran["flag"] == "True" and len(shape) > 1:
        raise WeightsError(where, "has its axes in Fortran's order", "save numpy.ascontiguousarray of it")
    return shape, _DTYPES[kind["text"]], end


def _parse_entries(text: str) -> dict[str, re.Match[str]]:
    """The entries of a header, by key; empty where the header is damaged."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return {}
    text, at, entries = text[1:-1].rstrip(), 0, {}
    while at < len(text) and (match := _ENTRY.match(text, at)):
        entries[match["key"]] = match
        if match["list"]:  # its contents are not needed to refuse it
            return dict.fromkeys(("descr", "fortran_order", "shape"), match)
        at = match.end()
    return entries if at == len(text) else {}


def _parse_shape(text: str | None) -> Shape | None:
    """The shape between the brackets of a tuple; None where there is anything but numbers."""
    if text is None or not text.strip():
        return None if text is None else ()
    parts = text.rstrip().removesuffix(",").split(",")
    matches = [_SIDE.fullmatch(part) for part in parts]
    if len(matches) == 1 and "," not in text:  # (3) is a number, not a tuple
        return None
    return None if None in matches else tuple(int(match[1]) for match in matches if match)


def _make_header(tensor: Tensor) -> bytes:
    """The ``.npy`` header of a tensor."""
    from numpy.lib import format as npy

    stream = io.BytesIO()
    npy.write_array_header_1_0(
        stream, {"descr": f"<f{tensor.item_size}", "fortran_order": False, "shape": tensor.shape}
    )
    return stream.getvalue()


def write(out: IO[bytes], path: object, layers: Sequence[Layer]) -> None:
    """Write an uncompressed ``.npz``; for its checksums every byte passes through this process, in chunks.

    Raises `WeightsError` for names that it cannot hold.
    """
    import zipfile

    named = list(name_arrays(path, layers))
    for name, _ in named:
        if len(name.encode()) > _LONGEST_NAME:
            raise WeightsError(path, f"a name of {len(name)} characters is too long for .npz", "write .safetensors")
    with zipfile.ZipFile(out, "w") as archive:
        for name, tensor in named:
            info = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(_make_header(tensor))
                for chunk in tensor.chunks():
                    member.write(chunk)
