"""Fingerprints of files: SHA-256 of what they hold, computed once for as long as a file stays untouched.

    hashes = FileHashes(Path("run/.fit/hashes"))
    hashes.hash_file(Path("photos/1.jpg"))
    hashes.save()

What decides is the content alone. To read 50,000 photos each time would take minutes, so a hash is kept with the
file's size, inode and times, and serves again while these are the same. The time of the last change of the inode is
among them, which no program can set: a file that is written again, even with its old date, is read again. A hash is
not kept while its file is younger than the clock of the coarsest file system can tell. So times decide what is read
again, never what is done again: a file that was only touched or copied has the same fingerprint.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from caffe_fcn import files
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike
from caffe_fcn.progress import TaskProgress

_COARSEST = 2_000_000_000  # nanoseconds: times of FAT are even seconds
_BLOCK = 1 << 20
_CHUNK = 16  # files that a thread takes at a time


class FileHashes:
    """The hashes of files by their absolute paths; those of untouched files come from ``cache``.

    A cache that is damaged, or that cannot be read, is empty: the files are read again.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known = _load(cache)  # path: the stamp and the hash; nobody vouches for what is in it
        self._used: dict[str, list[Any]] = {}

    def hash_file(self, path: PathLike) -> str:
        """Return the SHA-256 of a file in hexadecimal; raises `FileError` where it cannot be read."""
        name = os.path.abspath(path)  # noqa: PTH100 - keeps links, as the caller names them
        with files.naming_errors(path):
            now = time.time_ns()
            stamp = _stamp(name)
            known = self._known.get(name)
            if not isinstance(known, list) or known[:-1] != stamp or not isinstance(known[-1], str):
                known = [*stamp, _digest(name)]
                if _stamp(name) != stamp:
                    raise FileError(path, "changed while it was read", "wait until it is complete, and run again")
        if max(stamp[1], stamp[2]) + _COARSEST < now:
            self._known[name] = self._used[name] = known
        return str(known[-1])

    def hash_files(
        self, paths: Sequence[PathLike], workers: int = 1, progress: TaskProgress | None = None
    ) -> list[str]:
        """Return the hashes of several files, read by several threads."""
        found: list[str] = []
        for digest in map_in_order(self.hash_file, paths, workers, _CHUNK):
            found.append(digest)
            if progress:
                progress(len(found), len(paths))
        return found

    def save(self) -> None:
        """Write the hashes of the files that were asked for into the cache."""
        with files.atomic_write(self._cache, wait=False) as file:
            file.write(json.dumps(self._used).encode())


def combine(parts: Iterable[str]) -> str:
    """Return one hash for several texts in their order.

    >>> combine(["a", "b"]) == combine(["ab"])
    False
    """
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _load(cache: Path) -> dict[str, list[Any]]:
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(cache.read_bytes())  # one call: 50,000 entries are read in a tenth of a second
        if isinstance(content, dict):
            return content
    return {}


def _stamp(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - 50,000 strings are looked at far faster than Paths
    if not stat.S_ISREG(status.st_mode):
        raise FileError(path, "is not a regular file", "remove it")
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
