"""The learning rate of each iteration, by the solver's ``lr_policy``.

Source: SGDSolver::GetLearningRate in src/caffe/solvers/sgd_solver.cpp. The result is rounded to single precision,
as in Caffe.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from caffe_fcn.errors import EngineError
from caffe_fcn.proto import SolverParameter
from caffe_fcn.proto.solver_facts import POLICY_FIGURES, find_policy_mistakes


@dataclass
class Schedule:
    """The learning rates of a solver. ``step`` is how many steps a policy with steps has taken; snapshots keep it.

    Raises `EngineError` for an unknown policy, and for figures that Caffe refuses.
    """

    solver: SolverParameter
    step: int = 0

    def __post_init__(self) -> None:
        policy = self.solver.lr_policy
        for mistake in find_policy_mistakes(self.solver):
            raise EngineError("solver", mistake.what, mistake.mend)
        if "gamma" in POLICY_FIGURES[policy] and not self.solver.gamma >= 0:  # also true for NaN
            what = f"lr_policy {policy!r} has gamma {self.solver.gamma:g}"
            raise EngineError("solver", what, "set a gamma of at least 0")
        if "stepsize" in POLICY_FIGURES[policy] and self.solver.stepsize < 1:
            raise EngineError("solver", f"lr_policy {policy!r} has no stepsize", "set stepsize")
        if policy == "poly" and self.solver.max_iter < 1:
            raise EngineError("solver", "lr_policy 'poly' has no max_iter", "set max_iter")

    def compute_rate(self, iteration: int) -> float:
        """The learning rate for the update in iteration number ``iteration``."""
        try:
            single = struct.pack("f", _POLICIES[self.solver.lr_policy](self, iteration))
        except OverflowError:
            return math.inf
        return float(struct.unpack("f", single)[0])


def _compute_fixed(schedule: Schedule, iteration: int) -> float:
    return float(schedule.solver.base_lr)


def _compute_step(schedule: Schedule, iteration: int) -> float:
    schedule.step = iteration // schedule.solver.stepsize
    return _compute_after_steps(schedule)


def _compute_multistep(schedule: Schedule, iteration: int) -> float:
    values = schedule.solver.stepvalue
    if schedule.step < len(values) and iteration >= values[schedule.step]:
        schedule.step += 1
    return _compute_after_steps(schedule)


def _compute_after_steps(schedule: Schedule) -> float:
    return float(schedule.solver.base_lr * schedule.solver.gamma**schedule.step)


def _compute_exp(schedule: Schedule, iteration: int) -> float:
    return float(schedule.solver.base_lr * schedule.solver.gamma**iteration)


def _compute_inv(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    return float(solver.base_lr * (1 + solver.gamma * iteration) ** -solver.power)


def _compute_poly(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    return float(solver.base_lr * max(1 - iteration / solver.max_iter, 0) ** solver.power)


def _compute_sigmoid(schedule: Schedule, iteration: int) -> float:
    solver = schedule.solver
    x = solver.gamma * (iteration - solver.stepsize)
    e = math.exp(-abs(x))  # the sigmoid in the form that cannot overflow
    return float(solver.base_lr * (1 if x >= 0 else e) / (1 + e))


_POLICIES: dict[str, Callable[[Schedule, int], float]] = {
    "exp": _compute_exp,
    "fixed": _compute_fixed,
    "inv": _compute_inv,
    "multistep": _compute_multistep,
    "poly": _compute_poly,
    "sigmoid": _compute_sigmoid,
    "step": _compute_step,
}
