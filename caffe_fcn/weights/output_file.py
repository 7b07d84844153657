"""A weights file, written from front to back, tensor by tensor.

The kernel copies what lies in another file; the bytes do not pass through this process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from caffe_fcn.weights.tensors import CHUNK, FileSegment, Tensor


class OutputFile:
    """An open file that grows: small writes are gathered, `flush` hands them to the kernel."""

    def __init__(self, descriptor: int) -> None:
        self._out = descriptor
        self._gathered = bytearray()

    def reserve(self, size: int) -> None:
        """Make room for ``size`` bytes, which makes writing faster; a file system that cannot do so goes without.

        Raises `OSError` where the disk has not enough room.
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

    def write_tensor(self, tensor: Tensor) -> None:
        """Append a tensor's bytes; raises `FileError` where a source has changed."""
        for segment in tensor.segments:
            if isinstance(segment, FileSegment) and segment.size > _SMALL:
                self.flush()
                _copy_segment(segment, self._out)
            else:
                for chunk in segment.chunks():
                    self.write(chunk)

    def flush(self) -> None:
        """Hand the gathered bytes to the kernel."""
        with memoryview(self._gathered) as view:
            written = 0
            while written < len(view):
                written += os.write(self._out, view[written:])
        self._gathered.clear()


_CANNOT_RESERVE = {errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.ESPIPE}
_SMALL = 1 << 16  # below this, two system calls cost more than the bytes


def _copy_segment(segment: FileSegment, out: int) -> None:
    done = 0
    for kernel_copy in _KERNEL_COPIES:
        # Where this kernel, or these two file systems, cannot do it, the next one goes on from where this one stopped.
        with suppress(OSError):
            for moved in kernel_copy(segment.cut(done, segment.size), out):
                done += moved
    for chunk in segment.cut(done, segment.size).chunks():
        written = 0
        while written < len(chunk):
            written += os.write(out, chunk[written:])


# Each write begins and ends at a multiple of this in the file: the system's cache then takes it in pieces larger than a
# page, and a copy takes a fifth less time than one by copy_file_range, whose pieces are of 64 kB anywhere.
_SPLICED = 1 << 19


def _splice(segment: FileSegment, out: int) -> Iterator[int]:
    import fcntl

    drain, pipe = os.pipe()
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 2 * _SPLICED)
        begin, end, target = segment.begin, segment.begin + segment.size, os.lseek(out, 0, os.SEEK_CUR)
        while begin < end:
            size = min(end - begin, _SPLICED - target % _SPLICED)
            waiting = os.splice(segment.file.fileno(), pipe, size, offset_src=begin)
            if not waiting:
                return
            begin, target = begin + waiting, target + waiting
            while waiting:
                moved = os.splice(drain, out, waiting)
                waiting -= moved
                yield moved
    finally:
        os.close(drain)
        os.close(pipe)


def _copy_file_range(segment: FileSegment, out: int) -> Iterator[int]:
    begin, end = segment.begin, segment.begin + segment.size
    while moved := os.copy_file_range(segment.file.fileno(), out, end - begin, begin):
        begin += moved
        yield moved


# The kernel's ways to copy, the faster one first. Each yields how many bytes it has copied, time and again.
_KERNEL_COPIES: list[Callable[[FileSegment, int], Iterator[int]]] = [
    copy for name, copy in (("splice", _splice), ("copy_file_range", _copy_file_range)) if hasattr(os, name)
]
