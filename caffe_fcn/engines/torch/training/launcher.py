"""A training by the torch engine: each rank a child process, ``torch/rank.py``.

The ranks are one process on the CPU, or several, or one on each GPU. Under torchrun, which starts this program on
every machine as often as it is to have ranks, each starts the one that it stands for. This process itself needs no
torch, unless GPUs are in question.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

import caffe_fcn
from caffe_fcn.engines import log as glog
from caffe_fcn.engines.arguments import check_gpus
from caffe_fcn.engines.processes import Child
from caffe_fcn.engines.training import ENDS_OF_INTERRUPTED, Training
from caffe_fcn.errors import EngineError
from caffe_fcn.files import PathLike

_GPU = 1  # SolverParameter.SolverMode
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what a rank handles, once it can
LOST = 3  # how a rank ends that lost the others
_GRACE = 5  # seconds for the one that they lost to tell why
_MOST_WORKERS = 4  # more processes read faster than a net learns


class TorchTraining(Training):
    """A running training by torch, as `caffe.CaffeTraining`, whose arguments it takes.

    ``nproc`` is how many processes share the batches: N of them with iter_size k do what one does with iter_size N k.
    """

    _allows_unknown_fields = False

    def __init__(
        self,
        solver: PathLike,
        weights: Sequence[PathLike] = (),
        snapshot: PathLike | None = None,
        gpu: str = "",
        log: PathLike | None = None,
        nproc: int | None = None,
        precision: str = "float32",
    ) -> None:
        gpus = _gpus(gpu, nproc)
        super().__init__(solver, weights, snapshot, log)
        if not gpus and self._param.solver_mode == _GPU:
            gpus = _cuda()[: nproc or (None if _launched() else 1)]
            if not gpus:
                self.notes.append("torch finds no GPU: training on the CPU")
        devices = gpus or ["cpu"] * (nproc or 1)
        if _launched():
            devices = [devices[int(os.environ.get("LOCAL_RANK", 0)) % len(devices)]]
        self.leads = not _launched() or int(os.environ["RANK"]) == 0
        if not self.leads:
            self.log = self.log.with_name(f"{self.log.name}.rank{os.environ['RANK']}")
        self._where, self._precision = str(solver), precision
        self._said = _Said()
        self._ends: list[tuple[int, int]] = []  # ranks here, and how they ended, in the order in which they did
        path = self._write_solver()
        children = [
            Child(self._command(path, device, len(devices)), {**rank, "PYTHONPATH": _python_path()}, SIGNALS)
            for device, rank in zip(devices, _environments(len(devices)), strict=True)
        ]
        self._start(children)
        for rank in range(len(devices)):
            Thread(target=self._guard, args=(rank,), daemon=True).start()

    def _command(self, solver: Path, device: str, here: int) -> list[str]:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        share = max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", here)))
        task = {
            "parent": os.getpid(),
            "solver": str(solver),
            "weights": self._weights,
            "snapshot": self._snapshot,
            "device": device,
            "precision": self._precision,
            "threads": share,
            "workers": min(_MOST_WORKERS, max(1, share // 2)),
        }
        return [sys.executable, "-m", "caffe_fcn.engines.torch.training.worker", json.dumps(task)]

    def _guard(self, rank: int) -> None:
        """End the other ranks, which would wait for it, when one died."""
        status = self._processes[rank].wait()
        self._ends.append((rank, status))
        if status == LOST:
            time.sleep(_GRACE)
        if status != 0:
            for other in self._processes:
                other.kill()

    def _observe(self, line: str) -> None:
        self._said.hear(line)

    def _failure(self) -> EngineError | None:
        if {*self._wait_for_ends()} <= (ENDS_OF_INTERRUPTED | {LOST} if self.interrupted else {0}):
            return None
        while len(self._ends) < len(self._processes):  # the guards have heard of it, too, and are about to say so
            time.sleep(0.01)
        rank, status = min(((rank, status) for rank, status in self._ends if status), key=_knows_least)
        said = self._said if rank == 0 else _Said(self._outputs[rank - 1])
        if said.fatal:
            where, _, what = said.fatal.partition(": ")
            return EngineError(where, what)
        died = "the torch engine died" if len(self._processes) == 1 else f"rank {rank} of the torch engine died"
        why = f"signal {signal.Signals(-status).name}" if status < 0 else said.last or f"status {status}"
        return EngineError(self._where, f"{died}: {why}", "is memory short?" if status < 0 else "")


def _knows_least(end: tuple[int, int]) -> bool:
    """Whether a rank ended only because another one did; the first of those that did not is to blame."""
    return end[1] == LOST


class _Said:
    """What a rank's output tells of its end: the fatal line of its log, and the last line of all."""

    def __init__(self, output: IO[bytes] | None = None) -> None:
        self.fatal = self.last = ""
        if output:
            output.seek(0)
            for line in output:
                self.hear(line.decode(errors="replace"))

    def hear(self, line: str) -> None:
        severity, message = glog.parse_line(line.rstrip("\n"))
        if severity == "F":
            self.fatal = message
        elif not severity and message.strip():
            self.last = message.strip()


def _gpus(gpu: str, nproc: int | None) -> list[str]:
    """The GPUs that are asked for by number; raises `EngineError` where there are none such."""
    check_gpus(gpu)
    if nproc and _launched():
        raise EngineError("--nproc", "torchrun says how many processes there are", "leave --nproc out")
    if not gpu:
        return []
    here = _cuda()
    if not here:
        raise EngineError("--gpu", "torch finds no GPU", "leave --gpu out, or install torch for CUDA")
    wanted = here if gpu == "all" else [f"cuda:{number}" for number in gpu.split(",")]
    for device in wanted:
        if device not in here:
            raise EngineError("--gpu", f"there is no {device}", f"there are {', '.join(here)}")
    if nproc not in (None, len(wanted)):
        raise EngineError("--nproc", f"{nproc} processes for {len(wanted)} GPUs", "each GPU has one: leave --nproc out")
    return wanted


def _cuda() -> list[str]:
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def _launched() -> bool:
    """Whether torchrun started this process."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def _environments(count: int) -> list[Mapping[str, str]]:
    """What tells each of so many ranks on this machine where they meet; torchrun has told its own."""
    if count == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [{**common, "RANK": str(rank)} for rank in range(count)]


def _python_path() -> str:
    """Where the ranks, which may run in another folder, find this package."""
    return os.pathsep.join(filter(None, (str(Path(caffe_fcn.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
