"""One server a workspace: a lock of the operating system's, which ends with the server however that ends.

A second server would start the same jobs, and is refused with the address of the first one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.workspace.settings import Settings

FILE = "server.lock"
_LONGEST = 300


@contextmanager
def lock_workspace(settings: Settings, address: str) -> Iterator[None]:
    """Keep other servers away from a workspace inside the block; ``address`` is what they tell their users.

    Raises `FileError` where another server has it, or the workspace cannot be written.
    """
    path = settings.own / FILE
    with files.naming_errors(path):
        settings.own.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            other = os.pread(descriptor, _LONGEST, 0).decode(errors="replace").strip() or "another server"
            raise FileError(settings.root, f"is served already: {other}", "use that one, or end it") from error
        with files.naming_errors(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{address}, process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
