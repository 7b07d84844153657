"""One process of a training: what `engines.embedded.Training` starts, once for each rank.

It writes Caffe's log to stdout, and ends with a fatal line that holds the error where there is one. SIGINT and SIGTERM
have all ranks stop after the iteration at hand, with a snapshot; SIGHUP has them write one and go on. A rank whose
parent was killed ends at once, and so does one that is to stop before it trains. Signals are blocked when it starts:
while Python imports, an interruption may get lost.
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

from caffe_fcn.engines.torch.training import log
from caffe_fcn.engines.torch.training.distributed import LostError, joined
from caffe_fcn.engines.torch.training.launcher import LOST, SIGNALS
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import CaffeFcnError

_WISHES = dict(zip(SIGNALS, ("stop", "stop", "snapshot"), strict=True))


def main() -> int:
    """Train as the task on the command line says; returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    task = json.loads(sys.argv[1])
    Thread(target=_end_with, args=(task.pop("parent"),), daemon=True).start()
    try:
        _train(**task)
    except CaffeFcnError as error:
        _say(str(error), "F")
        return LOST if isinstance(error, LostError) else 2
    except BrokenPipeError:  # whoever started us is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    return 0


def _train(
    solver: str, weights: list[str], snapshot: str, device: str, precision: str, threads: int, workers: int
) -> None:
    torch.set_num_threads(threads)
    where = torch.device(device)
    if where.type == "cuda":
        torch.cuda.set_device(where)
    with (
        joined(where) as ranks,
        Solver(
            solver, weights, snapshot or None, device=where, precision=precision, ranks=ranks, workers=workers
        ) as training,
    ):
        for number, wish in _WISHES.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, partial(_pass_on, training, wish))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if ranks.first:
            _say(f"Solving {training.net.graph.net.name} on {ranks.count} x {device} (torch {torch.__version__})")
            _say(f"Learning Rate Policy: {training.param.lr_policy}")
        for event in training.solve():
            if ranks.first:
                for sentence in log.sentences(event):
                    _say(sentence)
        if ranks.first:
            _say("Optimization stopped early." if training.stopped else "Optimization Done.")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _pass_on(training: Solver, wish: Any, *_: object) -> None:
    training.wish(wish)


def _say(message: str, severity: Any = "I") -> None:
    sys.stdout.write(log.line(message, severity))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
