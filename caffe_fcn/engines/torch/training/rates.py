"""Learning rates: how a solver's policy lets ``base_lr`` fall.

Source: SGDSolver::GetLearningRate in src/caffe/solvers/sgd_solver.cpp. Figures are rounded to single precision
at the end, as Caffe's are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from caffe_fcn.errors import EngineError, nearest
from caffe_fcn.proto import SolverParameter


@dataclass
class Schedule:
    """The learning rates of a solver. ``step`` counts the steps of a policy that has steps; snapshots keep it.

    Raises `EngineError` for a policy that does not exist, or whose figures Caffe refuses.
    """

    solver: SolverParameter
    step: int = 0

    def __post_init__(self) -> None:
        policy = self.solver.lr_policy
        if policy not in _POLICIES:
            mend = nearest(policy, _POLICIES) or f"one of {', '.join(_POLICIES)}"
            raise EngineError("solver", f"there is no lr_policy {policy!r}", mend)
        if policy in _BY_GAMMA and not self.solver.gamma >= 0:  # which NaN is not, either
            what = f"lr_policy {policy!r} has gamma {self.solver.gamma:g}"
            raise EngineError("solver", what, "set a gamma of at least 0")
        if policy in ("step", "sigmoid") and self.solver.stepsize < 1:
            raise EngineError("solver", f"lr_policy {policy!r} has no stepsize", "set stepsize")
        if policy == "poly" and self.solver.max_iter < 1:
            raise EngineError("solver", "lr_policy 'poly' has no max_iter", "set max_iter")

    def rate(self, iteration: int) -> float:
        """The learning rate with which iteration number ``iteration`` updates the weights."""
        try:
            single = struct.pack("f", _POLICIES[self.solver.lr_policy](self, iteration))
        except OverflowError:
            return math.inf
        return float(struct.unpack("f", single)[0])


def _fixed(schedule: Schedule, iteration: int) -> float:
    return float(schedule.solver.base_lr)


def _step(schedule: Schedule, iteration: int) -> float:
    schedule.step = iteration // schedule.solver.stepsize
    return _stepped(schedule)


def _multistep(schedule: Schedule, iteration: int) -> float:
    values = schedule.solver.stepvalue
    if schedule.step < len(values) and iteration >= values[schedule.step]:
        schedule.step += 1
    return _stepped(schedule)


def _stepped(schedule: Schedule) -> float:
    return float(schedule.solver.base_lr * schedule.solver.gamma**schedule.step)


def _exp(schedule: Schedule, iteration: int) -> float:
    return float(schedule.solver.base_lr * schedule.solver.gamma**iteration)


def _inv(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    return float(solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power)


def _poly(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    return float(solver.base_lr * max(1 - iteration / solver.max_iter, 0) ** solver.power)


def _sigmoid(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    x = solver.gamma * (iteration - solver.stepsize)
    e = math.exp(-abs(x))  # of the two forms of the sigmoid the one that cannot overflow
    return float(solver.base_lr * (1 if x >= 0 else e) / (1 + e))


_POLICIES: dict[str, Callable[[Schedule, int], float]] = {
    "exp": _exp,
    "fixed": _fixed,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "step": _step,
}

_BY_GAMMA = ("exp", "inv", "multistep", "sigmoid", "step")
