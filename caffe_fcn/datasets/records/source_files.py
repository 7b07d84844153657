"""Where source files lie: a folder, or a tar that is read in place, without unpacking it.

Of a tar only the headers are walked once; a file is then read from where it lies, by any thread. Members
whose names lead outside (absolute ones, or with ..) make the whole tar suspect, and it is refused.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

from caffe_fcn import files
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.errors import DatasetError, FileError

MOST_BYTES = 1 << 28
"""The largest file that is read: far above any image to train on."""


class Store(Protocol):
    """Files by their names, which are relative and have slashes."""

    def names(self) -> list[str]:
        """The names of all files, sorted; hidden ones left out."""

    def read(self, name: str) -> bytes:
        """The content of a file; raises `Fault` where it is missing."""

    def prefetch(self, name: str) -> None:
        """Let the system fetch a file that will be read soon, while others are worked on."""

    def locate(self, name: str) -> str:
        """How messages call the file."""


class _Bounded:
    """A file of which never more is asked than there is: a header may claim any length for what follows it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, self._size - self.tell())))


def open_store(path: str | os.PathLike[str]) -> Store:
    """The store at ``path``: a folder, or a tar. Raises `FileError`."""
    path = Path(path)
    if not path.exists():
        raise FileError(path, "no such file or folder", "check the path")
    if not (path.is_dir() or path.is_file()):
        raise FileError(path, "is neither a folder nor a regular file", "name the folder, or the tar")
    return Folder(path) if path.is_dir() else Tar(path)


class Folder:
    """The files below a folder."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileError(self.root, "no such folder", "check the path")
        self._prefix = os.path.join(self.root, "")  # noqa: PTH118 - for names joined in a fraction of a Path's time

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
        with suppress(OSError):  # reading it will tell
            file = _open(self._prefix + name)
            try:
                _fetch(file, 0, 0)
            finally:
                os.close(file)

    def locate(self, name: str) -> str:
        return escape_name(self._prefix + name)


class Tar:
    """The members of a tar that is not compressed."""

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
                        tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
            except (tarfile.TarError, ValueError, OverflowError) as error:  # the latter, of numbers in its headers
                mend = "unpack what is compressed: gunzip, bunzip2"
                raise FileError(path, f"is no tar, or is cut off: {error}", mend) from error

    def _add(self, member: object, size: int) -> None:
        import tarfile

        assert isinstance(member, tarfile.TarInfo)
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
    """A file's name for messages and lists: what is no character, or would break a line, is escaped."""
    if name.isascii() and name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(each if each >= " " and each != "\x7f" else repr(each)[1:-1] for each in text)


def read_file(path: str, where: str | None = None) -> bytes:
    """The content of a source file; raises `Fault`, at ``where``, if it is missing, no file, or far too large."""
    where = where or escape_name(path)
    try:
        return _content(path, where)
    except OSError as error:
        told = files.to_file_error(where, error)
        raise Fault("broken", told.where, told.what, told.mend) from error


def _open(path: str) -> int:
    """Opened without waiting for whoever writes to it, which a FIFO would have us do for ever."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _content(path: str, where: str) -> bytes:
    """By the system's own calls: of small files, Python's files cost as much as the bytes."""
    if "\0" in path:
        raise Fault("broken", where, "has a zero byte in its name", "correct it")
    file = _open(path)
    try:
        known = os.fstat(file)
        if not stat.S_ISREG(known.st_mode):
            raise Fault("broken", where, "is no regular file", "remove it")
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
