"""Files that appear whole or not at all.

An output is written under a temporary name beside its target, flushed to the disk, and then renamed over the
target: a reader sees the old file or the new one. The temporary name ends with the number of the process, which
distinguishes the leftovers of a killed run from the output of a running one. The next run that writes the same
target removes such leftovers.

Where the target is a link, the file that it points to is replaced and the link stays. A target that cannot be
replaced by renaming (a device, a FIFO, a descriptor of this process such as /dev/stdout) receives the bytes once
all of them have been gathered.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from caffe_fcn.errors import FileError

PathLike: TypeAlias = str | os.PathLike[str]

_MARK = ".caffe-fcn-tmp-"
_MOST_LINKS = 40  # in one chain: the limit of Linux
_BLOCK = 1 << 20


@contextmanager
def atomic_write(target: PathLike, wait: bool = True) -> Iterator[IO[bytes]]:
    """Open a binary file, also for reading, that replaces ``target`` when the block ends and is removed when it fails.

    With ``wait`` the bytes are on the disk before the rename, and survive a power cut. Without, they are in the
    kernel's cache, as after `cp`; that is for large files that a second run can make again. Inside a
    `write_together` block, the rename waits for the end of that block.
    Raises `FileError` where the folder does not exist or is not writable, or the disk is full.
    """
    path = Path(target)
    with naming_errors(path):
        output = _choose_output(path, wait)
        file = output.open()
    try:
        with naming_errors(path):
            yield file
            file.flush()
            if wait and isinstance(output, _Replacement):
                os.fsync(file.fileno())
            file.close()
        with write_together() as outputs:
            outputs.append(output)
    except BaseException:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()
        output.discard()
        raise


@contextmanager
def write_together() -> Iterator[list[_Replacement | _Stream]]:
    """Make all outputs of the block appear, or none: `atomic_write` renames them when the block ends.

    A block inside another one joins the outer one. Raises `FileError` where two outputs have the same target.
    """
    outer = _PENDING.get()
    if outer is not None:
        yield outer
        return
    outputs: list[_Replacement | _Stream] = []
    token = _PENDING.set(outputs)
    try:
        yield outputs
        # Streams first: where their reader has gone, no file is replaced.
        for output in sorted(outputs, key=lambda each: isinstance(each, _Replacement)):
            with naming_errors(output.target):
                output.finish()
    finally:
        _PENDING.reset(token)
        for output in outputs:
            output.discard()


@contextmanager
def make_folder(path: PathLike) -> Iterator[None]:
    """Make a folder and its parents; where the block fails, remove those of them that are still empty."""
    with naming_errors(path):
        place = Path(os.path.realpath(path))  # for a dangling link, the folder that it names
        made = [each for each in (place, *place.parents) if not each.exists()]
    try:
        with naming_errors(path):
            place.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):  # something is in it
                each.rmdir()
        raise


def write_text(target: PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, atomically; file names in it that are not UTF-8 keep their bytes."""
    with atomic_write(target) as file:
        file.write(text.encode(errors="surrogateescape"))


def read_bytes(source: PathLike) -> bytes:
    """Return the content of a (small) file; raises `FileError` where it cannot be read."""
    with naming_errors(source):
        return Path(source).read_bytes()


@contextmanager
def naming_errors(path: PathLike) -> Iterator[None]:
    """Turn operating system errors inside the block, and lack of memory, into a `FileError` that names ``path``."""
    if "\0" in os.fspath(path):
        raise FileError(path, "has a zero byte in its name", "check the path")
    try:
        yield
    except OSError as error:
        raise to_file_error(path, error) from error
    except MemoryError as error:
        raise FileError(path, "does not fit into memory", "free some memory, or name a smaller file") from error


def to_file_error(path: PathLike, error: OSError) -> FileError:
    """Convert an operating system error at ``path`` to a `FileError` that says what to do."""
    mend = {
        FileNotFoundError: "check the path",
        PermissionError: "check the permissions",
        NotADirectoryError: "check the path",
        IsADirectoryError: "name a file",
        BrokenPipeError: "its reader went away",
    }.get(type(error), _BY_NUMBER.get(error.errno or 0, ""))
    return FileError(path, (error.strerror or str(error)).lower(), mend)


_BY_NUMBER = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EBADF: "it is closed: redirect it, or leave it open",
}


def temporary_name(path: Path) -> Path:
    """Return the name beside ``path`` under which this process writes it; its length does not depend on ``path``."""
    return path.with_name(f"{_family(path)}{os.getpid()}")


def remove_leftovers(path: Path) -> None:
    """Remove temporary files and folders of ``path`` whose processes no longer run."""
    for left in path.parent.glob(f"{_family(path)}*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and int(number) != os.getpid() and not _is_running(int(number)):
            if left.is_dir():
                import shutil  # seldom needed, and it imports every compression module

                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _family(path: Path) -> str:
    """Return the prefix of all temporary names of ``path``."""
    import hashlib  # loads OpenSSL, which would slow down commands that write nothing

    return f"{_MARK}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


@dataclass(frozen=True)
class _Replacement:
    """A file written beside ``place`` and renamed over it; ``target`` is the path that the user gave."""

    target: Path
    place: Path
    wait: bool

    @property
    def temporary(self) -> Path:
        return temporary_name(self.place)

    def open(self) -> IO[bytes]:
        remove_leftovers(self.place)
        return self.temporary.open("w+b")

    def finish(self) -> None:
        self.temporary.replace(self.place)
        if self.wait:
            _sync_folder(self.place.parent)

    def discard(self) -> None:
        with suppress(OSError):  # renamed already, or the disk no longer responds
            self.temporary.unlink()


@dataclass
class _Stream:
    """A device, a FIFO or an open descriptor: the bytes are gathered in a file, since writers may seek, then copied."""

    target: Path
    place: Path | int
    temporary: str = ""

    def open(self) -> IO[bytes]:
        import tempfile  # seldom needed

        descriptor, self.temporary = tempfile.mkstemp(prefix=_MARK)
        os.close(descriptor)
        return open(self.temporary, "w+b")  # noqa: PTH123 - some writers need the name of the file

    def finish(self) -> None:
        descriptor = os.dup(self.place) if isinstance(self.place, int) else os.open(self.place, os.O_WRONLY)
        with open(descriptor, "wb") as out, open(self.temporary, "rb") as gathered:  # noqa: PTH123
            while block := gathered.read(_BLOCK):
                out.write(block)

    def discard(self) -> None:
        with suppress(OSError):
            os.unlink(self.temporary)  # noqa: PTH108


_PENDING: ContextVar[list[_Replacement | _Stream] | None] = ContextVar("pending", default=None)


def _choose_output(target: Path, wait: bool) -> _Replacement | _Stream:
    """Choose how to write ``target``; raises `FileError` for a folder, and where another output has the same target."""
    place = _follow(target)
    if any(each.place == place for each in _PENDING.get() or ()):
        raise FileError(target, "is named for two outputs", "name two files")
    if isinstance(place, int):
        return _Stream(target, place)
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return _Replacement(target, place, wait)
    if stat.S_ISDIR(mode):
        raise FileError(target, "is a folder", "name a file")
    return _Replacement(target, place, wait) if stat.S_ISREG(mode) else _Stream(target, place)


def _follow(path: Path) -> Path | int:
    """Follow links from ``path``; return the path at their end, or the number of an open descriptor of this process.

    A descriptor is not followed to its file: the file may be a pipe without a name, and a regular file must keep
    what was written to it before.
    """
    place = path
    for _ in range(_MOST_LINKS):
        place = Path(os.path.realpath(place.parent), place.name)
        own = _DESCRIPTOR.fullmatch(str(place))
        if own and int(own["process"]) == os.getpid():
            return int(own["number"])
        if not place.is_symlink():
            return place
        place = place.parent / place.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


_DESCRIPTOR = re.compile(r"/proc/(?P<process>\d+)(/task/\d+)?/fd/(?P<number>\d+)")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs under another user
        return True
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder; the rename is done in any case
            os.fsync(handle)
    finally:
        os.close(handle)
