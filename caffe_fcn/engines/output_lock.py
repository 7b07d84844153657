"""A lock on the files that a training writes, so that no other training writes them at the same time.

    with lock_output(Path("snapshots/train"), "snapshot_prefix"):
        ...                 # a second lock raises FileError, which says which process has it, and since when

The lock is one of the operating system's on ``.NAME.lock`` beside the files. It ends with the process, however that
ends, so what a killed training leaves behind stops nobody.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import FileError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # from file systems that have no locks
_LONGEST = 100  # characters of a lock file that are read
_OWNER = re.compile(r"(\d{1,10}) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\n?", re.ASCII)


@contextmanager
def lock_output(path: Path, setting: str) -> Iterator[None]:
    """Lock ``path``, and the files whose names begin with it, for the block.

    ``setting`` is what names the path ("snapshot_prefix", "log"); the error tells another training to change it.
    Raises `FileError` if another process has the lock, or the folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    with files.naming_errors(path):
        descriptor = _open_and_lock(lock)
    if descriptor is None:
        owner = _describe_owner(lock)
        raise FileError(path, f"another training writes there: {owner}", f"wait for it, or name another {setting}")
    try:
        with files.naming_errors(lock):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        yield
    finally:
        lock.unlink(missing_ok=True)  # before the lock is released: the next owner makes a file of its own
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process has the lock on ``path``, as the system's table of locks says it; asking takes none."""
    try:
        status = path.with_name(f".{path.name}.lock").stat()
        table = Path("/proc/locks").read_text()
    except OSError:
        return False
    return re.search(rf"\bFLOCK\b.*:{status.st_ino}\b", table) is not None


def _open_and_lock(lock: Path) -> int | None:
    """Open and lock the file; return None if another process has locked it."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
        if _is_same_file(lock, descriptor):
            return descriptor
        os.close(descriptor)  # its owner removed it after we had opened it


def _is_same_file(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _describe_owner(lock: Path) -> str:
    try:
        with lock.open(errors="replace") as file:
            found = _OWNER.fullmatch(file.read(_LONGEST))
    except OSError:
        found = None
    return f"process {found[1]}, since {found[2]}" if found else "it has just begun or ended"
