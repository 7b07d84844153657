"""Launches a training by the torch engine: one child process, which runs `worker`, for each rank.

The ranks are one process on the CPU, several processes on the CPU, or one process for each GPU. Under torchrun, which
starts this program once for each rank, this starts the child of that rank. This process itself imports torch only if
GPUs are asked for.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, cast

from caffe_fcn.engines import log as glog
from caffe_fcn.engines.arguments import check_gpus
from caffe_fcn.engines.processes import Child, count_cores, find_python_path, started_by_torchrun
from caffe_fcn.engines.training import ENDS_OF_INTERRUPTED, Training
from caffe_fcn.errors import EngineError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what a worker handles, once it can
STOP = b"stop\n"  # what a worker is told that waits after a snapshot, if it shall not go on
EXIT_LOST = 3  # the exit status of a worker that lost its connection to the others
_GRACE = 5  # seconds that the worker which they lost has to report why
_MOST_READERS = 4  # processes that read ahead for a worker: more read faster than a net learns


class TorchTraining(Training):
    """A running training by torch; takes the arguments of `caffe.CaffeTraining`, and more.

    ``nproc`` is how many processes share the batches: N of them with iter_size k do what one does with iter_size N k.
    ``precision`` is that of `torch.Net`. With ``score_every`` the training waits for the score of each snapshot.
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
        score_every: int | None = None,
    ) -> None:
        gpus = _choose_gpus(gpu, nproc)
        super().__init__(solver, weights, snapshot, log, score_every)
        if not gpus and self._param.solver_mode == SolverParameter.GPU:
            gpus = _list_gpus()[: nproc or (None if started_by_torchrun() else 1)]
            if not gpus:
                self.notes.append("torch finds no GPU: training on the CPU")
        devices = gpus or ["cpu"] * (nproc or 1)
        if started_by_torchrun():
            devices = [devices[int(os.environ.get("LOCAL_RANK", 0)) % len(devices)]]
        self.leads = not started_by_torchrun() or int(os.environ["RANK"]) == 0
        if not self.leads:
            self.log = self.log.with_name(f"{self.log.name}.rank{os.environ['RANK']}")
        self._shares = int(os.environ["WORLD_SIZE"]) if started_by_torchrun() else len(devices)
        self._where, self._precision = str(solver), precision
        self._first_output = _WorkerOutput()
        self._ends: list[tuple[int, int]] = []  # index and exit status of each child that ended, in that order
        path = self._write_solver()
        children = [
            Child(
                self._make_command(path, device, len(devices)),
                {**rank, "PYTHONPATH": find_python_path()},
                SIGNALS,
                self._is_scored,
            )
            for device, rank in zip(devices, _make_environments(len(devices)), strict=True)
        ]
        self._start(children)
        for index in range(len(devices)):
            Thread(target=self._watch, args=(index,), daemon=True).start()

    def go_on(self) -> None:
        self._answer(b"go on\n")

    def stop(self) -> None:
        self.stopped = True
        self._answer(STOP)

    def _answer(self, line: bytes) -> None:
        """Answer the first worker, which waits after a snapshot; one that died is explained once its log ends."""
        if self._is_scored:
            with suppress(BrokenPipeError):
                os.write(cast(IO[bytes], self._processes[0].stdin).fileno(), line)

    def _make_command(self, solver: Path, device: str, count: int) -> list[str]:
        """The command of a worker, one of ``count`` on this machine."""
        threads = max(1, count_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", count)))
        task = {
            "parent": os.getpid(),
            "solver": str(solver),
            "weights": self._weights,
            "snapshot": self._snapshot,
            "device": device,
            "precision": self._precision,
            "threads": threads,
            "waits": self._is_scored,
            "workers": min(_MOST_READERS, max(1, threads // 2)),
        }
        return [sys.executable, "-m", "caffe_fcn.engines.torch.training.worker", json.dumps(task)]

    def _watch(self, index: int) -> None:
        """Wait for a child, and kill the others if it failed: they would wait for it."""
        status = self._processes[index].wait()
        self._ends.append((index, status))
        if status == EXIT_LOST:
            time.sleep(_GRACE)
        if status != 0:
            for other in self._processes:
                other.kill()

    def _observe(self, line: str) -> None:
        self._first_output.read_line(line)

    def _explain_failure(self) -> EngineError | None:
        if {*self._wait_for_ends()} <= (ENDS_OF_INTERRUPTED | {EXIT_LOST} if self._is_ending else {0}):
            return None
        while len(self._ends) < len(self._processes):  # the watching threads are about to add the others
            time.sleep(0.01)
        index, status = min(((index, status) for index, status in self._ends if status), key=_lost_the_others)
        output = self._first_output if index == 0 else _WorkerOutput(self._outputs[index - 1])
        if output.fatal:
            where, _, what = output.fatal.partition(": ")
            return EngineError(where, what)
        died = "the torch engine died" if len(self._processes) == 1 else f"rank {index} of the torch engine died"
        why = f"signal {signal.Signals(-status).name}" if status < 0 else output.last or f"status {status}"
        return EngineError(self._where, f"{died}: {why}", "is memory short?" if status < 0 else "")


def _lost_the_others(end: tuple[int, int]) -> bool:
    """Whether a worker ended only because another one did: the first one that did not is the cause."""
    return end[1] == EXIT_LOST


class _WorkerOutput:
    """The two lines of a worker's output that can say why it ended: the ``fatal`` one of its log, and its ``last``."""

    def __init__(self, output: IO[bytes] | None = None) -> None:
        self.fatal = self.last = ""
        if output:
            output.seek(0)
            for line in output:
                self.read_line(line.decode(errors="replace"))

    def read_line(self, line: str) -> None:
        severity, message = glog.parse_line(line.rstrip("\n"))
        if severity == "F":
            self.fatal = message
        elif not severity and message.strip():
            self.last = message.strip()


def _choose_gpus(gpu: str, nproc: int | None) -> list[str]:
    """The devices that ``gpu`` names, none if it is empty; raises `EngineError` for one that does not exist."""
    check_gpus(gpu)
    if nproc and started_by_torchrun():
        raise EngineError("`nproc`", "torchrun says how many processes there are", "leave `nproc` out")
    if not gpu:
        return []
    known = _list_gpus()
    if not known:
        raise EngineError("`gpu`", "torch finds no GPU", "leave `gpu` out, or install torch for CUDA")
    devices = known if gpu == "all" else [f"cuda:{number}" for number in gpu.split(",")]
    for device in devices:
        if device not in known:
            raise EngineError("`gpu`", f"there is no {device}", f"there are {', '.join(known)}")
    if nproc not in (None, len(devices)):
        raise EngineError(
            "`nproc`", f"{nproc} processes for {len(devices)} GPUs", "each GPU has one: leave `nproc` out"
        )
    return devices


def _list_gpus() -> list[str]:
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def _make_environments(count: int) -> list[Mapping[str, str]]:
    """The variables by which ``count`` workers on this machine find each other; torchrun has set those of its own."""
    if count == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    return [{**common, "RANK": str(rank)} for rank in range(count)]
