"""LMDBs of Datum records: written in order, in a map that grows by itself, and read back.

Caffe walks a database in the order of its keys, as text, so record ``i`` has the key ``%08d``. A database
is written without a lock file (one writer, which the builder sees to) and flushed to the disk when it is
closed. LMDB maps its file into memory: a file that was cut off would kill the process that touches the
missing end, so its length is compared with what its header says before anything is read.
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

from caffe_fcn.errors import DatasetError, FileError

_FIRST_MAP = 64 << 20
_FILE = "data.mdb"


def key(index: int) -> bytes:
    """The key of record ``index``."""
    return b"%08d" % index


class Writer:
    """Appends records to the LMDB in folder ``path``, which it makes, or continues where it is there."""

    def __init__(self, path: Path) -> None:
        import lmdb

        self.path = path
        with _told(path):
            path.mkdir(exist_ok=True)
            grown = path / _FILE
            room = max(_FIRST_MAP, 2 * grown.stat().st_size if grown.exists() else 0)
            self._environment = lmdb.open(str(path), map_size=room, lock=False, sync=False, readahead=False)

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    def append(self, values: Sequence[bytes]) -> None:
        """Add records behind the last one, all of them or none; raises `FileError` on a full disk."""
        import lmdb

        start = len(self)
        with _told(self.path):
            while True:
                try:
                    with self._environment.begin(write=True) as transaction:
                        for index, value in enumerate(values, start):
                            transaction.put(key(index), value, append=True)
                    return
                except lmdb.MapFullError:
                    self._environment.set_mapsize(2 * self._environment.info()["map_size"])

    def truncate(self, count: int) -> None:
        """Drop the records from ``count`` on."""
        with _told(self.path), self._environment.begin(write=True) as transaction:
            for index in range(count, len(self)):
                transaction.delete(key(index))

    def close(self) -> None:
        """Flush everything to the disk."""
        with _told(self.path):
            self._environment.sync(True)
            self._environment.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._environment.close()


class Database(Sequence[bytes]):
    """The values of an LMDB in the order of its keys, whoever wrote it; opened only to read.

    ``path`` is the folder, or a file that is an LMDB by itself. Raises `FileError` for what is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._environment = _environment(self.path)
        self._keys: list[bytes] | None = None

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        name = self.keys()[index]
        with _told(self.path), self._environment.begin() as transaction:
            return bytes(transaction.get(name))

    def __iter__(self) -> Iterator[bytes]:
        return self.walk(0, len(self))

    def walk(self, start: int, stop: int) -> Iterator[bytes]:
        """The values ``start`` to ``stop``, one by one."""
        for index in range(start, stop):
            yield self[index]

    def keys(self) -> list[bytes]:
        """All keys, in order."""
        if self._keys is None:
            with _told(self.path), self._environment.begin() as transaction, transaction.cursor() as cursor:
                self._keys = [bytes(name) for name in cursor.iternext(keys=True, values=False)]
        return self._keys


def is_database(path: Path) -> bool:
    """Whether ``path`` is a folder that holds an LMDB."""
    return (path / _FILE).is_file()


# LMDB refuses to open a database twice in one process, so those that read it share one environment.
_open: weakref.WeakValueDictionary[Path, Any] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _environment(path: Path) -> Any:
    import lmdb

    file = path / _FILE if path.is_dir() else path
    if not file.is_file():
        raise FileError(path, "no LMDB is there", f"name the folder that holds a {_FILE}")
    where = file.resolve()
    with _opening, _told(path):
        environment = _open.get(where)
        if environment is None:
            try:
                environment = lmdb.open(
                    str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, max_dbs=0
                )
            except lmdb.Error as error:
                raise FileError(file, f"is no LMDB: {_reason(error)}", "build the data set again") from error
            page = environment.stat()["psize"]
            needed = page * (environment.info()["last_pgno"] + 1)
            size = file.stat().st_size
            if size < needed:
                environment.close()
                raise FileError(file, f"is cut off: {size} of {needed} bytes", "build or copy it again")
            _open[where] = environment
        return environment


@contextmanager
def _told(path: Path) -> Iterator[None]:
    import lmdb

    from caffe_fcn import files

    with files.told(path):
        try:
            yield
        except lmdb.DiskError as error:
            raise FileError(path, "no space left on device", "free some space") from error
        except lmdb.Error as error:
            raise DatasetError(path, f"LMDB fails: {_reason(error)}", "build the data set again") from error


def _reason(error: Exception) -> str:
    """LMDB says ``function: CODE: reason (advice to programmers)``; the reason is what counts."""
    return str(error).split(": ", 1)[-1].split(" (")[0]
