"""Files that appear whole or not at all.

An output goes to a temporary name beside its target, is flushed to the disk, and is then renamed over
the target: a reader sees the old file or the new one. The temporary carries the process's number, so
that what a killed run left behind can be told from what a living one is writing, and the next run that
writes the same target removes it.

A target that is a link is followed first: the file that it names is replaced, the link stays. What cannot be
replaced by renaming (a device, a FIFO, a descriptor of this process such as /dev/stdout) gets the bytes when
all of them are there.
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
_MOST_LINKS = 40  # that lead to one another, as many as Linux follows
_BLOCK = 1 << 20


@contextmanager
def atomic(target: PathLike, wait: bool = True) -> Iterator[IO[bytes]]:
    """A binary file, read too, that replaces ``target`` when the block ends, and vanishes when the block fails.

    With ``wait`` the bytes are on the disk before the rename, and survive a power cut; without, they are with
    the kernel, as after `cp`, which is for large files that a second run makes again. Inside `together` the rename
    waits for the end of that block.
    Raises `FileError` where the folder does not exist, is not writable, or the disk is full.
    """
    path = Path(target)
    with told(path):
        output = _output(path, wait)
        file = output.open()
    try:
        with told(path):
            yield file
            file.flush()
            if wait and isinstance(output, _Replacement):
                os.fsync(file.fileno())
            file.close()
        with together() as outputs:
            outputs.append(output)
    except BaseException:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()
        output.discard()
        raise


@contextmanager
def together() -> Iterator[list[_Replacement | _Stream]]:
    """Outputs that appear all or none: what `atomic` writes inside the block gets into place when the block ends.

    A block inside another one belongs to it. Raises `FileError` where two outputs have one target.
    """
    outer = _PENDING.get()
    if outer is not None:
        yield outer
        return
    outputs: list[_Replacement | _Stream] = []
    token = _PENDING.set(outputs)
    try:
        yield outputs
        for output in sorted(outputs, key=lambda each: isinstance(each, _Replacement)):  # a reader may have gone away
            with told(output.target):
                output.finish()
    finally:
        _PENDING.reset(token)
        for output in outputs:
            output.discard()


@contextmanager
def new_folder(path: PathLike) -> Iterator[None]:
    """Make a folder and its parents; those that the block leaves empty because it fails go again."""
    with told(path):
        place = Path(os.path.realpath(path))  # a link that leads nowhere yet gets its folder
        made = [each for each in (place, *place.parents) if not each.exists()]
    try:
        with told(path):
            place.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in made:
            with suppress(OSError):  # something is in it
                each.rmdir()
        raise


def write_text(target: PathLike, text: str) -> None:
    """Write ``text`` as UTF-8, atomically; names of files that are not UTF-8 keep their bytes."""
    with atomic(target) as file:
        file.write(text.encode(errors="surrogateescape"))


def read_bytes(source: PathLike) -> bytes:
    """The whole of a (small) file; raises `FileError` where it cannot be read."""
    with told(source):
        return Path(source).read_bytes()


@contextmanager
def told(path: PathLike) -> Iterator[None]:
    """Turn the operating system's errors inside the block into `FileError` naming ``path``.

    So does memory that does not suffice for what is in the file.
    """
    if "\0" in os.fspath(path):
        raise FileError(path, "has a zero byte in its name", "check the path")
    try:
        yield
    except OSError as error:
        raise failure(path, error) from error
    except MemoryError as error:
        raise FileError(path, "does not fit into memory", "free some memory, or name a smaller file") from error


def failure(path: PathLike, error: OSError) -> FileError:
    """What the operating system's error at ``path`` means to the user."""
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
    """The name beside ``path`` under which this process writes it; short, whatever the length of ``path``'s own."""
    return path.with_name(f"{_family(path)}{os.getpid()}")


def sweep(path: Path) -> None:
    """Remove what killed runs left beside ``path`` (files or folders of processes that no longer live)."""
    for left in path.parent.glob(f"{_family(path)}*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and int(number) != os.getpid() and not _alive(int(number)):
            if left.is_dir():
                import shutil  # of use seldom, and it brings all compressions with it

                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _family(path: Path) -> str:
    """What the names of all temporaries of ``path`` begin with."""
    import hashlib  # it loads OpenSSL, which commands that write nothing need not wait for

    return f"{_MARK}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}-"


@dataclass(frozen=True)
class _Replacement:
    """A file that is written beside ``place`` and renamed over it; ``target`` is what the user calls it."""

    target: Path
    place: Path
    wait: bool

    @property
    def temporary(self) -> Path:
        return temporary_name(self.place)

    def open(self) -> IO[bytes]:
        sweep(self.place)
        return self.temporary.open("w+b")

    def finish(self) -> None:
        self.temporary.replace(self.place)
        if self.wait:
            _sync_folder(self.place.parent)

    def discard(self) -> None:
        with suppress(OSError):  # it is in its place already, or the disk takes nothing any more
            self.temporary.unlink()


@dataclass
class _Stream:
    """A device, a FIFO or an open descriptor: bytes are gathered in a file, for writers that seek, then sent."""

    target: Path
    place: Path | int
    temporary: str = ""

    def open(self) -> IO[bytes]:
        import tempfile  # of use seldom

        descriptor, self.temporary = tempfile.mkstemp(prefix=_MARK)
        os.close(descriptor)
        return open(self.temporary, "w+b")  # noqa: PTH123 - some writers want the name of what they write

    def finish(self) -> None:
        descriptor = os.dup(self.place) if isinstance(self.place, int) else os.open(self.place, os.O_WRONLY)
        with open(descriptor, "wb") as out, open(self.temporary, "rb") as gathered:  # noqa: PTH123
            while block := gathered.read(_BLOCK):
                out.write(block)

    def discard(self) -> None:
        with suppress(OSError):
            os.unlink(self.temporary)  # noqa: PTH108


_PENDING: ContextVar[list[_Replacement | _Stream] | None] = ContextVar("pending", default=None)


def _output(target: Path, wait: bool) -> _Replacement | _Stream:
    """How ``target`` is written; raises `FileError` for a folder, and for what is written already."""
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
    """The path, no link itself, that ``path`` leads to in the end, or the descriptor of this process.

    A descriptor is not followed to its file: that may be a pipe without a name, and where it is a file, what was
    written to it before belongs to it.
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


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives and belongs to somebody else
        return True
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems refuse to sync a folder; the rename stands all the same
            os.fsync(handle)
    finally:
        os.close(handle)
