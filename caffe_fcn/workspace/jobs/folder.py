"""The folder of a job, ``.caffe-fcn/jobs/N``: what the server and the keeper tell each other, as files.

| file | written by | says |
|---|---|---|
| order.json | server | what to run, before the keeper is started |
| lock | | held by the keeper and by the command that runs: as long as it is, the job runs |
| claim.json | keeper | which process took the job; made once, so that a job is never run twice |
| now.json | keeper | the command that runs, its process, what was used so far |
| stop | server | a byte for each time that somebody asked to stop |
| stderr, stdout | commands | their log, with lines of JSON that say how far they are |
| output | commands | what becomes a file of the workspace when the command is done |
| end.json | keeper | what became of the job |

A lock is the operating system's: it ends with the processes that hold it, however they end, and none that comes later
has it. A process is known by its number and the time at which it started, since numbers are used again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from caffe_fcn import files

ORDER, LOCK, CLAIM, NOW, STOP, END = "order.json", "lock", "claim.json", "now.json", "stop", "end.json"
LOG, STDOUT, OUTPUT, KEEPER_LOG = "stderr", "stdout", "output", "keeper.log"

_PATIENCE = 2.0  # seconds: a server that looks whether a lock is held holds it for a moment
_MOST_BYTES = 1 << 22


def write(folder: Path, name: str, content: dict[str, Any], wait: bool = True) -> None:
    """Write a file of JSON, whole or not at all; with ``wait`` it is on the disk afterwards."""
    with files.atomic_write(folder / name, wait=wait) as file:
        file.write(json.dumps(content, allow_nan=False).encode())


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """Return a file of JSON; None where there is none, or none that is whole."""
    try:
        path = folder / name
        if path.stat().st_size > _MOST_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def take_lock(folder: Path) -> int | None:
    """Take the lock of a job and return its descriptor; None where another process keeps it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < end:
                time.sleep(0.02)
                continue
            os.close(descriptor)
            return None
        return descriptor


def is_locked(folder: Path) -> bool:
    """Whether the keeper of a job runs, or its command."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EAGAIN)
    finally:
        os.close(descriptor)
    return False


def claim(folder: Path, content: dict[str, Any]) -> bool:
    """Make the claim, which is there before it has its content; False where it was made before."""
    try:
        descriptor = os.open(folder / CLAIM, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    with open(descriptor, "wb") as file:  # noqa: PTH123
        file.write(json.dumps(content).encode())
        file.flush()
        os.fsync(descriptor)
    return True


def is_claimed(folder: Path) -> bool:
    """Whether a keeper took the job, whatever became of it."""
    return (folder / CLAIM).exists()


def ask_to_stop(folder: Path) -> int:
    """Ask the keeper to stop; return how often that was asked."""
    with (folder / STOP).open("ab") as file:
        file.write(b".")
    return count_stops(folder)


def count_stops(folder: Path) -> int:
    """Return how often somebody asked to stop."""
    try:
        return (folder / STOP).stat().st_size
    except OSError:
        return 0


def deliver(folder: Path, target: Path) -> None:
    """Make what a command wrote to stdout the file ``target``; raises `FileError` where that cannot be."""
    with files.naming_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_write(target) as file, (folder / OUTPUT).open("rb") as source:
        shutil.copyfileobj(source, file)
    with suppress(OSError):
        (folder / OUTPUT).unlink()
