"""The files of a job: in a folder, or in an archive (.tar, .tar.gz, .tar.bz2, .zip) that nobody vouches for.

    with open_job("20160809-112414-0296_epoch_30.0.tar.gz") as job:
        job.names                       # info.json, deploy.prototxt, snapshot_iter_15488.caffemodel, ...
        job.read("info.json", 1 << 20)

Nothing is unpacked: a file is read when somebody asks for it, up to a size that the caller names. An archive is
refused whole where a member is a link or a device, or leads outside; so is one that unpacks to more than `MOST_BYTES`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, cast

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike

MOST_BYTES = 8 << 30
"""What an archive may unpack to: a net has at most 2 GB of weights, and an archive has one snapshot."""

_MOST_MEMBERS = 10_000
_BLOCK = 1 << 20
_ROOTS = ("info.json", DEPLOY_FILE)  # one of them lies in the folder of the job
_DISTRUST = "don't trust this file"
_DAMAGED = "fetch it again"
_FAULTS = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    *(ValueError, OverflowError, NotImplementedError, RuntimeError, gzip.BadGzipFile),  # of headers that make no sense
)


class JobFiles(ABC):
    """The files of a job by name; those in folders of the job are left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self._resources = ExitStack()

    @property
    def folder(self) -> Path | None:
        """The folder of the job, or None where the job is an archive."""
        return None

    def __enter__(self) -> JobFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def locate(self, name: str) -> str:
        """Return the location of a file, for messages."""
        return f"{self.path}:{name}"

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a file; raises `FileError` where it has more than ``most`` bytes."""
        return b"".join(self.read_blocks(name, most))

    def read_blocks(self, name: str, most: int) -> Iterator[bytes]:
        """Yield the content of a file in blocks; raises `FileError` as soon as there are more than ``most`` bytes."""
        if name not in self.names:
            raise FileError(self.locate(name), "no such file", f"the job has {', '.join(self.names) or 'no files'}")
        count = 0
        with self._naming_faults(name), self._open(name) as file:
            while block := file.read(_BLOCK):
                count += len(block)
                if count > most:
                    raise FileError(self.locate(name), f"has more than {most} bytes", _DISTRUST)
                yield block

    @contextmanager
    def _naming_faults(self, name: str) -> Iterator[None]:
        with files.naming_errors(self.locate(name)):
            try:
                yield
            except _FAULTS as error:
                raise FileError(self.locate(name), f"is damaged: {error}", _DAMAGED) from error

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """Open one of the files."""


@contextmanager
def open_job(path: PathLike) -> Iterator[JobFiles]:
    """Open the folder or the archive at ``path``; raises `FileError` for anything else."""
    place = Path(path)
    with files.naming_errors(path):
        kind = place.stat().st_mode
    if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
        raise FileError(path, "is neither a folder nor a regular file", "name the folder of a job, or an archive")
    with _Folder(place) if stat.S_ISDIR(kind) else _open_archive(place) as job:
        yield job


def _open_archive(path: Path) -> JobFiles:
    with files.naming_errors(path):
        try:
            return _Zip(path) if zipfile.is_zipfile(path) else _Tar(path)
        except _FAULTS as error:
            what = f"is not an archive, or is cut off: {error}"
            raise FileError(path, what, "a .tar.gz, .tar.bz2, .tar or .zip is read") from error


class _Folder(JobFiles):
    """The regular files of a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with files.naming_errors(path):
            self.names = sorted(each.name for each in path.iterdir() if each.is_file())

    @property
    def folder(self) -> Path | None:
        return self.path

    def locate(self, name: str) -> str:
        return str(self.path / name)

    def _open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")


class _Archive(JobFiles):
    """The members of an archive that lie in the folder of the job: at the top, or in the one folder that is there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._prefix = ""

    def _take_names(self, members: list[str]) -> None:
        roots = {name.rpartition("/")[0] for name in members if name.rpartition("/")[2] in _ROOTS}
        self._prefix = min(roots, key=lambda folder: (folder.count("/"), folder), default="")
        self._prefix += "/" if self._prefix else ""
        inside = [name.removeprefix(self._prefix) for name in members if name.startswith(self._prefix)]
        self.names = sorted({name for name in inside if "/" not in name})

    def _check_member(self, name: str, is_plain: bool, number: int) -> None:
        """Raise `FileError` for a member that an archive of DIGITS does not have."""
        if number >= _MOST_MEMBERS:
            raise FileError(self.path, f"has more than {_MOST_MEMBERS} members", _DISTRUST)
        if name.startswith("/") or "\\" in name or ".." in name.split("/") or "\0" in name or ":" in name[:2]:
            raise FileError(self.path, f"its member {name!r} leads outside", _DISTRUST)
        if not is_plain:
            raise FileError(self.path, f"its member {name!r} is a link or a device", _DISTRUST)


class _Tar(_Archive):
    """The members of a tar, which may be compressed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._members: dict[str, tarfile.TarInfo] = {}
        with ExitStack() as opened:
            file = cast(IO[bytes], _Bounded(opened.enter_context(_decompress(path)), path))
            self._tar = opened.enter_context(tarfile.open(fileobj=file, mode="r:"))
            for number, member in enumerate(self._tar):
                self._tar.members = []  # type: ignore[attr-defined]  # it would keep them all in memory
                self._check_member(member.name, (member.isreg() and not member.issparse()) or member.isdir(), number)
                if member.isreg():
                    self._members[_normalize(member.name)] = member
            self._resources = opened.pop_all()
        self._take_names(list(self._members))

    def _open(self, name: str) -> IO[bytes]:
        return cast(IO[bytes], self._tar.extractfile(self._members[self._prefix + name]))


class _Zip(_Archive):
    """The members of a zip."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        with ExitStack() as opened:
            self._zip = opened.enter_context(zipfile.ZipFile(path))
            for number, member in enumerate(self._zip.infolist()):
                kind = stat.S_IFMT(member.external_attr >> 16)
                self._check_member(member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR), number)
                total += member.file_size
                if total > MOST_BYTES:
                    raise _size_error(path)
                if not member.is_dir():
                    self._members[_normalize(member.filename)] = member
            self._resources = opened.pop_all()
        self._take_names(list(self._members))

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._members[self._prefix + name])


class _Bounded:
    """A file that never reads more than a block at once, nor beyond `MOST_BYTES`, whatever the headers declare."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self.tell = file.tell

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, _BLOCK)))

    def seek(self, position: int) -> int:
        if position > MOST_BYTES:
            raise _size_error(self._path)
        return self._file.seek(position)


def _size_error(path: Path) -> FileError:
    return FileError(path, f"unpacks to more than {MOST_BYTES} bytes", _DISTRUST)


def _decompress(path: Path) -> IO[bytes]:
    """Open a file, and decompress it as its first bytes say."""
    with path.open("rb") as file:
        head = file.read(3)
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    return cast(IO[bytes], bz2.open(path)) if head == b"BZh" else path.open("rb")


def _normalize(name: str) -> str:
    return str(PurePosixPath(name))
