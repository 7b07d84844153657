"""Child processes of this package: how they are started, and the files and pipes that go with them."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

import caffe_fcn
from caffe_fcn import files
from caffe_fcn.errors import EngineError


class Child(NamedTuple):
    """A process to start. ``environment`` is added to ours; ``blocked`` signals wait until the child unblocks them.

    ``listens`` gives it a pipe as its standard input, which is empty otherwise.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    blocked: Collection[signal.Signals] = ()
    listens: bool = False


@contextmanager
def start_process(child: Child, folder: Path, output: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child in ``folder``, its stdout and stderr going to ``output``; kill it if it outlives the block.

    The child has a session of its own, so that a terminal's Ctrl-C reaches it through us alone.
    Raises `EngineError` if it cannot be run.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, child.blocked)
    try:
        process = subprocess.Popen(
            child.command,
            cwd=folder,
            env={**os.environ, **child.environment},
            stdin=subprocess.PIPE if child.listens else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(child.command[0], f"cannot be run: {error.strerror}", "check its permissions") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def wake_on_signals() -> Iterator[int]:
    """Yield the end of a pipe that can be read as soon as this process has received a signal."""
    reads, writes = os.pipe()
    for end in (reads, writes):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    try:
        yield reads
    finally:
        signal.set_wakeup_fd(before)
        os.close(reads)
        os.close(writes)


@contextmanager
def open_log(path: Path, append: bool) -> Iterator[IO[bytes]]:
    """Yield the log file, opened for writing; raise `FileError` if it cannot be opened."""
    with files.naming_errors(path):
        file = cast(IO[bytes], path.open("ab" if append else "wb"))
    try:
        yield file
    finally:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()


@contextmanager
def open_scratch_file() -> Iterator[IO[bytes]]:
    """Yield a file without a name, for the output of a child that is read only if the child fails."""
    with tempfile.TemporaryFile() as file:
        yield cast(IO[bytes], file)


def count_cores() -> int:
    """Return how many cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def started_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def find_python_path() -> str:
    """Return the PYTHONPATH by which children, which may run in another folder, find this package."""
    return os.pathsep.join(filter(None, (str(Path(caffe_fcn.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
