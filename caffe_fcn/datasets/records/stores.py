"""The files from which a data set is built: in a folder, or in a tar that is read without unpacking it.

The headers of a tar are walked once; afterwards any thread reads a member directly from its place in the file. A
tar with a member whose name leads outside (an absolute one, or one with ..) is not trusted and refused whole.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Protocol, cast

from caffe_fcn import files
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.errors import DatasetError, FileError

if TYPE_CHECKING:
    from tarfile import TarInfo

MOST_BYTES = 1 << 28
"""The largest file that is read, far larger than any training image."""


class Store(Protocol):
    """Where source files are stored: a folder or a tar. Names are relative, with slashes."""

    def names(self) -> list[str]:
        """Return the names of all files except hidden ones, sorted."""

    def read(self, name: str) -> bytes:
        """Return the content of a file; raises `Fault` where it is missing."""

    def prefetch(self, name: str) -> None:
        """Ask the system to load a file that will be read soon, while other files are processed."""

    def locate(self, name: str) -> str:
        """Return the file's location, for messages."""


class _Bounded:
    """A file whose `read` never asks for more bytes than it has, whatever length a header of the tar declares."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, self._size - self.tell())))


def open_store(path: str | os.PathLike[str]) -> Store:
    """Open the folder or the tar at ``path``; raises `FileError`."""
    path = Path(path)
    if not path.exists():
        raise FileError(path, "no such file or folder", "check the path")
    if not (path.is_dir() or path.is_file()):
        raise FileError(path, "is neither a folder nor a regular file", "name the folder, or the tar")
    return Folder(path) if path.is_dir() else Tar(path)


class Folder:
    """The files in a folder and its subfolders."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileError(self.root, "no such file or folder", "check the path")
        self._prefix = os.path.join(self.root, "")  # noqa: PTH118 - a string is joined far faster than a Path

    def names(self) -> list[str]:
        found = []
        for folder, folders, names in os.walk(self.root, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = os.path.relpath(folder, self.root).replace(os.sep, "/") + "/"
            found += [below.removeprefix("./") + name for name in names if not name.startswith(".")]
        return sorted(found)

    def read(self, name: str) -> bytes:
        return read_file(self._prefix + name, self.locate(name))

    def prefetch(self, name: str) -> None:
        prefetch_file(self._prefix + name)

    def find_path(self, name: str) -> str:
        """Return the path of a file."""
        return self._prefix + name

    def locate(self, name: str) -> str:
        return escape_name(self._prefix + name)


class Tar:
    """The members of an uncompressed tar."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import tarfile

        self.path = Path(path)
        self._members: dict[str, tuple[int, int]] = {}
        with files.naming_errors(path):
            self._file = self.path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
            try:
                with tarfile.open(fileobj=cast(IO[bytes], _Bounded(self._file, size)), mode="r:") as tar:
                    for member in tar:
                        self._add(member, size)
                        tar.members = []  # type: ignore[attr-defined]  # it would keep them all in memory
            except (tarfile.TarError, ValueError, OverflowError) as error:  # numbers in headers raise the last two
                mend = "unpack what is compressed: gunzip, bunzip2"
                raise FileError(path, f"is not a tar, or is cut off: {error}", mend) from error

    def _add(self, member: TarInfo, size: int) -> None:
        targets = [member.name, *([member.linkname] if member.islnk() else [])]
        if member.issym():
            targets.append(str(PurePosixPath(member.name).parent / member.linkname))
        for target in targets:
            if _leads_outside(target):
                raise DatasetError(self.path, f"its member {member.name!r} leads outside", "don't trust this file")
        if member.isreg() and not member.issparse():
            if not 0 <= member.size <= size - member.offset_data:
                raise FileError(self.path, f"is cut off in {member.name!r}", "fetch it again")
            self._members[str(PurePosixPath(member.name))] = (member.offset_data, member.size)

    def names(self) -> list[str]:
        return sorted(name for name in self._members if not any(p.startswith(".") for p in name.split("/")))

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise Fault("broken", self.locate(name), "is not in the tar", "check the tar")
        offset, size = self._members[name]
        _check_size(self.locate(name), size)
        with files.naming_errors(self.path):
            return os.pread(self._file.fileno(), size, offset)

    def prefetch(self, name: str) -> None:
        if name in self._members:
            _fetch(self._file.fileno(), *self._members[name])

    def locate(self, name: str) -> str:
        return f"{self.path}:{name}"


def escape_name(name: str) -> str:
    """Return a file's name for messages and lists, with bytes that are not UTF-8 and control characters escaped."""
    if name.isascii() and name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(each if each >= " " and each != "\x7f" else repr(each)[1:-1] for each in text)


def read_file(path: str, where: str | None = None) -> bytes:
    """Return the content of a file; raises `Fault` at ``where`` for one that is missing, irregular or far too large."""
    where = where or escape_name(path)
    try:
        return _read_content(path, where)
    except OSError as error:
        explained = files.to_file_error(where, error)
        raise Fault("broken", explained.where, explained.what, explained.mend) from error


def prefetch_file(path: str) -> None:
    """Ask the system to load a file that will be read soon."""
    with suppress(OSError, ValueError):  # `read_file` raises it
        file = _open(path)
        try:
            _fetch(file, 0, 0)
        finally:
            os.close(file)


def _open(path: str) -> int:
    """Open without blocking: a FIFO without a writer would wait for ever."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _read_content(path: str, where: str) -> bytes:
    """Read by system calls: for a small file, Python's file objects cost as much as its bytes."""
    if "\0" in path:
        raise Fault("broken", where, "has a zero byte in its name", "correct it")
    file = _open(path)
    try:
        known = os.fstat(file)
        if not stat.S_ISREG(known.st_mode):
            raise Fault("broken", where, "is not a regular file", "remove it")
        size = known.st_size
        _check_size(where, size)
        content = os.read(file, size)
        while len(content) < size and (more := os.read(file, size - len(content))):
            content += more
        return content
    finally:
        os.close(file)


def _fetch(file: int, offset: int, size: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, offset, size, os.POSIX_FADV_WILLNEED)


def _leads_outside(name: str) -> bool:
    depth = 0
    for part in PurePosixPath(name).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            return True
    return False


def _check_size(where: str, size: int) -> None:
    if size > MOST_BYTES:
        raise Fault("broken", where, f"has {size} bytes, too many for an image", f"at most {MOST_BYTES}")
