"""What Caffe's solvers know of themselves: their types, their policies for the rate, and the nets that they name.

    SOLVER_TYPES["Adam"].histories          # arrays as large as a parameter that the solver state keeps of each
    list(find_net_mistakes(solver))         # [Mistake(field='test_iter', what='has 1 test_iter for 2 test nets', ...)]

The engines that train and the rules of `caffe-fcn check` read the same tables. No arrays are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from caffe_fcn.errors import nearest

if TYPE_CHECKING:
    from caffe_fcn.proto.schema import SolverParameter


class SolverType(NamedTuple):
    """A type of solver: whether it takes a momentum, and how many arrays its state keeps of each parameter."""

    has_momentum: bool = True
    histories: int = 1


# Source: the subclasses of SGDSolver in include/caffe/sgd_solvers.hpp and their constructor_sanity_check
SOLVER_TYPES: dict[str, SolverType] = {
    "SGD": SolverType(),
    "Nesterov": SolverType(),
    "AdaGrad": SolverType(has_momentum=False),
    "RMSProp": SolverType(has_momentum=False),
    "AdaDelta": SolverType(histories=2),
    "Adam": SolverType(histories=2),
}

# Source: SGDSolver::GetLearningRate in src/caffe/solvers/sgd_solver.cpp
POLICY_FIGURES: dict[str, tuple[str, ...]] = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}
"""The fields that each ``lr_policy`` reads beside ``base_lr``."""


class Mistake(NamedTuple):
    """What Caffe refuses in a solver: the field, what is wrong with it, and how to mend it."""

    field: str
    what: str
    mend: str


def count_histories(solver: SolverParameter | None) -> int:
    """How many arrays the state of a solver keeps of each parameter; those of SGD where there is none."""
    return SOLVER_TYPES.get(str(solver.type) if solver else "SGD", SolverType()).histories


def find_type_mistakes(solver: SolverParameter) -> Iterator[Mistake]:
    """A type that does not exist, or figures that it does not take."""
    kind = str(solver.type)
    if kind not in SOLVER_TYPES:
        mend = nearest(kind, SOLVER_TYPES) or f"one of {', '.join(SOLVER_TYPES)}"
        yield Mistake("type", f"there is no solver of type {kind!r}", mend)
    elif solver.momentum and not SOLVER_TYPES[kind].has_momentum:
        yield Mistake("momentum", f"{kind} has no momentum", "leave momentum out")
    elif kind == "RMSProp" and not 0 <= solver.rms_decay < 1:
        yield Mistake("rms_decay", f"rms_decay {solver.rms_decay:g}", "it is at least 0 and below 1")


def find_policy_mistakes(solver: SolverParameter) -> Iterator[Mistake]:
    """A policy that does not exist."""
    policy = str(solver.lr_policy)
    if policy not in POLICY_FIGURES:
        mend = nearest(policy, POLICY_FIGURES) or f"one of {', '.join(POLICY_FIGURES)}"
        yield Mistake("lr_policy", f"there is no lr_policy {policy!r}" if policy else "has no lr_policy", mend)


def find_net_mistakes(solver: SolverParameter) -> Iterator[Mistake]:
    """Nets to train that are not exactly one. Source: Solver::InitTrainNet in src/caffe/solver.cpp."""
    named = [name for name in ("net", "train_net") if getattr(solver, name)]
    named += [name for name in ("net_param", "train_net_param") if solver.HasField(name)]
    if len(named) != 1:
        what = f"names {len(named)} nets to train" + (f": {' and '.join(named)}" if named else "")
        yield Mistake(named[1] if named else "", what, "set one of net, train_net, net_param and train_net_param")


def find_test_mistakes(solver: SolverParameter) -> Iterator[Mistake]:
    """Test nets without their figures. Source: Solver::InitTestNets in src/caffe/solver.cpp."""
    own = len(solver.test_net) + len(solver.test_net_param)
    has_shared = bool(solver.net) or solver.HasField("net_param")
    tests, states = len(solver.test_iter), len(solver.test_state)
    if tests < own or (tests > own and not has_shared):
        yield Mistake("test_iter", f"has {tests} test_iter for {own} test nets", "give one each")
    if states not in (0, tests):
        yield Mistake("test_state", f"has {states} test_state for {tests} test nets", "give one each, or none")
    if tests and solver.test_interval < 1:
        yield Mistake("test_iter", "has test nets and no test_interval", "set test_interval")
    if any(count < 1 for count in solver.test_iter):
        yield Mistake("test_iter", "has a test_iter below 1", "it is the number of batches of a test")
