"""A claim on files that a training writes, so that no other training writes them at the same time.

    with claim(Path("snapshots/train")):
        ...                              # a second claim raises FileError, which tells the process and since when

The claim is a lock on ``.NAME.lock`` beside the files. The system lets go of it when the process ends, however it
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

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # what file systems without them answer
_LONGEST = 100
_OWNER = re.compile(r"(\d{1,10}) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\n?", re.ASCII)


@contextmanager
def claim(path: Path, what: str) -> Iterator[None]:
    """Claim ``path``, or what begins with it, for the block; ``what`` is what another training should name anew.

    Raises `FileError` where it is claimed, or its folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    with files.naming_errors(path):
        descriptor = _open_and_lock(lock)
    if descriptor is None:
        raise FileError(path, f"another training writes there: {_owner(lock)}", f"wait for it, or name another {what}")
    try:
        with files.naming_errors(lock):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode())
        yield
    finally:
        lock.unlink(missing_ok=True)  # before the lock is let go of: whoever gets it makes a file of its own
        os.close(descriptor)


def _open_and_lock(lock: Path) -> int | None:
    """The lock's file, opened and locked; None where another has it."""
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


def _owner(lock: Path) -> str:
    try:
        with lock.open(errors="replace") as file:
            found = _OWNER.fullmatch(file.read(_LONGEST))
    except OSError:
        found = None
    return f"process {found[1]}, since {found[2]}" if found else "it has just begun or ended"
