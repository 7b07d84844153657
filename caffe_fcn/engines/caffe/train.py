"""``caffe train`` as a child process.

Everything that can be known before Caffe starts is checked before it starts: the files are there, the
folder of the snapshots exists, this Caffe can use the device. Then Caffe's log is read live, kept whole in
a file, and told as events; a crash is told as one `EngineError`.

Caffe takes every path inside a solver or a net (``net``, ``snapshot_prefix``, an LMDB) relative to its
working directory. That is the caller's, as with ``caffe train``; only where the solver's nets are not to be
found from there, but are from the solver's own folder, Caffe runs in the solver's folder.
"""

from __future__ import annotations

import mmap
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from caffe_fcn import files
from caffe_fcn.engines.caffe import checks
from caffe_fcn.engines.caffe.crash import Scene
from caffe_fcn.engines.caffe.find import Caffe
from caffe_fcn.engines.caffe.log import events
from caffe_fcn.engines.events import Event
from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.proto import SolverParameter, read_solver, to_text, wire

PathLike = str | os.PathLike[str]

_CPU, _GPU = 0, 1  # SolverParameter.SolverMode


class Training:
    """A running ``caffe train``: an iterable of `Event`, and a context that leaves no process behind.

        with Training(caffe, "solver.prototxt", weights=["base.caffemodel"]) as training:
            with training.signals_passed_on():
                for event in training:
                    ...

    ``solver`` may be ``-``, standard input. ``weights`` are files to fine-tune from, ``snapshot`` is a
    ``.solverstate`` to resume, ``gpu`` is ``"0"``, ``"0,1"`` or ``"all"``, ``log`` is where the log goes (default:
    the snapshot_prefix and ``.log``); the log of a resumed training is continued.

    Raises `FileError` or `PrototxtError` for what is missing or wrong, and `EngineError` where this Caffe
    cannot do it; iterating raises `EngineError` where Caffe crashes.
    """

    folder: Path  # where Caffe runs
    prefix: Path  # what the names of its snapshots begin with
    log: Path
    max_iter: int
    notes: list[str]  # what the user should know before the first event
    interrupted: bool

    def __init__(
        self,
        caffe: Caffe,
        solver: PathLike,
        weights: Sequence[PathLike] = (),
        snapshot: PathLike | None = None,
        gpu: str = "",
        log: PathLike | None = None,
    ) -> None:
        param = read_solver(solver, allow_unknown=True)
        path = Path(solver).parent.resolve() / Path(solver).name
        arguments = [*_starting_point(weights, snapshot), *_device(caffe, gpu)]
        self.folder = _working_directory(param, path)
        self.max_iter = param.max_iter
        self.notes = []
        self.interrupted = False
        if self.folder != Path.cwd():
            self.notes.append(f"running in {self.folder}, where the solver's net is")

        self.prefix = _snapshot_prefix(param, path, self.folder)
        with files.told(self.prefix.parent):
            self.prefix.parent.mkdir(parents=True, exist_ok=True)
        self.log = Path(log).absolute() if log else self.prefix.with_name(f"{self.prefix.name}.log")

        self._where = solver
        self._scene = Scene(self.folder)
        with ExitStack() as resources:
            on_cpu = param.solver_mode == _GPU and not gpu and caffe.cpu_only
            if on_cpu:
                self.notes.append("this Caffe is CPU only: training on the CPU")
                param.solver_mode = _CPU
            if on_cpu or not path.exists():
                param.snapshot_prefix = str(self.prefix)
                path = resources.enter_context(_temporary_solver(param))
            self._file = resources.enter_context(_log_file(self.log, "ab" if snapshot else "wb"))
            command = [str(caffe.binary), "train", f"-solver={path}", *arguments]
            resources.callback(self._remove_half_written)
            self._process = resources.enter_context(_child(command, self.folder))
            self._resources = resources.pop_all()

    def __iter__(self) -> Iterator[Event]:
        yield from events(self._lines())
        status = self._process.wait()
        if status not in (_ENDS_OF_INTERRUPTED if self.interrupted else {0}):
            error = self._scene.error(status, self._where)
            mend = "; ".join(filter(None, (error.mend, f"the log is {self.log}")))
            raise EngineError(error.where, error.what, mend)

    def interrupt(self) -> None:
        """The first time, have Caffe write a snapshot and stop; the second time, kill it."""
        self._process.send_signal(signal.SIGKILL if self.interrupted else signal.SIGINT)
        self.interrupted = True

    @contextmanager
    def signals_passed_on(self, noticed: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Inside the block, Ctrl-C and SIGTERM interrupt Caffe, and SIGHUP has it write a snapshot and go on.

        ``noticed`` is called at every interruption, before Caffe gets it. Under ``nohup`` SIGHUP stays ignored.
        Only the main thread can do this.
        """

        def interrupt(*_: object) -> None:
            noticed()
            self.interrupt()

        def snapshot(*_: object) -> None:
            self._process.send_signal(signal.SIGHUP)

        deeds = {signal.SIGINT: interrupt, signal.SIGTERM: interrupt}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            deeds[signal.SIGHUP] = snapshot
        before = {number: signal.signal(number, deed) for number, deed in deeds.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _lines(self) -> Iterator[str]:
        """Caffe's log, line by line, as it goes into the file."""
        for raw in self._process.stdout or ():
            with files.told(self.log):
                self._file.write(raw)
                self._file.flush()
            line = raw.decode(errors="replace")
            self._scene.witness(line)
            yield line

    def _remove_half_written(self) -> None:
        """Remove the snapshot that Caffe died over; whole ones stay."""
        path = self.folder / self._scene.written
        if self._scene.written and self._process.returncode != 0 and _is_cut_off(path):
            path.unlink(missing_ok=True)


# Stopped in time, or before Caffe listened, or killed for impatience.
_ENDS_OF_INTERRUPTED = {0, -signal.SIGINT, -signal.SIGKILL}


def _starting_point(weights: Sequence[PathLike], snapshot: PathLike | None) -> list[str]:
    """Caffe's arguments for what training starts from, checked to be there."""
    if weights and snapshot:
        raise EngineError("--snapshot", "a snapshot brings its own weights", "give either --snapshot or --weights")
    if snapshot and Path(snapshot).suffix not in (".solverstate", ".h5"):
        raise FileError(snapshot, "is no solver state", "name a .solverstate; a .caffemodel goes to --weights")
    if snapshot:
        return [f"-snapshot={checks.readable(snapshot)}"]
    return [f"-weights={','.join(str(checks.weights(path)) for path in weights)}"] if weights else []


def _device(caffe: Caffe, gpu: str) -> list[str]:
    if not gpu:
        return []
    if not re.fullmatch(r"all|\d+(,\d+)*", gpu):
        raise EngineError("--gpu", f"{gpu!r} is no list of GPUs", "such as 0, or 0,1, or all")
    if caffe.cpu_only:
        mend = "leave --gpu out, or name a Caffe built for GPUs with --caffe"
        raise EngineError(caffe.binary, f"this Caffe is CPU only and has no GPU {gpu}", mend)
    return [f"-gpu={gpu}"]


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
def _log_file(path: Path, mode: str) -> Iterator[IO[bytes]]:
    with files.told(path):
        file = cast(IO[bytes], path.open(mode))
    try:
        yield file
    finally:
        with suppress(OSError):  # closing flushes, which fails once more on a full disk
            file.close()


@contextmanager
def _child(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that a terminal's Ctrl-C reaches it through us alone."""
    environment = {**os.environ, "GLOG_logtostderr": "1", "GLOG_minloglevel": "0"}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(command[0], f"cannot be run: {error.strerror}", "check its permissions") from error
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _is_cut_off(path: Path) -> bool:
    """Whether a file in the wire format ends before its last field does; HDF5 files cannot be told."""
    if path.suffix == ".h5" or not path.is_file():
        return False
    if not path.stat().st_size:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        try:
            for _ in wire.walk(mapped):
                pass
        except wire.WireError:
            return True
    return False
