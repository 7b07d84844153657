"""What is uploaded: archives of images and labels, unpacked into the workspace, or refused whole.

    unpack(Path("photos.zip"), Path("uploads/photos"), Bounds(total=settings.most_uploaded))

Nobody vouches for an archive. A member whose name leads outside, a link, a device, a name that stands there twice, and
more bytes than the bounds are refused by one sentence, and nothing is left of what was unpacked before. Sizes that the
archive claims are believed only where they are too large: bytes are counted while they are unpacked. An archive in an
archive stays a file. Hidden files, and what macOS adds, are passed over.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from caffe_fcn import files
from caffe_fcn.errors import FileError

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2")
"""How the names of archives end that are unpacked."""

_BLOCK = 1 << 20
_BACK = 1 << 10  # bytes that `_Forward` can go back, for tarfile steps back by one
_DISTRUST = "don't trust this archive"
_DAMAGED = "make it again"
_MOST_NAME, _MOST_DEPTH, _MOST_PATH = 255, 32, 1000
_RESERVE = 256 << 20  # bytes that stay free on the disk
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error, gzip.BadGzipFile),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError),  # of headers that make no sense
)


@dataclass(frozen=True)
class Bounds:
    """What an archive may unpack to: ``total`` bytes, ``members`` files and folders, ``ratio`` times its own size."""

    total: int
    members: int = 500_000
    ratio: int = 200
    spared: int = 64 << 20
    """Bytes up to which the ratio does not count: labels of one colour compress a thousandfold."""

    def limit(self, size: int) -> int:
        """Return the bytes that an archive of ``size`` bytes may unpack to."""
        return min(self.total, max(self.spared, self.ratio * size))


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive."""

    files: int
    bytes: int


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive."""
    return name.lower().endswith(ENDINGS)


def unpack(archive: Path, target: Path, bounds: Bounds) -> Unpacked:
    """Unpack an archive into the new folder ``target``, which appears when all of it is there.

    Raises `FileError` with one sentence where the archive is refused, and leaves nothing.
    """
    with growing_folder(target) as place, files.naming_errors(archive.name):
        writer = _Writer(place, archive.name, bounds, bounds.limit(archive.stat().st_size))
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, writer)
            else:
                _unpack_tar(archive, writer)
        except _FAULTS as error:
            what = f"is not an archive, or is damaged: {error or type(error).__name__}"
            raise FileError(archive.name, what.splitlines()[0], "a .zip, .tar, .tar.gz or .tar.bz2 is read") from error
        if not writer.made.files:
            raise FileError(archive.name, "has no files in it", "put images and labels into it")
        return writer.made


@contextmanager
def growing_folder(target: Path) -> Iterator[Path]:
    """Make a folder that becomes ``target`` when the block ends, and is removed where it fails."""
    with files.naming_errors(target):
        if target.exists():
            raise FileError(target.name, "is there already", "choose another name")
        target.parent.mkdir(parents=True, exist_ok=True)
        files.remove_leftovers(target)
        place = files.temporary_name(target)
        place.mkdir()
    try:
        yield place
        with files.naming_errors(target):
            place.rename(target)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def check_name(name: str, where: str) -> tuple[str, ...]:
    """Return the parts of a relative path that somebody sent; raises `FileError` where it leads outside, or is odd.

    A path with a hidden part, or one of macOS's own, has no parts.
    """
    shown = name.encode("utf-8", "backslashreplace").decode()[:80]
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or "\\" in name or ".." in parts or name[1:2] == ":":
        raise FileError(where, f"the name {shown!r} leads outside", _DISTRUST)
    if not parts and name.strip("./"):
        raise FileError(where, f"the name {shown!r} is none", _DISTRUST)
    if any(not part.isprintable() or len(part.encode("utf-8", "replace")) > _MOST_NAME for part in parts):
        raise FileError(where, f"the name {shown!r} is not one that a file should have", "rename it")
    if len(parts) > _MOST_DEPTH or len(name) > _MOST_PATH:
        raise FileError(where, f"the name {shown!r} is too long", "rename it")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return ()
    return parts


class _Writer:
    """Writes members into a folder, and counts."""

    def __init__(self, place: Path, where: str, bounds: Bounds, limit: int) -> None:
        self.made = Unpacked(0, 0)
        self._place = place
        self._where = where
        self._bounds = bounds
        self._limit = limit
        self._members = 0
        self._bytes = 0
        self._seen: set[tuple[str, ...]] = set()

    def take(self, name: str, is_plain: bool, size: int) -> Path | None:
        """Return where to write a member; None for one that is passed over. Raises `FileError` for one refused."""
        self._members += 1
        if self._members > self._bounds.members:
            raise FileError(self._where, f"has more than {self._bounds.members:,} members", _DISTRUST)
        parts = check_name(name, self._where)
        if not is_plain:
            raise FileError(self._where, f"its member {_show(name)} is a link or a device", "put files into it")
        if self._bytes + size > self._limit:
            raise self._too_large()
        if size > shutil.disk_usage(self._place).free - _RESERVE:
            raise FileError(self._where, "does not fit on the disk", "free some space")
        if not parts:
            return None
        if parts in self._seen:
            raise FileError(self._where, f"has the name {_show(name)} twice", "keep one of them")
        self._seen.add(parts)
        path = self._place.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise FileError(self._where, f"has {_show(name)} in a file", _DISTRUST) from error
        if path.exists():
            raise FileError(self._where, f"has {_show(name)} as a file and as a folder", _DISTRUST)
        return path

    def write(self, path: Path, content: IO[bytes]) -> None:
        """Write a member; raises `FileError` as soon as there are more bytes than may be."""
        with path.open("xb") as file:
            while block := content.read(_BLOCK):
                self._bytes += len(block)
                if self._bytes > self._limit:
                    raise self._too_large()
                file.write(block)
        self.made = Unpacked(self.made.files + 1, self._bytes)

    def _too_large(self) -> FileError:
        if self._limit == self._bounds.total:
            return FileError(self._where, f"unpacks to more than {self._limit:,} bytes", "split it")
        what = f"unpacks to more than {self._bounds.ratio} times its size"
        return FileError(self._where, what, _DISTRUST)


def _unpack_zip(archive: Path, writer: _Writer) -> None:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            is_folder = member.filename.endswith("/")
            path = writer.take(member.filename, is_plain, 0 if is_folder else member.file_size)
            if member.flag_bits & 1:
                raise FileError(
                    archive.name, f"its member {_show(member.filename)} needs a password", "pack it without"
                )
            if path is not None and not is_folder:
                with opened.open(member) as content:
                    writer.write(path, content)


def _unpack_tar(archive: Path, writer: _Writer) -> None:
    with _decompress(archive) as plain:
        reader = _Forward(plain, writer)
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all in memory
                is_file = member.isreg() and not member.issparse()
                path = writer.take(member.name, is_file or member.isdir(), member.size if is_file else 0)
                if path is not None and is_file:
                    reader.seek(member.offset_data)
                    writer.write(path, cast("IO[bytes]", _Part(reader, member.size, archive.name)))


class _Forward:
    """A stream that tarfile reads: it goes forward, back by a few bytes, and never gives more than a block at once.

    So a compressed file is decompressed once, and a header that declares a name of gigabytes takes no memory.
    """

    def __init__(self, file: IO[bytes], writer: _Writer) -> None:
        self._file = file
        self._position = 0
        self._kept = b""
        self._ahead = b""
        self._most = writer._limit + 1024 * (writer._bounds.members + 1024)

    def tell(self) -> int:
        return self._position

    def read(self, count: int = _BLOCK) -> bytes:
        count = max(0, min(count, _BLOCK))
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(data) < count:
            data += self._file.read(count - len(data))
        self._position += len(data)
        if self._position > self._most:
            raise tarfile.ReadError("it does not end")
        self._kept = (self._kept + data)[-_BACK:]
        return data

    def seek(self, position: int) -> int:
        back = self._position - position
        if back > len(self._kept):
            raise tarfile.ReadError("its members are not in order")
        if back > 0:
            self._ahead = self._kept[-back:] + self._ahead
            self._kept = self._kept[:-back]
            self._position = position
        while self._position < position:
            if not self.read(position - self._position):
                break
        return self._position


class _Part:
    """The bytes of one member."""

    def __init__(self, reader: _Forward, size: int, where: str) -> None:
        self._reader = reader
        self._left = size
        self._where = where

    def read(self, count: int) -> bytes:
        data = self._reader.read(min(count, self._left))
        if not data and self._left:
            raise FileError(self._where, "is cut off", _DAMAGED)
        self._left -= len(data)
        return data


def _decompress(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        head = file.read(3)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(path))
    return cast("IO[bytes]", bz2.open(path)) if head == b"BZh" else path.open("rb")


def _show(name: str) -> str:
    return repr(name.encode("utf-8", "backslashreplace").decode()[:80])
