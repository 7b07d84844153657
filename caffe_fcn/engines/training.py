"""A training in child processes: what both engines have in common.

Everything that can be checked before a child starts is checked before it starts. Then the output of the first child,
a log such as Caffe writes, is read as it comes, written to a file, and turned into events.

Every path inside a solver or a net (``net``, ``snapshot_prefix``, an LMDB) is relative to the working directory of
the children. That is the caller's, as with ``caffe train``; only if the solver's nets are not found from there but
from the solver's own folder, it is the solver's folder.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TypeVar, cast

from caffe_fcn import files
from caffe_fcn.engines import solver_state
from caffe_fcn.engines.arguments import require_start
from caffe_fcn.engines.data_sources import require_sources
from caffe_fcn.engines.events import Event, Score
from caffe_fcn.engines.log import read_events
from caffe_fcn.engines.output_lock import lock_output
from caffe_fcn.engines.processes import Child, open_log, open_scratch_file, start_process, wake_on_signals
from caffe_fcn.engines.recording import Recorder, count_images
from caffe_fcn.engines.solver_nets import find_working_directory
from caffe_fcn.errors import CaffeFcnError, EngineError, FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter, read_solver, to_text

_PATIENCE = 1.0  # seconds until an interruption is repeated
_PIECE = 1 << 16  # bytes read from a pipe at once

ENDS_OF_INTERRUPTED = {0, -signal.SIGINT, -signal.SIGKILL}
"""Exit statuses of a child that was interrupted: it stopped in time, had no handler yet, or was killed at last."""

_Self = TypeVar("_Self", bound="Training")


class Training(ABC):
    """A training while it runs: an iterable of `Event`, and a context that leaves no process behind.

    Subclasses check their arguments, then `_start` their children, and say in `_explain_failure` why one died.
    With ``score_every`` a snapshot is written every so many iterations, and somebody scores it: an engine may wait
    after each snapshot until `go_on` or `stop` is called.

    Raises `FileError` or `PrototxtError` for what is missing or wrong. Iterating raises `EngineError` when a child
    dies, or the loss is not finite.
    """

    engine = ""  # which one it is, with its version
    folder: Path  # where the children run
    prefix: Path  # what the names of snapshots begin with
    log: Path
    figures: Path  # where the figures go, as lines of JSON
    max_iter: int
    images: int | None  # that an iteration takes, where that is known
    notes: list[str]  # what the user should know before the first event
    interrupted: bool
    stopped: bool  # by `stop`
    leads: bool  # False if another program of the same training reports, and this one only takes part
    _allows_unknown_fields = True  # in the solver: the engine may know fields that our schema does not have
    _loses_signals = False  # whether the engine can miss an interruption, which is then repeated until it stops

    def __init__(
        self,
        solver: PathLike,
        weights: Sequence[PathLike],
        snapshot: PathLike | None,
        log: PathLike | None,
        score_every: int | None = None,
    ) -> None:
        self._param = param = read_solver(solver, allow_unknown=self._allows_unknown_fields)
        self._path = path = Path(solver).parent.resolve() / Path(solver).name
        self._weights, self._snapshot = require_start(weights, snapshot)
        self.folder = find_working_directory(param, path)
        require_sources(param, path, self.folder)
        self.max_iter = param.max_iter
        self.notes = []
        self._is_scored = score_every is not None
        if score_every is not None:
            self._param.snapshot = score_every
        self.interrupted = self.stopped = False
        self.leads = True
        if self.folder != Path.cwd():
            self.notes.append(f"running in {self.folder}, where the solver's net is")
        self.prefix = _resolve_snapshot_prefix(param, path, self.folder)
        with files.make_folder(self.prefix.parent):
            pass  # Caffe does not make it
        self.log = Path(log).absolute() if log else self.prefix.with_name(f"{self.prefix.name}.log")
        self.figures = self.prefix.with_name(f"{self.prefix.name}.jsonl")
        if self.log == self.figures:
            raise FileError(self.log, "is where the figures of the training go", "name another `log`")
        self._shares: int | None = 1  # processes that each take a batch; None where nothing says how they share it
        self.images = None
        self._recorder: Recorder | None = None
        self._resources = ExitStack()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._outputs: list[IO[bytes]] = []  # of all processes but the first
        self._signals: int | None = None  # a pipe that can be read when a signal has come
        self._repeat_at = 0.0

    def __iter__(self) -> Iterator[Event]:
        for event in read_events(self._read_lines()):
            if self._recorder:
                self._recorder.add(event, [process.pid for process in self._processes])
            yield event
            self._check_event(event)
        error = self._explain_failure()
        if error is not None:
            mend = "; ".join(filter(None, (error.mend, f"the log is {self.log}")))
            raise EngineError(error.where, error.what, mend)

    def record(self, score: Score) -> None:
        """Add the score of a snapshot to the figures."""
        if self._recorder:
            self._recorder.add(score)

    def go_on(self) -> None:  # noqa: B027 - an engine that does not wait needs nothing
        """Answer a snapshot, for which an engine may wait where the training is scored."""

    def stop(self) -> None:
        """Answer a snapshot: have the training stop, with a snapshot, because it does not get better."""
        self.stopped = True
        self._send_signal(signal.SIGINT)
        self._repeat_at = time.monotonic() + _PATIENCE

    def interrupt(self) -> None:
        """The first time, have the children write a snapshot and stop; the second time, kill them."""
        self._send_signal(signal.SIGKILL if self.interrupted else signal.SIGINT)
        self.interrupted = True
        self._repeat_at = time.monotonic() + _PATIENCE

    @contextmanager
    def forward_signals(self, on_interrupt: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Inside the block, Ctrl-C and SIGTERM interrupt the training; SIGHUP makes it write a snapshot and go on.

        ``on_interrupt`` is called at every interruption, before a child gets it. Under ``nohup`` SIGHUP stays
        ignored. Only the main thread can do this.
        """

        def interrupt(*_: object) -> None:
            on_interrupt()
            self.interrupt()

        def snapshot(*_: object) -> None:
            self._send_signal(signal.SIGHUP)

        handlers = {signal.SIGINT: interrupt, signal.SIGTERM: interrupt}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = snapshot
        with wake_on_signals() as self._signals:
            before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)
                self._signals = None

    @property
    def solver(self) -> SolverParameter:
        """The solver as it is run."""
        return self._param

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _check_event(self, event: Event) -> None:  # noqa: B027 - an engine may have seen to it itself
        """Raise `EngineError` for an event after which it makes no sense to go on."""

    @abstractmethod
    def _explain_failure(self) -> EngineError | None:
        """Say why the children died, once their output has ended; None if they did what they were to do."""

    @abstractmethod
    def _observe(self, line: str) -> None:
        """Take note of a line of the log, before it is turned into events."""

    def _start(self, children: Sequence[Child]) -> None:
        """Start the children; the output of the first is the log, to which a resumed training appends."""
        first, *others = children
        enter = self._resources.enter_context
        try:
            if self.leads:
                enter(lock_output(self.prefix, "snapshot_prefix"))
            if self.log.is_file() or not self.log.exists():  # a device may have several writers
                enter(lock_output(self.log, "log"))
            self._log_file = enter(open_log(self.log, append=bool(self._snapshot)))
            if self.leads:
                self.images = count_images(self._param, self.folder, self._shares)
                start = _find_iteration(self._snapshot)
                self._recorder = enter(closing(Recorder(self.figures, bool(self._snapshot), self.images, start)))
            self._processes.append(enter(start_process(first, self.folder, subprocess.PIPE)))
            for child in others:
                output = enter(open_scratch_file())
                self._processes.append(enter(start_process(child, self.folder, output)))
                self._outputs.append(output)
        except BaseException:
            self._resources.close()
            raise

    def _write_solver(self) -> Path:
        """Write the solver as it is now to a temporary file; its snapshots still go where the original's would."""
        self._param.snapshot_prefix = os.path.relpath(self.prefix, self.folder)
        return self._resources.enter_context(_open_temporary_solver(self._param))

    @property
    def _is_ending(self) -> bool:
        """Whether the children were told to stop."""
        return self.interrupted or self.stopped

    def _wait_for_ends(self) -> list[int]:
        """Wait for the children to end; returns their exit statuses."""
        return [process.wait() for process in self._processes]

    def _send_signal(self, number: int) -> None:
        for process in self._processes:
            process.send_signal(number)

    def _read_lines(self) -> Iterator[str]:
        """Yield the log line by line, and write it to its file."""
        for raw in self._read_raw_lines():
            with files.naming_errors(self.log):
                self._log_file.write(raw)
                self._log_file.flush()
            line = raw.decode(errors="replace")
            self._observe(line)
            yield line

    def _read_raw_lines(self) -> Iterator[bytes]:
        """Yield the lines of the first child's output.

        Python handles signals between two steps of its own. One that comes just before a read, or to another thread,
        would wait until the child writes something; so this waits for either.
        """
        source = cast(IO[bytes], self._processes[0].stdout).fileno()
        rest = b""
        while True:
            self._repeat_interruption()
            waiting = select.poll()
            waiting.register(source, select.POLLIN)
            if self._signals is not None:
                waiting.register(self._signals, select.POLLIN)
            ready = [number for number, _ in waiting.poll(_PATIENCE * 1000 if self._loses_signals else None)]
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
        if self._loses_signals and self._is_ending and time.monotonic() >= self._repeat_at:
            self._send_signal(signal.SIGINT)
            self._repeat_at = time.monotonic() + _PATIENCE


def find_prefix(solver: PathLike) -> Path:
    """Return what the names of a solver's snapshots begin with.

    Raises `FileError` or `PrototxtError` where the solver cannot be read, or has no net.
    """
    param, path = read_solver(solver, allow_unknown=True), Path(solver).parent.resolve() / Path(solver).name
    return _resolve_snapshot_prefix(param, path, find_working_directory(param, path))


def _find_iteration(snapshot: str) -> int | None:
    """Return the iteration of a solver state; None without one, and for a damaged one, which the engine explains."""
    try:
        return solver_state.read(snapshot).iteration if snapshot else None
    except CaffeFcnError:
        return None


def _resolve_snapshot_prefix(param: SolverParameter, solver: Path, folder: Path) -> Path:
    """Return what the names of snapshots begin with, by Caffe's rules (``UpgradeSnapshotPathInformation``)."""
    if not param.snapshot_prefix:
        return solver.with_suffix("")
    prefix = folder / str(param.snapshot_prefix)
    return prefix / solver.stem if param.snapshot_prefix.endswith("/") or prefix.is_dir() else prefix


@contextmanager
def _open_temporary_solver(param: SolverParameter) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile("w", prefix="solver-", suffix=".prototxt") as file:
        file.write(to_text(param))
        file.flush()
        yield Path(file.name)
