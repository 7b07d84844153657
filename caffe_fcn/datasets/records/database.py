"""LMDBs of Datum records: written in order, in a map that grows by itself, and read back.

Caffe walks a database in the order of its keys, as text, so record ``i`` has the key ``%08d``. A database
is written without a lock file (one writer, which the builder sees to) and flushed to the disk when it is
closed. LMDB maps its file into memory and trusts it: a file that was cut off, or a flipped bit, would kill the
process. So its pages are checked (`lmdb_pages`) before it is mapped.
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
from caffe_fcn.datasets.records.lmdb_pages import DamagedError
from caffe_fcn.errors import DatasetError, FileError

__all__ = ["DamagedError", "Database", "Writer", "format_key", "is_database"]

_FIRST_MAP = 64 << 20
_MAPPED = 16 << 20  # how much is read or written before a file is mapped anew, so that it does not stay in memory
_PROBE = 1 << 20
_FILE = "data.mdb"


def format_key(index: int) -> bytes:
    """The key of record ``index``."""
    return b"%08d" % index


class Writer:
    """Appends records to the LMDB in folder ``path``, which it makes, or continues where it is there.

    Raises `DamagedError` where what is there is no LMDB, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._appended = self._handed = 0
        with _told(path, writing=True):
            path.mkdir(exist_ok=True)
            self._check()
            self._environment = self._map()

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    def append(self, values: Sequence[bytes]) -> None:
        """Add records behind the last one, all of them or none; raises `FileError` on a full disk."""
        import lmdb

        with _told(self.path, writing=True):
            if self._appended > _MAPPED:
                self._environment.close()
                self._hand_on()
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

    def _hand_on(self) -> None:
        """Let the disk begin with what was written since the last time: less is left to wait for in the end."""
        if hasattr(os, "posix_fadvise"):
            file = os.open(self.path / _FILE, os.O_RDONLY)
            try:
                size = os.fstat(file).st_size
                os.posix_fadvise(file, self._handed, size - self._handed, os.POSIX_FADV_DONTNEED)
                self._handed = size
            finally:
                os.close(file)

    def _check(self) -> None:
        file = self.path / _FILE
        if file.exists() and file.stat().st_size:  # a run that was killed at once leaves an empty one
            with file.open("rb") as opened:
                lmdb_pages.check(opened.fileno(), file, to_write=True)

    def _map(self) -> Any:
        import lmdb

        grown = self.path / _FILE
        room = max(_FIRST_MAP, 2 * grown.stat().st_size if grown.exists() else 0)
        return lmdb.open(str(self.path), map_size=room, lock=False, sync=False, readahead=False)

    def truncate(self, count: int) -> None:
        """Drop the records from ``count`` on."""
        with _told(self.path, writing=True), self._environment.begin(write=True) as transaction:
            for index in range(count, len(self)):
                transaction.delete(format_key(index))

    def close(self) -> None:
        """Flush everything to the disk."""
        with _told(self.path, writing=True):
            self._environment.sync(True)
            self._environment.close()

    def abandon(self) -> None:
        """Close the file, whatever is in it."""
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
    """The values of an LMDB in the order of its keys, whoever wrote it; opened only to read.

    ``path`` is the folder, or a file that is an LMDB by itself. Raises `FileError` for what is none. What it reads
    is what was there when it was opened, even if another database takes its place.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._mapped = _mapped(self.path)
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
            with _told(self.path):
                return self._mapped.get(name)
        except KeyError:
            raise DatasetError(self.path, f"has no record {name!r}", "build the data set again") from None

    def keys(self) -> Sequence[bytes]:
        """All keys, in order."""
        if self._keys is None:
            with _told(self.path):
                self._keys = self._mapped.keys()
        return self._keys


def is_database(path: Path) -> bool:
    """Whether ``path`` is a folder that holds an LMDB."""
    return (path / _FILE).is_file()


class _Mapped:
    """An LMDB's file in memory, mapped anew now and then.

    Threads take turns, which costs nothing: what is read is copied anyway.
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
        """The value of a key; raises KeyError."""
        with self._turn:
            self._renew()
            with self._environment.begin() as transaction:
                value = transaction.get(name)
            if value is None:
                raise KeyError(name)
            self._visited += len(value)
            return bytes(value)

    def keys(self) -> Sequence[bytes]:
        """All keys, in order; where they count up from 0, as ours do, nothing is kept of them."""
        with self._turn:
            with self._environment.begin() as transaction, transaction.cursor() as cursor:
                ends = (cursor.first() and cursor.key(), cursor.last() and cursor.key())
            if self.entries == 0 or ends == (format_key(0), format_key(self.entries - 1)):
                return _Numbers(self.entries)
            return list(self._walk())

    def _walk(self) -> Iterator[bytes]:
        """All keys; going by a key touches the pages around it, so the map is renewed on the way."""
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
            self._renew()

    def _renew(self) -> None:
        if self._visited > _MAPPED:
            self._environment.close()
            self._environment = self._map()
            self._visited = 0

    def _map(self) -> Any:
        import lmdb

        # By its descriptor: the name may be another file's by now.
        name = f"/dev/fd/{self._descriptor}"
        return lmdb.open(name, subdir=False, readonly=True, lock=False, readahead=False, max_dbs=0)


class _Numbers(Sequence[bytes]):
    """The keys of so many records."""

    def __init__(self, count: int) -> None:
        self._indices = range(count)

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


# LMDB refuses to open a file twice in one process, so those that read it share it.
_open: weakref.WeakValueDictionary[tuple[int, int], _Mapped] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _mapped(path: Path) -> _Mapped:
    import lmdb

    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise FileError(path, "no LMDB is there", f"name the folder that holds a {_FILE}")
    with _opening, _told(path):
        known = file.stat()
        identity = known.st_dev, known.st_ino
        mapped = _open.get(identity)
        if mapped is None:
            try:
                mapped = _Mapped(file)
            except lmdb.Error as error:
                raise FileError(file, f"is no LMDB: {_reason(error)}", "build the data set again") from error
            _open[identity] = mapped
        return mapped


@contextmanager
def _told(path: Path, writing: bool = False) -> Iterator[None]:
    import lmdb

    from caffe_fcn import files

    with files.naming_errors(path):
        try:
            yield
        except lmdb.Error as error:
            if writing:
                _probe(path)
            raise DatasetError(path, f"LMDB fails: {_reason(error)}", "build the data set again") from error


def _probe(path: Path) -> None:
    """Raise what the system says to a write at the end of the file: LMDB keeps it to itself."""
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
    """LMDB says ``function: CODE: reason (advice to programmers)``; the reason is what counts."""
    return str(error).split(": ", 1)[-1].split(" (")[0]
