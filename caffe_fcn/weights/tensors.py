"""A parameter as a handle: its shape, its type, and where its bytes are.

The bytes are a run of pieces: stretches of a file, which the kernel moves from file to file without
their passing through this process, and bytes made on the way, chunk by chunk. So a layer of 400 MB
costs a few numbers until somebody asks for it, and reshaping, taking rows and joining are arithmetic
on positions. Numbers appear only on demand: `Tensor.array` maps them, `Tensor.chunks` bounds them.

Bytes are little-endian throughout, as in all the formats that hold them.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import FileError, WeightsError
from caffe_fcn.files import naming_errors
from caffe_fcn.net.geometry import INT_MAX, MOST_AXES, dims

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]

# Bytes in flight at a time: enough that the cost of a call vanishes, little enough for a core's cache.
CHUNK = 1 << 20

ITEM_SIZES = {"float16": 2, "float32": 4, "float64": 8}


def shape_refusal(shape: Sequence[int]) -> str:
    """Why Caffe has no blob of this shape, or an empty string. Source: Blob::Reshape in src/caffe/blob.cpp."""
    if len(shape) > MOST_AXES:
        return f"has {len(shape)} axes, and Caffe's blobs have at most {MOST_AXES}"
    count = 1
    for side in shape:
        if not 0 <= side <= INT_MAX:
            shown = f"of {side}" if abs(side) < 1 << 64 else "beyond all numbers of 64 bits"
            return f"has an axis {shown}, and Caffe's go from 0 to {INT_MAX}"
        count *= side
        if count > INT_MAX:
            return f"has a shape of more values than Caffe's blobs: {INT_MAX}"
    return ""


class SourceFile:
    """A file read by position; nothing of it is held but a window of a few kilobytes.

    Reading by position and not through a map: a file that another process cuts short while we look at it
    is an error here, where a map would kill the process.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._window, self._begin = b"", 0
        with naming_errors(path):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise FileError(path, "is no regular file", "name a weights file")
            self._file: IO[bytes] = self.path.open("rb", buffering=0)
            self._status = os.fstat(self.fileno())

    def fileno(self) -> int:
        """The descriptor, for the kernel's copying."""
        return self._file.fileno()

    def mapped(self, dtype: str, begin: int, shape: Shape) -> NDArray[Any]:
        """A read-only map of an array in the file; raises `FileError` where the file has changed."""
        import numpy as np

        self.check_unchanged()
        return np.memmap(self._file, _little(dtype), "r", begin, shape)

    def __len__(self) -> int:
        return self._status.st_size

    def __getitem__(self, position: int, /) -> int:
        index = position - self._begin
        if not 0 <= index < len(self._window):
            self._window, self._begin, index = self.read(position, min(4096, len(self) - position)), position, 0
        return self._window[index]

    def read(self, begin: int, size: int) -> bytes:
        """``size`` bytes from ``begin``; raises `FileError` where the file has become shorter."""
        parts = []
        with naming_errors(self.path):
            while size > 0 and (part := os.pread(self.fileno(), size, begin)):
                parts.append(part)
                begin, size = begin + len(part), size - len(part)
        if size > 0:
            raise self.changed()
        return b"".join(parts)

    def check_unchanged(self) -> None:
        """Raise `FileError` if somebody wrote to the file since it was opened."""
        now = os.fstat(self.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise self.changed()

    def changed(self) -> FileError:
        """The error for a file that is not what it was when it was opened."""
        return FileError(self.path, "changed while it was read", "wait until its writer is done, then run again")

    def close(self) -> None:
        """Close the file; its tensors can no longer be read."""
        self._file.close()


@dataclass(frozen=True)
class Stretch:
    """``size`` bytes of a file, from ``begin`` on."""

    file: SourceFile
    begin: int
    size: int

    @property
    def files(self) -> frozenset[SourceFile]:
        """The file."""
        return frozenset((self.file,))

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, at most `CHUNK` at a time."""
        for begin in range(self.begin, self.begin + self.size, CHUNK):
            yield self.file.read(begin, min(CHUNK, self.begin + self.size - begin))

    def part(self, begin: int, end: int) -> Stretch:
        """The bytes from ``begin`` to ``end``, counted from its own beginning."""
        return Stretch(self.file, self.begin + begin, end - begin)


@dataclass(frozen=True)
class Made:
    """``size`` bytes that ``make`` yields in chunks of whole elements, the same each time it is called.

    ``files`` are those that it reads.
    """

    size: int
    make: Callable[[], Iterator[bytes]]
    files: frozenset[SourceFile] = frozenset()

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in the chunks of ``make``."""
        return self.make()

    def part(self, begin: int, end: int) -> Made:
        """The bytes from ``begin`` to ``end``: those before are made and passed over."""

        def make() -> Iterator[bytes]:
            at = 0
            for chunk in self.make():
                if at + len(chunk) > begin:
                    yield chunk[max(begin - at, 0) : end - at]
                at += len(chunk)
                if at >= end:
                    return

        return Made(end - begin, make, self.files)


Piece: TypeAlias = Stretch | Made


@dataclass(frozen=True)
class Tensor:
    """A handle on one parameter: ``shape``, ``dtype`` (float16, float32 or float64) and its pieces in order."""

    shape: Shape
    dtype: str
    pieces: tuple[Piece, ...]

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def item_size(self) -> int:
        """Bytes of one value."""
        return ITEM_SIZES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.count * self.item_size

    def reshaped(self, shape: Shape) -> Tensor:
        """The same values in another shape of the same count."""
        if math.prod(shape) != self.count:
            raise ValueError(f"{dims(self.shape)} has not the values of {dims(shape)}")
        return Tensor(shape, self.dtype, self.pieces)

    def part(self, begin: int, end: int, shape: Shape) -> Tensor:
        """The values from ``begin`` to ``end`` in storage order, as a tensor of ``shape``."""
        return Tensor(shape, self.dtype, tuple(self._cut(begin * self.item_size, end * self.item_size)))

    def rows(self, begin: int, end: int) -> Tensor:
        """The rows ``begin`` to ``end`` along the first axis."""
        row = math.prod(self.shape[1:])
        return self.part(begin * row, end * row, (end - begin, *self.shape[1:]))

    def _cut(self, begin: int, end: int) -> Iterator[Piece]:
        at = 0
        for piece in self.pieces:
            first, last = max(begin - at, 0), min(end - at, piece.size)
            if first == 0 and last == piece.size:
                yield piece
            elif first < last:
                yield piece.part(first, last)
            at += piece.size

    @property
    def files(self) -> frozenset[SourceFile]:
        """The files from which its bytes come."""
        return frozenset[SourceFile]().union(*(piece.files for piece in self.pieces))

    def chunks(self) -> Iterator[bytes]:
        """Its bytes in order, about `CHUNK` at a time, each chunk whole elements."""
        for piece in self.pieces:
            yield from piece.chunks()

    def numbers(self) -> Iterator[NDArray[Any]]:
        """Its values in order as flat arrays of its own type, about `CHUNK` bytes each."""
        import numpy as np

        for chunk in self.chunks():
            yield np.frombuffer(chunk, _little(self.dtype))

    def array(self) -> NDArray[Any]:
        """Its values as an array, read-only; mapped from the file, not copied, where they lie in one stretch.

        A map of a file that somebody cuts short while the array is in use ends the process: the array is
        for looking at numbers, and what moves them uses `chunks`.
        """
        if len(self.pieces) == 1 and isinstance(piece := self.pieces[0], Stretch) and piece.size:
            return piece.file.mapped(self.dtype, piece.begin, self.shape)
        return self.loaded()

    def loaded(self) -> NDArray[Any]:
        """Its values as an array in memory, for parameters that are known to be small."""
        import numpy as np

        return np.frombuffer(b"".join(self.chunks()), _little(self.dtype)).reshape(self.shape)

    def cast(self, dtype: str, where: str) -> Tensor:
        """The same values in another type; reading it raises `WeightsError` at ``where`` if one becomes infinite."""
        if dtype == self.dtype:
            return self
        size = self.count * ITEM_SIZES[dtype]
        return Tensor(self.shape, dtype, (Made(size, lambda: self._cast(dtype, where), self.files),))

    def _cast(self, dtype: str, where: str) -> Iterator[bytes]:
        import numpy as np

        for values in self.numbers():
            with np.errstate(over="ignore"):
                result = values.astype(_little(dtype))
            if (lost := np.isfinite(values) & ~np.isfinite(result)).any():
                raise WeightsError(where, f"{values[lost][0]:g} does not fit {dtype}", "keep float32")
            yield result.tobytes()


def from_array(values: NDArray[Any]) -> Tensor:
    """A tensor of an array in memory (a small one: a mean, a first convolution, a bias)."""
    data = values.astype(_little(values.dtype.name), order="C").tobytes()
    return Tensor(values.shape, values.dtype.name, (Made(len(data), lambda: iter((data,))),))


def zeros(count: int, dtype: str = "float32") -> Piece:
    """So many zeros."""
    size = count * ITEM_SIZES[dtype]
    return Made(size, lambda: _zeros(size))


def _zeros(size: int) -> Iterator[bytes]:
    block = bytes(min(size, CHUNK))
    for begin in range(0, size, CHUNK):
        yield block[: size - begin]


def _little(dtype: str) -> str:
    return f"<f{ITEM_SIZES[dtype]}"


class Sink:
    """A file being written from front to back: own bytes are gathered, stretches are moved by the kernel."""

    def __init__(self, descriptor: int) -> None:
        self._out = descriptor
        self._gathered = bytearray()

    def reserve(self, size: int) -> None:
        """Make room for all that will be written: a disk too full for it says so now, and writing is faster.

        Raises `OSError` where the disk is full; a file system that cannot reserve goes without.
        """
        if size and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._out, 0, size)
            except OSError as error:
                if error.errno not in _CANNOT_RESERVE:
                    raise

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._gathered += data
        if len(self._gathered) >= CHUNK:
            self.flush()

    def pour(self, tensor: Tensor) -> None:
        """Append a tensor's bytes; raises `FileError` where a source has changed."""
        for piece in tensor.pieces:
            if isinstance(piece, Stretch) and piece.size > _SMALL:
                self.flush()
                _move(piece, self._out)
            else:
                for chunk in piece.chunks():
                    self.write(chunk)

    def flush(self) -> None:
        """Hand what was gathered to the kernel."""
        with memoryview(self._gathered) as view:
            at = 0
            while at < len(view):
                at += os.write(self._out, view[at:])
        self._gathered.clear()


_CANNOT_RESERVE = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.ESPIPE}
_SMALL = 1 << 16  # below this, two system calls cost more than the bytes


def _move(stretch: Stretch, out: int) -> None:
    done = 0
    for way in _KERNEL_COPIES:
        with suppress(OSError):  # not on this kernel, or not between these file systems: the next way, from here on
            for moved in way(stretch.part(done, stretch.size), out):
                done += moved
    for chunk in stretch.part(done, stretch.size).chunks():
        at = 0
        while at < len(chunk):
            at += os.write(out, chunk[at:])


# What is written at a time begins and ends at a multiple of this in the file: then the system's cache takes it in
# pieces larger than a page, and a copy takes a fifth less than copy_file_range's, which are of 64 kB anywhere.
_SPLICED = 1 << 19


def _splice(stretch: Stretch, out: int) -> Iterator[int]:
    import fcntl

    drain, pipe = os.pipe()
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 2 * _SPLICED)
        begin, end, at = stretch.begin, stretch.begin + stretch.size, os.lseek(out, 0, os.SEEK_CUR)
        while begin < end:
            size = min(end - begin, _SPLICED - at % _SPLICED)
            waiting = os.splice(stretch.file.fileno(), pipe, size, offset_src=begin)
            if not waiting:
                return
            begin, at = begin + waiting, at + waiting
            while waiting:
                moved = os.splice(drain, out, waiting)
                waiting -= moved
                yield moved
    finally:
        os.close(drain)
        os.close(pipe)


def _copy_file_range(stretch: Stretch, out: int) -> Iterator[int]:
    begin, end = stretch.begin, stretch.begin + stretch.size
    while moved := os.copy_file_range(stretch.file.fileno(), out, end - begin, begin):
        begin += moved
        yield moved


_KERNEL_COPIES = [
    way for name, way in (("splice", _splice), ("copy_file_range", _copy_file_range)) if hasattr(os, name)
]
