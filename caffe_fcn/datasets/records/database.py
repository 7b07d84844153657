"""LMDBs of Datum records, written in order and read back.

Caffe walks a database in the order of its keys, as text, so record ``i`` has the key ``%08d``. A database is written
without a lock file (the builder makes sure that there is one writer) and flushed to the disk when it is closed.

LMDB maps its file into memory and trusts its content: a file that was cut off, or a flipped bit, would kill the
process. Its pages are therefore checked (`lmdb_pages`) before it is mapped.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, overload

from caffe_fcn.datasets.records import lmdb_pages
from caffe_fcn.datasets.records.faults import REBUILD
from caffe_fcn.datasets.records.lmdb_pages import DamagedError
from caffe_fcn.errors import DatasetError, FileError

__all__ = ["DamagedError", "Database", "Writer", "format_key", "is_database"]

_FIRST_MAP = 64 << 20
_MAPPED = 16 << 20  # bytes read or written before a file is mapped again, so that it does not fill the memory
_PROBE = 1 << 20
_FILE = "data.mdb"


def format_key(index: int) -> bytes:
    """Format the key of record ``index``."""
    return b"%08d" % index


class Writer:
    """Appends records to the LMDB in folder ``path``, which is made where it does not exist.

    Raises `DamagedError` where ``path`` holds a file that is not an LMDB, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._appended = self._flushing = 0
        with _naming_lmdb_errors(path, writing=True):
            path.mkdir(exist_ok=True)
            self._check()
            self._environment = self._map()

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    def append(self, values: Sequence[bytes]) -> None:
        """Append records, all of them or none; raises `FileError` on a full disk."""
        import lmdb

        with _naming_lmdb_errors(self.path, writing=True):
            if self._appended > _MAPPED:
                self._environment.close()
                self._start_flushing()
                self._environment = self._map()
                self._appended = 0
            self._appended += sum(map(len, values))
            start = len(self)
            while True:
                try:
                    with self._environment.begin(write=True) as transaction:
                        for index, value in enumerate(values, start):
                            transaction.put(format_key(index), value, append=True)
                    return
                except lmdb.MapFullError:
                    self._environment.set_mapsize(2 * self._environment.info()["map_size"])

    def _start_flushing(self) -> None:
        """Ask the system to write what was appended since the last call to the disk, so that `close` waits for less."""
        if hasattr(os, "posix_fadvise"):
            file = os.open(self.path / _FILE, os.O_RDONLY)
            try:
                size = os.fstat(file).st_size
                os.posix_fadvise(file, self._flushing, size - self._flushing, os.POSIX_FADV_DONTNEED)
                self._flushing = size
            finally:
                os.close(file)

    def _check(self) -> None:
        file = self.path / _FILE
        if file.exists() and file.stat().st_size:  # a run that was killed early leaves an empty file
            with file.open("rb") as opened:
                lmdb_pages.check(opened.fileno(), file, to_write=True)

    def _map(self) -> Any:
        import lmdb

        grown = self.path / _FILE
        room = max(_FIRST_MAP, 2 * grown.stat().st_size if grown.exists() else 0)
        return lmdb.open(str(self.path), map_size=room, lock=False, sync=False, readahead=False)

    def truncate(self, count: int) -> None:
        """Delete all records but the first ``count``."""
        with _naming_lmdb_errors(self.path, writing=True), self._environment.begin(write=True) as transaction:
            for index in range(count, len(self)):
                transaction.delete(format_key(index))

    def close(self) -> None:
        """Flush everything to the disk."""
        with _naming_lmdb_errors(self.path, writing=True):
            self._environment.sync(True)
            self._environment.close()

    def abandon(self) -> None:
        """Close the file without flushing it."""
        self._environment.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class Database(Sequence[bytes]):
    """The values of an LMDB in the order of its keys, read only; any program may have written it.

    ``path`` is the folder of the LMDB, or its file. Raises `FileError` where there is no LMDB. The database that was
    opened stays readable when another one replaces it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._mapped = _share_map(self.path)
        self._keys: Sequence[bytes] | None = None

    def __len__(self) -> int:
        return self._mapped.entries

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        name = self.keys()[index]
        try:
            with _naming_lmdb_errors(self.path):
                return self._mapped.get(name)
        except KeyError:
            raise DatasetError(self.path, f"has no record {name!r}", REBUILD) from None

    def keys(self) -> Sequence[bytes]:
        """Return all keys, in order."""
        if self._keys is None:
            with _naming_lmdb_errors(self.path):
                self._keys = self._mapped.keys()
        return self._keys


def is_database(path: Path) -> bool:
    """Whether ``path`` is a folder that holds an LMDB."""
    return (path / _FILE).is_file()


class _Mapped:
    """The file of an LMDB mapped into memory; mapped again from time to time, to release the memory.

    One thread reads at a time. That costs nothing, since reading only copies.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        self._turn = threading.Lock()
        self.entries = lmdb_pages.check(self._descriptor, file)
        self._size = os.fstat(self._descriptor).st_size
        self._environment = self._map()
        self._visited = 0

    def get(self, name: bytes) -> bytes:
        """Return the value of a key; raises KeyError."""
        with self._turn:
            self._map_again()
            with self._environment.begin() as transaction:
                value = transaction.get(name)
            if value is None:
                raise KeyError(name)
            self._visited += len(value)
            return bytes(value)

    def keys(self) -> Sequence[bytes]:
        """Return all keys, in order; keys that count up from 0, as `Writer` makes them, take no memory."""
        with self._turn:
            with self._environment.begin() as transaction, transaction.cursor() as cursor:
                ends = (cursor.first() and cursor.key(), cursor.last() and cursor.key())
            if self.entries == 0 or ends == (format_key(0), format_key(self.entries - 1)):
                return _CountingKeys(self.entries)
            return list(self._walk())

    def _walk(self) -> Iterator[bytes]:
        """Yield all keys. Each one loads the pages around it, so the file is mapped again on the way."""
        each = self._size // self.entries
        name = b""
        while True:
            with self._environment.begin() as transaction, transaction.cursor() as cursor:
                if not (cursor.set_range(name) if name else cursor.first()):
                    return
                for name in cursor.iternext(keys=True, values=False):
                    if self._visited > _MAPPED:
                        break
                    self._visited += each
                    yield bytes(name)
                else:
                    return
            self._map_again()

    def _map_again(self) -> None:
        if self._visited > _MAPPED:
            self._environment.close()
            self._environment = self._map()
            self._visited = 0

    def _map(self) -> Any:
        import lmdb

        # By its descriptor, because the name may by now belong to another file.
        name = f"/dev/fd/{self._descriptor}"
        return lmdb.open(name, subdir=False, readonly=True, lock=False, readahead=False, max_dbs=0)


class _CountingKeys(Sequence[bytes]):
    """The keys of ``count`` records, counting up from 0."""

    def __init__(self, count: int) -> None:
        self._indices = range(count)

    def __eq__(self, other: object) -> bool:
        return self._indices == other._indices if isinstance(other, _CountingKeys) else list(self) == other

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [format_key(i) for i in self._indices[index]]
        return format_key(self._indices[index])


# LMDB cannot open a file twice in one process, so all that read it share one map.
_open: weakref.WeakValueDictionary[tuple[int, int], _Mapped] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _share_map(path: Path) -> _Mapped:
    import lmdb

    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise FileError(path, "no LMDB is there", f"name the folder that holds a {_FILE}")
    with _opening, _naming_lmdb_errors(path):
        known = file.stat()
        identity = known.st_dev, known.st_ino
        mapped = _open.get(identity)
        if mapped is None:
            try:
                mapped = _Mapped(file)
            except lmdb.Error as error:
                raise FileError(file, f"is not an LMDB: {_reason(error)}", REBUILD) from error
            _open[identity] = mapped
        return mapped


@contextmanager
def _naming_lmdb_errors(path: Path, writing: bool = False) -> Iterator[None]:
    import lmdb

    from caffe_fcn import files

    with files.naming_errors(path):
        try:
            yield
        except lmdb.Error as error:
            if writing:
                _probe(path)
            raise DatasetError(path, f"LMDB fails: {_reason(error)}", REBUILD) from error


def _probe(path: Path) -> None:
    """Write behind the end of the file, so that the system raises its error, which LMDB does not report."""
    file = path / _FILE
    if file.exists() and os.access(file, os.W_OK):
        end = file.stat().st_size
        with file.open("r+b", buffering=0) as opened:
            try:
                opened.seek(end)
                written = opened.write(bytes(_PROBE))
                if written < _PROBE:
                    opened.write(bytes(_PROBE - written))
            finally:
                opened.truncate(end)


def _reason(error: Exception) -> str:
    """Return the reason in an error of LMDB: ``function: CODE: reason (advice to programmers)``."""
    return str(error).split(": ", 1)[-1].split(" (")[0]
