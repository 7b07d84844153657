"""Weights as numpy's ``.npz``: a zip of ``.npy`` files named ``LAYER/INDEX``.

A member that is stored, as `numpy.savez` does, is a stretch of the file; one that is compressed is unpacked
as it is read. Numpy's headers are parsed by numpy, never anything pickled.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from caffe_fcn.errors import WeightsError
from caffe_fcn.weights.layers import Layer, Weights
from caffe_fcn.weights.naming import layers_of, names_of
from caffe_fcn.weights.tensors import CHUNK, ITEM_SIZES, Made, Piece, Shape, SourceFile, Stretch, Tensor, shape_refusal

if TYPE_CHECKING:
    import zipfile

MAGIC = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"  # of a zip without members
NUMPY = b"\x93NUMPY"

LONGEST_HEADER = 1 << 12
_LONGEST_NAME = (1 << 16) - 1 - len(".npy")  # a zip counts a name's bytes in 16 bits
_LENGTH_OF_LENGTH = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}  # bytes, by the version of the format
# A single byte order in the name means the machine's own, which is little-endian wherever this runs.
_DTYPES = {f"{order}f{size}": name for order in "<=" for name, size in ITEM_SIZES.items()}
DENSEST = 1032  # deflate makes no more than this of a byte: a member that declares more is not there
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # its signature, and the lengths of the name and of the extra field
BROKEN = "the file is cut off or damaged: copy or fetch it again"


def read(file: SourceFile) -> Weights:
    """The layers of an ``.npz`` file; raises `WeightsError` naming the array."""
    import zipfile

    try:
        with zipfile.ZipFile(file.path) as archive:
            tensors: dict[str, Tensor] = {}
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name in tensors:
                    raise WeightsError(file.path, f"has two arrays '{name}'", BROKEN)
                tensors[name] = _tensor(file, archive, info)
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
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # numpy writes no other
        raise WeightsError(where, f"is compressed in way {info.compress_type}", "save it with numpy.savez")
    if info.file_size > DENSEST * max(info.compress_size, 1):
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


# numpy's header is the text of a Python dict. It is parsed by this grammar and not by Python, whose parsers raise
# whatever they like for thousands of brackets. A list describes a structured type.
_ENTRY = re.compile(
    r"""\s* (['"]) (?P<key> descr | fortran_order | shape) \1 \s* : \s*
    (?: (['"]) (?P<text> [^'"\\]*) \3 | (?P<flag> True | False) | \( (?P<sides> [^()]*) \) | (?P<list> \[ .* ) )
    \s* (?: , | $ )""",
    re.VERBOSE | re.DOTALL,
)
_SIDE = re.compile(r"\s*(\d{1,39})L?\s*")  # Python 2 wrote its long integers with an L


def parse_header(data: bytes, where: str) -> tuple[Shape, str, int]:
    """Shape, type and length of an ``.npy`` header; raises `WeightsError` for what holds no plain floats."""
    size = _LENGTH_OF_LENGTH.get(data[6:8])
    begin = len(NUMPY) + 2 + (size or 0)
    if not data.startswith(NUMPY) or size is None or len(data) < begin:
        raise WeightsError(where, "is no numpy array", BROKEN)
    end = begin + int.from_bytes(data[begin - size : begin], "little")
    if end > LONGEST_HEADER:
        raise WeightsError(where, f"has a header of {end} bytes, more than {LONGEST_HEADER}", BROKEN)
    entries = _entries(data[begin:end].decode("latin-1")) if end <= len(data) else {}
    if entries.keys() != {"descr", "fortran_order", "shape"}:
        raise WeightsError(where, "has a damaged header", BROKEN)
    kind, fortran, sides = (entries[key] for key in ("descr", "fortran_order", "shape"))
    if kind["list"]:
        raise WeightsError(where, "holds records", "weights are plain arrays of float16, float32 or float64")
    if kind["text"] not in _DTYPES:
        raise WeightsError(where, f"holds {kind['text']}", "weights are little-endian float16, float32 or float64")
    shape = _shape(sides["sides"])
    if shape is None or not fortran["flag"]:
        raise WeightsError(where, "has a damaged header", BROKEN)
    if refusal := shape_refusal(shape):
        raise WeightsError(where, refusal, BROKEN)
    if fortran["flag"] == "True" and len(shape) > 1:
        raise WeightsError(where, "has its axes in Fortran's order", "save numpy.ascontiguousarray of it")
    return shape, _DTYPES[kind["text"]], end


def _entries(text: str) -> dict[str, re.Match[str]]:
    """The entries of a header; none where it is damaged."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return {}
    text, at, entries = text[1:-1].rstrip(), 0, {}
    while at < len(text) and (match := _ENTRY.match(text, at)):
        entries[match["key"]] = match
        if match["list"]:  # what it describes is not needed to refuse it
            return dict.fromkeys(("descr", "fortran_order", "shape"), match)
        at = match.end()
    return entries if at == len(text) else {}


def _shape(text: str | None) -> Shape | None:
    """The numbers between the brackets of a tuple; None where there are other things."""
    if text is None or not text.strip():
        return None if text is None else ()
    parts = text.rstrip().removesuffix(",").split(",")
    matches = [_SIDE.fullmatch(part) for part in parts]
    if len(matches) == 1 and "," not in text:  # (3) is a number
        return None
    return None if None in matches else tuple(int(match[1]) for match in matches if match)


def header_of(tensor: Tensor) -> bytes:
    """The ``.npy`` header of a tensor."""
    from numpy.lib import format as npy

    stream = io.BytesIO()
    npy.write_array_header_1_0(
        stream, {"descr": f"<f{tensor.item_size}", "fortran_order": False, "shape": tensor.shape}
    )
    return stream.getvalue()


def write(out: IO[bytes], path: object, layers: Sequence[Layer]) -> None:
    """Write an uncompressed ``.npz``. Its checksums need every byte: they pass through in chunks.

    Raises `WeightsError` for names that it cannot hold.
    """
    import zipfile

    named = list(names_of(path, layers))
    for name, _ in named:
        if len(name.encode()) > _LONGEST_NAME:
            raise WeightsError(path, f"a name of {len(name)} characters is too long for .npz", "write .safetensors")
    with zipfile.ZipFile(out, "w") as archive:
        for name, tensor in named:
            info = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(header_of(tensor))
                for chunk in tensor.chunks():
                    member.write(chunk)
