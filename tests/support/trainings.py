"""Trainings of the nets of `outlines` by both engines, and their weights."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import outlines

from caffe_fcn.engines.events import Event, Step
from caffe_fcn.engines.log import read_events
from caffe_fcn.engines.torch.training.solver import Solver

MOMENTUM: dict[str, Any] = {"momentum": 0.9, "iter_size": 2, "weight_decay": 5e-4}

SOLVERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "iter_size": 2, "weight_decay": 5e-4},
    "SGD, clipped": {"momentum": 0.9, "iter_size": 2, "weight_decay": 5e-4, "clip_gradients": 3.0},
    "Nesterov": {"type": "Nesterov", "momentum": 0.9, "weight_decay": 1e-3, "regularization_type": "L1"},
    "AdaGrad": {"type": "AdaGrad", "weight_decay": 5e-4, "delta": 0.1},
    "RMSProp": {"type": "RMSProp", "rms_decay": 0.98, "iter_size": 3, "delta": 0.1},
    "AdaDelta": {"type": "AdaDelta", "base_lr": 1.0, "momentum": 0.95, "delta": 1e-3, "weight_decay": 5e-4},
    "Adam": {"type": "Adam", "momentum": 0.9, "momentum2": 0.999, "weight_decay": 5e-4, "delta": 0.1},
}


def caffe_train(caffe: Path, solver: Path, *more: str) -> list[Event]:
    """Train by the program ``caffe`` with further options; returns the events in its log."""
    command = [str(caffe), "train", f"-solver={solver}", *more]
    environment = {**os.environ, "GLOG_logtostderr": "1"}
    done = subprocess.run(command, cwd=solver.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return list(read_events(done.stderr.splitlines()))


def torch_train(solver: Path, **options: Any) -> list[Event]:
    """Train by `Solver` with these options; returns its events."""
    with Solver(solver, **options) as training:
        return list(training.solve())


def losses(events: list[Event]) -> np.ndarray:
    """The losses that a training displayed."""
    return np.array([event.loss for event in events if isinstance(event, Step)])


def assert_same_weights(ours: Path, theirs: Path) -> None:
    """Parameters differ by at most 1e-3 of the largest value of a blob."""
    mine, caffes = outlines.weights(ours), outlines.weights(theirs)
    assert mine.keys() == caffes.keys()
    for name in caffes:
        a, b = mine[name].astype(np.float64), caffes[name].astype(np.float64)
        assert np.abs(a - b).max() <= 1e-3 * np.abs(b).max(), name
