"""``caffe train`` as a child process; a crash becomes one `EngineError`."""

from __future__ import annotations

import math
import mmap
import signal
from collections.abc import Sequence
from pathlib import Path

from caffe_fcn.augmentation.joint_augmentation import FIRST_PASS
from caffe_fcn.engines import solver_state
from caffe_fcn.engines.arguments import check_gpus
from caffe_fcn.engines.caffe.crash import CrashReporter
from caffe_fcn.engines.caffe.find import Caffe
from caffe_fcn.engines.caffe.python_path import make_python_path
from caffe_fcn.engines.divergence import advise
from caffe_fcn.engines.events import Event, Step
from caffe_fcn.engines.processes import Child
from caffe_fcn.engines.solver_nets import read_nets
from caffe_fcn.engines.training import ENDS_OF_INTERRUPTED, Training
from caffe_fcn.errors import EngineError, MissingExtraError, WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter, wire


class CaffeTraining(Training):
    """A ``caffe train`` while it runs.

        with CaffeTraining(caffe, "solver.prototxt", weights=["base.caffemodel"]) as training:
            with training.forward_signals():
                for event in training:
                    ...

    ``solver`` may be ``-``, standard input. ``weights`` are files to fine-tune from, ``snapshot`` is a
    ``.solverstate`` to resume, ``gpu`` is ``"0"``, ``"0,1"`` or ``"all"``, ``log`` is where the log goes (default:
    the snapshot_prefix and ``.log``); a resumed training appends to it.

    Raises `FileError` or `PrototxtError` for what is missing or wrong, and `EngineError` if this Caffe cannot do
    it. Iterating raises `EngineError` when Caffe crashes, or displays a loss that is not finite: it is killed then.
    A training that is scored writes a snapshot every ``score_every`` iterations; Caffe does not wait for the score.
    """

    # Caffe reads the flag that its signal handler sets, and then clears it: a signal in between is lost
    # (GotSIGINT in src/caffe/util/signal_handler.cpp).
    _loses_signals = True

    def __init__(
        self,
        caffe: Caffe,
        solver: PathLike,
        weights: Sequence[PathLike] = (),
        snapshot: PathLike | None = None,
        gpu: str = "",
        log: PathLike | None = None,
        score_every: int | None = None,
    ) -> None:
        device = _gpu_arguments(caffe, gpu)
        super().__init__(solver, weights, snapshot, log, score_every)
        self._where = solver
        self._shares = None if gpu == "all" or "," in gpu else 1  # NVIDIA's Caffe divides a batch, BVLC's does not
        self._crash = CrashReporter(self.folder)
        on_cpu = self._param.solver_mode == SolverParameter.GPU and not gpu and caffe.cpu_only
        if on_cpu:
            self.notes.append("this Caffe is CPU only: training on the CPU")
            self._param.solver_mode = SolverParameter.CPU
        is_changed = on_cpu or score_every is not None or not self._path.exists()
        path = self._write_solver() if is_changed else self._path
        start = [f"-snapshot={self._snapshot}"] if self._snapshot else []
        start += [f"-weights={','.join(self._weights)}"] if self._weights else []
        command = [str(caffe.binary), "train", f"-solver={path}", *start, *device]
        self._resources.callback(self._remove_broken_snapshot)
        logging = {"GLOG_logtostderr": "1", "GLOG_minloglevel": "0"}
        layers = {"PYTHONPATH": make_python_path(), FIRST_PASS: str(self._count_passes())}
        self._start([Child(command, {**logging, **layers})])

    def _count_passes(self) -> int:
        """Count the forward passes of the training net before the snapshot, from which its augmentations go on."""
        if not self._snapshot:
            return 0
        try:
            return solver_state.read(self._snapshot).iteration * int(self._param.iter_size)
        except MissingExtraError as error:
            self.notes.append(f"augmentations, if the net has any, start over: {error}")
        except WeightsError:
            pass  # Caffe says what is wrong with it
        return 0

    def _observe(self, line: str) -> None:
        self._crash.read_line(line)

    def _check_event(self, event: Event) -> None:
        """Kill Caffe, which would go on, and write a snapshot of spoilt weights if it were only interrupted."""
        if isinstance(event, Step) and not math.isfinite(event.loss):
            self._send_signal(signal.SIGKILL)
            net = read_nets(self._param, self.folder, allow_unknown=True)[0]
            has_weights = bool(self._weights or self._snapshot or self._param.weights)
            what = f"the loss is {event.loss}, and the weights are spoilt"
            raise EngineError(f"iteration {event.iteration}", what, advise(self._param, net, has_weights))

    def _explain_failure(self) -> EngineError | None:
        (status,) = self._wait_for_ends()
        if status in (ENDS_OF_INTERRUPTED if self._is_ending else {0}):
            return None
        return self._crash.explain(status, self._where)

    def _remove_broken_snapshot(self) -> None:
        """Remove the snapshot that Caffe was writing when it died; whole ones stay."""
        path = self.folder / self._crash.last_snapshot
        died = any(process.returncode != 0 for process in self._processes)
        if self._crash.last_snapshot and died and _is_cut_off(path):
            path.unlink(missing_ok=True)


def _gpu_arguments(caffe: Caffe, gpu: str) -> list[str]:
    check_gpus(gpu)
    if gpu and caffe.cpu_only:
        mend = "leave `gpu` out, or name a Caffe built for GPUs with `caffe`"
        raise EngineError(caffe.binary, f"this Caffe is CPU only and has no GPU {gpu}", mend)
    return [f"-gpu={gpu}"] if gpu else []


def _is_cut_off(path: Path) -> bool:
    """Whether a file in the wire format ends inside a field; False for HDF5 files, which are not examined."""
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
