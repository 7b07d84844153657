"""Where source files lie: a folder, or a tar that is read in place, without unpacking it.

Of a tar only the headers are walked once; a file is then read from where it lies, by any thread. Members
whose names lead outside (absolute ones, or with ..) make the whole tar suspect, and it is refused.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from caffe_fcn import files
from caffe_fcn.datasets.faults import Fault
from caffe_fcn.errors import DatasetError, FileError

MOST_BYTES = 1 << 28
"""The largest file that is read: far above any image to train on."""


class Store(Protocol):
    """Files by their names, which are relative and have slashes."""

    def names(self) -> list[str]:
        """The names of all files, sorted; hidden ones left out."""

    def read(self, name: str) -> bytes:
        """The content of a file; raises `Fault` where it is missing."""

    def expect(self, name: str) -> None:
        """Let the system fetch a file that will be read soon, while others are worked on."""

    def where(self, name: str) -> str:
        """How messages call the file."""


def open_store(path: str | os.PathLike[str]) -> Store:
    """The store at ``path``: a folder, or a tar. Raises `FileError`."""
    path = Path(path)
    if not path.exists():
        raise FileError(path, "no such file or folder", "check the path")
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
        return read_file(self.where(name))

    def expect(self, name: str) -> None:
        with suppress(OSError):  # reading it will tell
            file = os.open(self.where(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                _fetch(file, 0, 0)
            finally:
                os.close(file)

    def where(self, name: str) -> str:
        return self._prefix + name


class Tar:
    """The members of a tar that is not compressed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import tarfile

        self.path = Path(path)
        self._members: dict[str, tuple[int, int]] = {}
        with files.told(path):
            self._file = self.path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
            try:
                with tarfile.open(fileobj=self._file, mode="r:") as tar:
                    for member in tar:
                        self._add(member, size)
                        tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
            except tarfile.TarError as error:
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
            if member.offset_data + member.size > size:
                raise FileError(self.path, f"is cut off in {member.name!r}", "fetch it again")
            self._members[str(PurePosixPath(member.name))] = (member.offset_data, member.size)

    def names(self) -> list[str]:
        return sorted(name for name in self._members if not any(p.startswith(".") for p in name.split("/")))

    def read(self, name: str) -> bytes:
        if name not in self._members:
            raise Fault("broken", self.where(name), "is not in the tar", "check the tar")
        offset, size = self._members[name]
        _check_size(self.where(name), size)
        with files.told(self.path):
            return os.pread(self._file.fileno(), size, offset)

    def expect(self, name: str) -> None:
        if name in self._members:
            _fetch(self._file.fileno(), *self._members[name])

    def where(self, name: str) -> str:
        return f"{self.path}:{name}"


def read_file(path: str) -> bytes:
    """The content of a source file; raises `Fault` where it is missing or far too large."""
    try:
        return _content(path)
    except OSError as error:
        told = files.failure(path, error)
        raise Fault("broken", told.where, told.what, told.mend) from error


def _content(path: str) -> bytes:
    """By the system's own calls: of small files, Python's files cost as much as the bytes."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        _check_size(path, size)
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
