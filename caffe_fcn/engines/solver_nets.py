"""The nets that a solver names: one training net and any number of test nets, each in its state.

Source: Solver::InitTrainNet and InitTestNets in src/caffe/solver.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import TEST, TRAIN, NetParameter, NetState, SolverParameter, read_net, read_solver, upgrade_net
from caffe_fcn.proto.copying import copy_message
from caffe_fcn.proto.solver_facts import find_net_mistakes, find_test_mistakes


def read_nets(solver: SolverParameter, folder: Path = Path(), allow_unknown: bool = False) -> list[NetParameter]:
    """The training net and the test nets, with their states (phase, level, stages) in ``state``.

    The files that the solver names lie in ``folder``. Raises `EngineError` if the solver does not say which nets, and
    what `read_net` raises.
    """

    def read(path: str) -> NetParameter:
        return read_net(folder / path, allow_unknown)

    for what, mend in _find_errors(solver):
        raise EngineError("solver", what, mend)
    shared = [read(solver.net)] if solver.net else [solver.net_param] if solver.HasField("net_param") else []
    if solver.train_net:
        train = read(solver.train_net)
    else:
        train = solver.train_net_param if solver.HasField("train_net_param") else shared[0]
    tests = [*solver.test_net_param, *map(read, solver.test_net)]
    tests += shared * (len(solver.test_iter) - len(tests))
    states = list(solver.test_state) or [NetState()] * len(tests)
    return [
        _copy_with_state(train, TRAIN, solver.train_state),
        *(_copy_with_state(net, TEST, state) for net, state in zip(tests, states, strict=True)),
    ]


def find_working_directory(param: SolverParameter, solver: Path) -> Path:
    """The folder from which the solver's nets are found; raises `FileError` if there is none."""
    nets = [*filter(None, (param.net, param.train_net)), *param.test_net]
    for folder in (Path.cwd(), solver.parent):
        if all((folder / net).is_file() for net in nets):
            return folder
    missing = next(net for net in nets if not (Path.cwd() / net).is_file())
    raise FileError(solver, f"its net {missing!r} is neither here nor beside it", "check the path")


def read_nets_of(solver: PathLike) -> list[NetParameter]:
    """The nets of the solver in a file; none for standard input, which can be read only once. Raises as `read_nets`."""
    if str(solver) == "-":
        return []
    param = read_solver(solver, allow_unknown=True)
    return read_nets(param, find_working_directory(param, Path(solver)), allow_unknown=True)


def name_nets(solver: SolverParameter, within: str) -> list[str]:
    """The files of the nets that `read_nets` returns; ``within`` stands for nets that the solver itself holds."""
    tests = [*(within for _ in solver.test_net_param), *solver.test_net]
    shared = solver.net or within
    tests += [shared] * (len(solver.test_iter) - len(tests))
    return [solver.train_net or shared, *tests]


def _copy_with_state(net: NetParameter, phase: int, state: NetState) -> NetParameter:
    """A copy of a net with its state set: the phase, overruled by the net's own state, overruled by the solver's."""
    copy = copy_message(net)
    upgrade_net(copy)
    merged = NetState(phase=phase)
    merged.MergeFrom(net.state)
    merged.MergeFrom(state)
    copy.state.CopyFrom(merged)
    return copy


def _find_errors(solver: SolverParameter) -> Iterator[tuple[str, str]]:
    """What is wrong with a solver's nets and its counts, and how to mend it."""
    for mistake in (*find_net_mistakes(solver), *find_test_mistakes(solver)):
        yield mistake.what, mistake.mend
    for name in ("average_loss", "iter_size"):
        if getattr(solver, name) < 1:
            yield f"{name} is {getattr(solver, name)}", "it is at least 1"
