"""The program of one process of a training; `launcher.TorchTraining` starts one for each rank.

It writes Caffe's log to stdout. If it fails, the log ends with a fatal line that holds the error. SIGINT and SIGTERM
stop all ranks after the current iteration, with a snapshot; SIGHUP makes them write a snapshot and continue. A training
that is scored waits after each snapshot for a line on stdin, "go on" or "stop". Before
the training begins, SIGINT and SIGTERM end the process at once. So does the death of its parent, at any time.

Signals are blocked when the process starts: one that comes while Python imports could be lost.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from functools import partial
from threading import Thread
from typing import Any

import torch

from caffe_fcn.engines.events import Snapshot
from caffe_fcn.engines.torch.product_ways import describe_libraries
from caffe_fcn.engines.torch.products import PLAIN
from caffe_fcn.engines.torch.training import log_lines
from caffe_fcn.engines.torch.training.distributed import LostError, join_processes
from caffe_fcn.engines.torch.training.launcher import EXIT_LOST, SIGNALS, STOP
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import CaffeFcnError

_REQUESTS = dict(zip(SIGNALS, ("stop", "stop", "snapshot"), strict=True))


def main() -> int:
    """Run the task on the command line; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    task = json.loads(sys.argv[1])
    Thread(target=_exit_with_parent, args=(task.pop("parent"),), daemon=True).start()
    try:
        _train(**task)
    except CaffeFcnError as error:
        _log(str(error), "F")
        return EXIT_LOST if isinstance(error, LostError) else 2
    except BrokenPipeError:  # the parent is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0


def _train(
    solver: str,
    weights: list[str],
    snapshot: str,
    device: str,
    precision: str,
    threads: int,
    workers: int,
    waits: bool,
) -> None:
    torch.set_num_threads(threads)
    where = torch.device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    with (
        join_processes(where) as group,
        Solver(
            solver, weights, snapshot or None, device=where, precision=precision, group=group, workers=workers
        ) as training,
    ):
        for number, request in _REQUESTS.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, partial(_handle_signal, training, request))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if group.is_first:
            by = "" if training.libraries == PLAIN else f", products by {describe_libraries(training.libraries)}"
            _log(f"Solving {training.net.graph.net.name} on {group.count} x {device} (torch {torch.__version__}{by})")
            _log(f"Learning Rate Policy: {training.param.lr_policy}")
        pace = log_lines.Pace(where)
        for event in training.solve():
            if group.is_first:
                for message in log_lines.describe_event(pace.measure(event)):
                    _log(message)
                if waits and isinstance(event, Snapshot) and log_lines.is_state(event):
                    with pace.pause():
                        _wait_for_answer(training)
        if group.is_first:
            _log("Optimization stopped early." if training.stopped else "Optimization Done.")


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _handle_signal(training: Solver, request: Any, *_: object) -> None:
    training.request(request)


def _wait_for_answer(training: Solver) -> None:
    """Wait until the snapshot is scored, and stop the training if it shall not go on."""
    if sys.stdin.buffer.readline() == STOP:
        training.request("stop")


def _log(message: str, severity: Any = "I") -> None:
    sys.stdout.write(log_lines.format_line(message, severity))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
