"""A training in child processes: what both engines have in common.

Everything that can be known before a child starts is checked before it starts. Then the first child's output, a
log such as Caffe writes, is read live, kept whole in a file, and told as events.

Every path inside a solver or a net (``net``, ``snapshot_prefix``, an LMDB) is relative to the child's working
directory. That is the caller's, as with ``caffe train``; only where the solver's nets are not to be found from
there, but are from the solver's own folder, it is the solver's folder.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias, TypeVar, cast

from caffe_fcn import files
from caffe_fcn.engines import checks
from caffe_fcn.engines.claim import claim
from caffe_fcn.engines.events import Event
from caffe_fcn.engines.log import events
from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.proto import SolverParameter, read_solver, to_text

PathLike: TypeAlias = str | os.PathLike[str]
_Self = TypeVar("_Self", bound="Running")


class Running(ABC):
    """A running training: an iterable of `Event`, and a context that leaves no process behind.

    Subclasses check what they are asked for, then `_start` their children, and say in `_failure` why one died.
    Raises `FileError` or `PrototxtError` for what is missing or wrong; iterating raises `EngineError` where a child
    dies.
    """

    folder: Path  # where the children run
    prefix: Path  # what the names of snapshots begin with
    log: Path
    max_iter: int
    notes: list[str]  # what the user should know before the first event
    interrupted: bool
    leads: bool  # false for one that takes part in a training which another program tells of
    _tolerant = True  # of fields in the solver that are not in our schema: the engine's own may have more
    _forgets = False  # whether the engine can miss an interruption, which is then repeated until it stops

    def __init__(
        self, solver: PathLike, weights: Sequence[PathLike], snapshot: PathLike | None, log: PathLike | None
    ) -> None:
        self._param = param = read_solver(solver, allow_unknown=self._tolerant)
        self._path = path = Path(solver).parent.resolve() / Path(solver).name
        self._weights, self._snapshot = _starting_point(weights, snapshot)
        self.folder = _working_directory(param, path)
        self.max_iter = param.max_iter
        self.notes = []
        self.interrupted = False
        self.leads = True
        if self.folder != Path.cwd():
            self.notes.append(f"running in {self.folder}, where the solver's net is")
        self.prefix = _snapshot_prefix(param, path, self.folder)
        with files.make_folder(self.prefix.parent):
            pass  # Caffe makes none
        self.log = Path(log).absolute() if log else self.prefix.with_name(f"{self.prefix.name}.log")
        self._resources = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._outputs: list[IO[bytes]] = []  # what all processes but the first said
        self._signals: int | None = None  # a pipe that can be read when a signal has come
        self._repeat_at = 0.0

    def __iter__(self) -> Iterator[Event]:
        yield from events(self._lines())
        error = self._failure()
        if error is not None:
            mend = "; ".join(filter(None, (error.mend, f"the log is {self.log}")))
            raise EngineError(error.where, error.what, mend)

    def interrupt(self) -> None:
        """The first time, have the children write a snapshot and stop; the second time, kill them."""
        self._signal(signal.SIGKILL if self.interrupted else signal.SIGINT)
        self.interrupted = True
        self._repeat_at = time.monotonic() + _PATIENCE

    @contextmanager
    def signals_passed_on(self, noticed: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Inside the block, Ctrl-C and SIGTERM interrupt the training; SIGHUP has it write a snapshot and go on.

        ``noticed`` is called at every interruption, before a child gets it. Under ``nohup`` SIGHUP stays ignored.
        Only the main thread can do this.
        """

        def interrupt(*_: object) -> None:
            noticed()
            self.interrupt()

        def snapshot(*_: object) -> None:
            self._signal(signal.SIGHUP)

        deeds = {signal.SIGINT: interrupt, signal.SIGTERM: interrupt}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            deeds[signal.SIGHUP] = snapshot
        with _wake_on_signals() as self._signals:
            before = {number: signal.signal(number, deed) for number, deed in deeds.items()}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
                self._signals = None

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @abstractmethod
    def _failure(self) -> EngineError | None:
        """Why the children, whose output has ended, died; None where they did what they were to do."""

    @abstractmethod
    def _witness(self, line: str) -> None:
        """Take in a line of the log before it is told."""

    def _start(self, children: Sequence[Child]) -> None:
        """Start the children; the first one's output is the log, which goes on where a training is resumed."""
        first, *others = children
        try:
            if self.leads:
                self._resources.enter_context(claim(self.prefix, "snapshot_prefix"))
            if self.log.is_file() or not self.log.exists():  # any number may write to a device
                self._resources.enter_context(claim(self.log, "log"))
            self._file = self._resources.enter_context(_log_file(self.log, "ab" if self._snapshot else "wb"))
            self._processes.append(self._resources.enter_context(_started(first, self.folder, subprocess.PIPE)))
            for child in others:
                output = self._resources.enter_context(_temporary_file())
                self._processes.append(self._resources.enter_context(_started(child, self.folder, output)))
                self._outputs.append(output)
        except BaseException:
            self._resources.close()
            raise

    def _solver_file(self) -> Path:
        """A file that holds the solver as it is now, with the prefix of snapshots that it has where it lies."""
        self._param.snapshot_prefix = os.path.relpath(self.prefix, self.folder)
        return self._resources.enter_context(_temporary_solver(self._param))

    def _statuses(self) -> list[int]:
        """How the children ended, once they have."""
        return [process.wait() for process in self._processes]

    def _signal(self, number: int) -> None:
        for process in self._processes:
            process.send_signal(number)

    def _lines(self) -> Iterator[str]:
        """The log, line by line, as it goes into the file."""
        for raw in self._raw_lines():
            with files.naming_errors(self.log):
                self._file.write(raw)
                self._file.flush()
            line = raw.decode(errors="replace")
            self._witness(line)
            yield line

    def _raw_lines(self) -> Iterator[bytes]:
        """The first child's output.

        Python handles signals between its own steps. One that comes just before a read, or to another thread, would
        wait until the child says something; hence the wait for both.
        """
        source = cast(IO[bytes], self._processes[0].stdout).fileno()
        rest = b""
        while True:
            self._repeat_interruption()
            waiting = select.poll()
            waiting.register(source, select.POLLIN)
            if self._signals is not None:
                waiting.register(self._signals, select.POLLIN)
            ready = [number for number, _ in waiting.poll(_PATIENCE * 1000 if self._forgets else None)]
            if self._signals in ready:
                os.read(self._signals, _PIECE)
            if source in ready:
                piece = os.read(source, _PIECE)
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line + b"\n" for line in lines)
                if not piece:
                    yield from filter(None, [rest])
                    return

    def _repeat_interruption(self) -> None:
        if self._forgets and self.interrupted and time.monotonic() >= self._repeat_at:
            self._signal(signal.SIGINT)
            self._repeat_at = time.monotonic() + _PATIENCE


class Child(NamedTuple):
    """A process to start; ``environment`` is added to ours. ``blocked`` signals wait until it unblocks them."""

    command: Sequence[str]
    environment: Mapping[str, str]
    blocked: Collection[signal.Signals] = ()


_PATIENCE = 1.0  # seconds until an interruption is repeated
_PIECE = 1 << 16

# Stopped in time, or before anybody listened, or killed for impatience.
ENDS_OF_INTERRUPTED = {0, -signal.SIGINT, -signal.SIGKILL}


def _starting_point(weights: Sequence[PathLike], snapshot: PathLike | None) -> tuple[list[str], str]:
    """The weights and the snapshot to start from, as absolute paths; raises where they are not there."""
    if weights and snapshot:
        raise EngineError("--snapshot", "a snapshot brings its own weights", "give either --snapshot or --weights")
    if snapshot and Path(snapshot).suffix not in (".solverstate", ".h5"):
        raise FileError(snapshot, "is no solver state", "name a .solverstate; a .caffemodel goes to --weights")
    return [str(checks.weights(path)) for path in weights], str(checks.readable(snapshot)) if snapshot else ""


def check_gpus(gpu: str) -> None:
    """Raise `EngineError` for what is no list of GPUs."""
    if gpu and not re.fullmatch(r"all|\d+(,\d+)*", gpu):
        raise EngineError("--gpu", f"{gpu!r} is no list of GPUs", "such as 0, or 0,1, or all")


def _working_directory(param: SolverParameter, solver: Path) -> Path:
    nets = [*filter(None, (param.net, param.train_net)), *param.test_net]
    for folder in (Path.cwd(), solver.parent):
        if all((folder / net).is_file() for net in nets):
            return folder
    missing = next(net for net in nets if not (Path.cwd() / net).is_file())
    raise FileError(solver, f"its net {missing!r} is neither here nor beside it", "check the path")


def _snapshot_prefix(param: SolverParameter, solver: Path, folder: Path) -> Path:
    """What snapshots' names begin with, as Caffe makes it up (``UpgradeSnapshotPathInformation``)."""
    if not param.snapshot_prefix:
        return solver.with_suffix("")
    prefix = folder / str(param.snapshot_prefix)
    return prefix / solver.stem if param.snapshot_prefix.endswith("/") or prefix.is_dir() else prefix


@contextmanager
def _temporary_solver(param: SolverParameter) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="solver-", suffix=".prototxt") as file:
        file.write(to_text(param))
        file.flush()
        yield Path(file.name)


@contextmanager
def _wake_on_signals() -> Iterator[int]:
    """The end of a pipe that can be read as soon as a signal has come."""
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
def _temporary_file() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield cast(IO[bytes], file)


@contextmanager
def _log_file(path: Path, mode: str) -> Iterator[IO[bytes]]:
    with files.naming_errors(path):
        file = cast(IO[bytes], path.open(mode))
    try:
        yield file
    finally:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()


@contextmanager
def _started(child: Child, folder: Path, output: int | IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that a terminal's Ctrl-C reaches it through us alone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, child.blocked)
    try:
        process = subprocess.Popen(
            child.command,
            cwd=folder,
            env={**os.environ, **child.environment},
            stdin=subprocess.DEVNULL,
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
