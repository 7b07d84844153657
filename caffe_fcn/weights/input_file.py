"""A weights file, read by position: what nobody asks for stays on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike, naming_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAMAGED = "the file is cut off or damaged: copy or fetch it again"  # how to mend it, in errors of all formats

_WINDOW = 4096  # bytes that are read at once where single bytes are asked for


class InputFile:
    """An open file; `len` gives its size, an index one byte.

    It is read by position and not through a map: a file that another process cuts short in the meantime
    is an error here, where a map would kill this process.
    """

    def __init__(self, path: PathLike, mend: str = "name a weights file") -> None:
        self.path = Path(path)
        self._window, self._begin = b"", 0
        with naming_errors(path):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise FileError(path, "is not a regular file", mend)
            self._file: IO[bytes] = self.path.open("rb", buffering=0)
            self._status = os.fstat(self.fileno())

    def fileno(self) -> int:
        """The file's descriptor, for what the kernel copies."""
        return self._file.fileno()

    def map_array(self, dtype: str, begin: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """A read-only map of an array in the file; raises `FileError` where the file has changed."""
        import numpy as np

        self.check_unchanged()
        return np.memmap(self._file, dtype, "r", begin, shape)

    def __len__(self) -> int:
        return self._status.st_size

    def __getitem__(self, position: int, /) -> int:
        index = position - self._begin
        if not 0 <= index < len(self._window):
            self._window = self.read(position, min(_WINDOW, len(self) - position))
            self._begin, index = position, 0
        return self._window[index]

    def read(self, begin: int, size: int) -> bytes:
        """``size`` bytes from ``begin`` on; raises `FileError` where the file has become shorter."""
        parts = []
        with naming_errors(self.path):
            while size > 0 and (part := os.pread(self.fileno(), size, begin)):
                parts.append(part)
                begin, size = begin + len(part), size - len(part)
        if size > 0:
            raise self._changed_error()
        return b"".join(parts)

    def check_unchanged(self) -> None:
        """Raise `FileError` if somebody has written to the file since it was opened."""
        now = os.fstat(self.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise self._changed_error()

    def _changed_error(self) -> FileError:
        return FileError(self.path, "changed while it was read", "wait until its writer is done, then run again")

    def close(self) -> None:
        """Close the file; its tensors can no longer be read."""
        self._file.close()
