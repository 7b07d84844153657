"""Files that appear whole or not at all.

An output goes to a temporary name beside its target, is flushed to the disk, and is then renamed over
the target: a reader sees the old file or the new one. The temporary carries the process's number, so
that what a killed run left behind can be told from what a living one is writing, and the next run that
writes the same target removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from caffe_fcn.errors import FileError

_MARK = ".caffe-fcn-tmp-"


@contextmanager
def atomic(target: str | os.PathLike[str], wait: bool = True) -> Iterator[IO[bytes]]:
    """A binary file that replaces ``target`` when the block ends, and vanishes when the block fails.

    With ``wait`` the bytes are on the disk before the rename, and survive a power cut; without, they are with
    the kernel, as after `cp`, which is for large files that a second run makes again.
    Raises `FileError` where the folder does not exist, is not writable, or the disk is full.
    """
    path = Path(target)
    with told(path):
        if path.exists() and not path.is_file():
            raise FileError(path, "is a folder" if path.is_dir() else "is no regular file", "name a file")
        sweep(path)
        temporary = temporary_name(path)
        file = open(temporary, "wb")  # noqa: SIM115, PTH123 - closed below, before the rename
    try:
        with told(path):
            yield file
            file.flush()
            if wait:
                os.fsync(file.fileno())
            file.close()
            temporary.replace(path)
            if wait:
                _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()
        temporary.unlink(missing_ok=True)
        raise


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic(target) as file:
        file.write(text.encode())


def read_bytes(source: str | os.PathLike[str]) -> bytes:
    """The whole of a (small) file; raises `FileError` where it cannot be read."""
    with told(source):
        return Path(source).read_bytes()


@contextmanager
def told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's errors inside the block into `FileError` naming ``path``."""
    try:
        yield
    except OSError as error:
        raise failure(path, error) from error


def failure(path: str | os.PathLike[str], error: OSError) -> FileError:
    """What the operating system's error at ``path`` means to the user."""
    mend = {
        FileNotFoundError: "check the path",
        PermissionError: "check the permissions",
        NotADirectoryError: "check the path",
        IsADirectoryError: "name a file",
    }.get(type(error), "free some space" if error.errno in _FULL else "")
    return FileError(path, (error.strerror or str(error)).lower(), mend)


_FULL = {28, 122}  # ENOSPC, EDQUOT


def temporary_name(path: Path) -> Path:
    """The name beside ``path`` under which this process writes it."""
    return path.with_name(f".{path.name}{_MARK}{os.getpid()}")


def sweep(path: Path) -> None:
    """Remove what killed runs left beside ``path`` (files or folders of processes that no longer live)."""
    for left in path.parent.glob(f".{_literal(path.name)}{_MARK}*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and int(number) != os.getpid() and not _alive(int(number)):
            if left.is_dir():
                import shutil  # of use seldom, and it brings all compressions with it

                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives and belongs to somebody else
        return True
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems refuse to sync a folder; the rename stands all the same
            os.fsync(handle)
    finally:
        os.close(handle)
