"""``caffe train`` as a child process; a crash is told as one `EngineError`."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

from caffe_fcn.datasets import reference_layers
from caffe_fcn.engines.caffe.crash import Scene
from caffe_fcn.engines.caffe.find import Caffe
from caffe_fcn.engines.running import ENDS_OF_INTERRUPTED, Child, Running, check_gpus
from caffe_fcn.errors import EngineError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import wire

_REFERENCE_LAYERS = Path(reference_layers.__file__).parent
_CPU, _GPU = 0, 1  # SolverParameter.SolverMode


class Training(Running):
    """A running ``caffe train``.

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

    # Caffe reads the flag that its handler sets and then clears it: a signal in between is lost (GotSIGINT in
    # src/caffe/util/signal_handler.cpp).
    _forgets = True

    def __init__(
        self,
        caffe: Caffe,
        solver: PathLike,
        weights: Sequence[PathLike] = (),
        snapshot: PathLike | None = None,
        gpu: str = "",
        log: PathLike | None = None,
    ) -> None:
        device = _device(caffe, gpu)
        super().__init__(solver, weights, snapshot, log)
        self._where = solver
        self._scene = Scene(self.folder)
        on_cpu = self._param.solver_mode == _GPU and not gpu and caffe.cpu_only
        if on_cpu:
            self.notes.append("this Caffe is CPU only: training on the CPU")
            self._param.solver_mode = _CPU
        path = self._solver_file() if on_cpu or not self._path.exists() else self._path
        start = [f"-snapshot={self._snapshot}"] if self._snapshot else []
        start += [f"-weights={','.join(self._weights)}"] if self._weights else []
        command = [str(caffe.binary), "train", f"-solver={path}", *start, *device]
        self._resources.callback(self._remove_half_written)
        self._start([Child(command, {"GLOG_logtostderr": "1", "GLOG_minloglevel": "0", "PYTHONPATH": _python_path()})])

    def _witness(self, line: str) -> None:
        self._scene.witness(line)

    def _failure(self) -> EngineError | None:
        (status,) = self._statuses()
        if status in (ENDS_OF_INTERRUPTED if self.interrupted else {0}):
            return None
        return self._scene.error(status, self._where)

    def _remove_half_written(self) -> None:
        """Remove the snapshot that Caffe died over; whole ones stay."""
        path = self.folder / self._scene.written
        died = any(process.returncode != 0 for process in self._processes)
        if self._scene.written and died and _is_cut_off(path):
            path.unlink(missing_ok=True)


def _python_path() -> str:
    """Where Python layers are found: at last the reference's, by the names that its nets give their modules."""
    return os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(_REFERENCE_LAYERS))))


def _device(caffe: Caffe, gpu: str) -> list[str]:
    check_gpus(gpu)
    if gpu and caffe.cpu_only:
        mend = "leave --gpu out, or name a Caffe built for GPUs with --caffe"
        raise EngineError(caffe.binary, f"this Caffe is CPU only and has no GPU {gpu}", mend)
    return [f"-gpu={gpu}"] if gpu else []


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
