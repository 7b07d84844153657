"""Containers taken apart, changed inside, and put together again with sound lengths and checksums."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from random import Random
from typing import NamedTuple

from fuzz.mutations import damaged, damaged_text, number_near

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Chunk(NamedTuple):
    """A chunk of a PNG."""

    kind: bytes
    data: bytes


def png_chunks(data: bytes) -> list[Chunk]:
    """The chunks of a sound PNG."""
    chunks, at = [], len(SIGNATURE)
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        chunks.append(Chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def png_of(chunks: list[Chunk]) -> bytes:
    """A PNG of these chunks, with their lengths and checksums."""
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


_STRANGE = [
    Chunk(b"gAMA", b"\0\0"),
    Chunk(b"gAMA", b"\0\0\0\0"),
    Chunk(b"tRNS", b"\0"),
    Chunk(b"tRNS", b"\0\xff\x10"),
    Chunk(b"PLTE", b"\1\2\3\4"),
    Chunk(b"PLTE", bytes(range(256)) * 3),
    Chunk(b"iCCP", b"x\0\0" + zlib.compress(b"junk")),
    Chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 22), 9)),
    Chunk(b"tEXt", b"k\0\xff\xfe"),
    Chunk(b"iTXt", b"k\0\1\0\0\0junk"),
    Chunk(b"pHYs", b"\0"),
    Chunk(b"cHRM", b"\0\0"),
    Chunk(b"acTL", b"\0\0\0\2\0\0\0\0"),
    Chunk(b"fcTL", b"\0"),
    Chunk(b"eXIf", b"MM\0*\0\0\0\xff"),
    Chunk(b"IEND", b""),
]


def damaged_png(random: Random, data: bytes) -> bytes:
    """A PNG with a header, palette, chunk or pixels changed, and every checksum right."""
    chunks = png_chunks(data)
    place = random.randrange(len(chunks))
    draw = random.randrange(7)
    if draw == 0:
        fields = list(struct.unpack(">IIBBBBB", chunks[0].data))
        which = random.randrange(7)
        limit = 1 << (32 if which < 2 else 8)
        fields[which] = number_near(random, fields[which]) % limit
        chunks[0] = Chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))
    elif draw == 1:
        chunks.insert(place, random.choice(_STRANGE))
    elif draw == 2:
        del chunks[place]
    elif draw == 3:
        chunks.insert(random.randrange(len(chunks)), chunks[place])
    elif draw == 4:
        chunks[place] = Chunk(chunks[place].kind, damaged(random, chunks[place].data))
    else:
        pixels = b"".join(chunk.data for chunk in chunks if chunk.kind == b"IDAT")
        packed = zlib.compress(damaged(random, zlib.decompress(pixels)))
        first = next(number for number, chunk in enumerate(chunks) if chunk.kind == b"IDAT")
        chunks = [chunk for chunk in chunks if chunk.kind != b"IDAT"]
        chunks.insert(first, Chunk(b"IDAT", packed))
    return png_of(chunks)


def damaged_jpeg(random: Random, data: bytes) -> bytes:
    """A JPEG with a segment (its size, tables, a comment) changed, or its scan."""
    segments, at = [], 2
    while data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
    scan = data[at:]
    place = random.randrange(len(segments))
    marker, body = segments[place]
    draw = random.randrange(4)
    if draw == 0:
        scan = damaged(random, scan)
    elif draw == 1:
        segments[place] = marker, damaged(random, body)
    elif draw == 2:
        del segments[place]
    else:
        kind = random.choice([0xE1, 0xE2, 0xEE, 0xFE, 0xC4, 0xDD])
        segments.insert(place, (kind, random.choice([b"Exif\0\0MM\0*\0\0\0\x08\0\xff", b"", b"Adobe\0d\0\0\0\0\2"])))
    parts = (bytes([0xFF, kind]) + (len(inner) + 2).to_bytes(2, "big") + inner for kind, inner in segments)
    return b"\xff\xd8" + b"".join(parts) + scan


def gzipped(data: bytes) -> bytes:
    """The bytes in a gzip file that tells no time."""
    return gzip.compress(data, mtime=0)


def damaged_npy(random: Random, data: bytes) -> bytes:
    """An .npy with its header's text or its values changed, and the header's length right."""
    size = int.from_bytes(data[8:10], "little")
    header, values = data[10 : 10 + size], data[10 + size :]
    draw = random.randrange(8)
    if draw == 0:
        values = damaged(random, values)
    elif draw <= 2:  # the values alone
        place = random.randrange(max(1, len(values)))
        values = values[:place] + random.randbytes(1) + values[place + 1 :]
    elif draw == 3:  # the same in another shape
        header = header.replace(b"(", b"(1, ", 1).replace(b", )", b",)")
    elif draw <= 5:
        old, new = random.choice(_NPY_WORDS)
        header = header.replace(old, new)
    else:
        header = damaged_text(random, header.decode()).encode()
    return data[:8] + min(len(header), 65535).to_bytes(2, "little") + header + values


_NPY_WORDS = [
    (b"<f4", b"<f8"), (b"<f4", b">f4"), (b"<f4", b"<f2"), (b"<f4", b"|O"), (b"<f4", b"<i4"), (b"<f4", b"|V0"),
    (b"'<f4'", b"[('a', '<f4')]"), (b"False", b"True"), (b"(", b"(1, "), (b"(", b"(0, "), (b"(", b"(-1, "),
    (b"(", b"(10**9, "), (b"(", b"(" + b"1, " * 40), (b"}", b""), (b"{", b"{{"), (b"(", b"((("),
    (b"shape", b"shap"), (b"(", b"(1000000000000000000000000000000, "), (b"False", b"0"),
]  # fmt: skip


def zip_members(data: bytes) -> list[tuple[str, bytes]]:
    """The names and contents of a sound zip file."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zip_of(members: list[tuple[str, bytes]], compress: bool = False) -> bytes:
    """A zip file of these members, of no time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return out.getvalue()


def damaged_zip(random: Random, data: bytes, names: list[str]) -> bytes:
    """An .npz with a member changed, renamed to one of ``names``, lost or doubled, and every checksum right."""
    members = zip_members(data)
    place = random.randrange(len(members))
    name, content = members[place]
    draw = random.randrange(8)
    if draw == 0:
        members[place] = random.choice(names), content
    elif draw == 1:
        del members[place]
    elif draw == 2:
        members.append((name, damaged_npy(random, content)))
    elif draw == 4:
        random.shuffle(members)
    elif draw == 5:  # of the same kind under another layer's name
        members[place] = name, random.choice(members)[1]
    elif draw == 3:
        members[place] = name, damaged(random, content)
    else:
        members[place] = name, damaged_npy(random, content)
    return zip_of(members, random.random() < 0.3)


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar of these files, of no time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def damaged_tar(random: Random, data: bytes) -> bytes:
    """A tar with a member's name, kind, size or numbers changed, and its checksum right."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        starts = [member.offset for member in archive.getmembers()]
    start = random.choice(starts)
    header = bytearray(data[start : start + 512])
    field, size = random.choice([(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)])
    kinds = [b"0", b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"\0", b"Z"]
    value = damaged(random, bytes(header[field : field + size]))
    if size == 1:
        value = random.choice(kinds)
    elif size in (8, 12):
        value = random.choice([value, b"%o" % (abs(number_near(random, 512)) % 8**11), b"\x80" + b"\xff" * 7])
    header[field : field + size] = value[:size].ljust(size, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:start] + bytes(header) + data[start + 512 :]


_COMPRESSED = 15  # the element of a MATLAB file that holds another one, compressed


def damaged_mat(random: Random, data: bytes) -> bytes:
    """A MATLAB file of one compressed element with its inside changed, compressed again."""
    kind, size = struct.unpack("<II", data[128:136])
    if kind != _COMPRESSED:
        return data[:128] + damaged(random, data[128:])
    packed = zlib.compress(damaged(random, zlib.decompress(data[136 : 136 + size])))
    return data[:128] + struct.pack("<II", _COMPRESSED, len(packed)) + packed
