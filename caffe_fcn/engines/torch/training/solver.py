"""Training a net as Caffe's solvers do (src/caffe/solver.cpp).

    solver = Solver("solver.prototxt", weights=["base.caffemodel"])
    for event in solver.solve():
        ...                                   # events.Step, Test and Snapshot, as they happen

Paths in the solver and its nets are relative to the working directory. Everything random (dropout, crops, orders)
follows from the seed and the number of the batch, and snapshots keep both: a training that is resumed from one of
ours does bit for bit what it would have done uninterrupted. Resumed from one of Caffe's, it starts the data anew,
as Caffe does. The states of recurrent layers are in no snapshot: with them both begin at zero.
"""

from __future__ import annotations

import math
import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.events import Event, Outputs, Snapshot, Step, Test
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.engines.torch import faults
from caffe_fcn.engines.torch.fed import Fed, Reading
from caffe_fcn.engines.torch.training import snapshots, state
from caffe_fcn.engines.torch.training.distributed import ALONE, Ranks
from caffe_fcn.engines.torch.training.optimizer import Optimizer
from caffe_fcn.engines.torch.training.solver_nets import nets_of
from caffe_fcn.errors import FileError
from caffe_fcn.proto import SolverParameter, read_solver

PathLike: TypeAlias = str | os.PathLike[str]


class Solver:
    """A training: its net, its test nets, the iteration that it is at.

    ``solver`` is a prototxt or a message. ``weights`` are files to begin with (default: those that the solver
    names), ``snapshot`` is a solver state to go on from. ``ranks`` share the batches among them; ``workers``
    processes read ahead for each net, 0 for none. ``arrays`` are the data of MemoryData layers by name. ``precision``
    is `Net`'s; parameters stay float32.

    Raises `EngineError`, `NetError`, `DatasetError`, `WeightsError` or `FileError` for what cannot be trained.
    """

    def __init__(
        self,
        solver: SolverParameter | PathLike,
        weights: Sequence[PathLike] = (),
        snapshot: PathLike | None = None,
        *,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        ranks: Ranks = ALONE,
        workers: int = 0,
        arrays: Mapping[str, Sequence[Array]] | None = None,
    ) -> None:
        self.param = read_solver(solver) if isinstance(solver, (str, os.PathLike)) else solver
        self.stopped = False
        self._wishes = {"stop": False, "snapshot": False}
        self._ranks = ranks
        self._device = torch.device(device)
        messages = nets_of(self.param)
        restored = state.read(snapshot) if snapshot else None
        self.iteration = restored.iteration if restored else 0
        position = self._position(restored, len(messages))
        self._seed = position.seed
        start = _starting_weights(self.param, weights, restored, snapshot)
        reading = Reading(self._seed, ranks, workers, arrays or {})
        self._fed = [
            Fed(message, start, passes, self._device, reading, precision)
            for message, passes in zip(messages, position.passes, strict=True)
        ]
        self.net = self._fed[0].net
        for fed in self._fed[1:]:
            fed.net.share_with(self.net)
        faults.check_weights(self.net, start[-1] if start else "the fillers")
        self.optimizer = Optimizer(self.param, self.net.learnable)
        if restored:
            self.optimizer.schedule.step = restored.step
            self.optimizer.restore(restored.histories, snapshot)
        self._losses: deque[float] = deque(maxlen=self.param.average_loss)
        self._written = -1  # the iteration of the last snapshot

    def solve(self) -> Iterator[Event]:
        """Train up to ``max_iter``, test and write snapshots on the way; raises `EngineError` for a loss of NaN."""
        param = self.param
        yield from self.step(param.max_iter - self.iteration)
        if (param.snapshot_after_train or self.stopped) and self._written != self.iteration:
            yield from self.snapshot()
        if self.stopped:
            return
        if _due(self.iteration, param.display):
            loss, _ = self._passes(1, backward=False)
            self._losses.append(loss)
            yield self._shown(None, ())
        if _due(self.iteration, param.test_interval):
            yield from self.test()

    def step(self, count: int) -> Iterator[Event]:
        """Train ``count`` iterations further."""
        self._losses.clear()
        end = self.iteration + count
        while self.iteration < end and not self.stopped:
            due = _due(self.iteration, self.param.test_interval)
            if due and (self.iteration > 0 or self.param.test_initialization):
                yield from self.test()
                if self.stopped:
                    return
            yield from self._iterate()

    def test(self) -> Iterator[Event]:
        """Run all test nets."""
        for number in range(len(self._fed) - 1):
            outputs = self._tested(number)
            if outputs is None:
                return
            yield Test(self.iteration, number, outputs)

    def snapshot(self) -> Iterator[Event]:
        """Write the weights and the solver state, on the first rank."""
        self._written = self.iteration
        if not self._ranks.first:
            return
        suffix = ".h5" if self.param.snapshot_format == SolverParameter.HDF5 else ""
        stem = f"{self.param.snapshot_prefix or 'snapshot'}_iter_{self.iteration}"
        weights, solver_state = f"{stem}.caffemodel{suffix}", f"{stem}.solverstate{suffix}"
        snapshots.save(self.net, Path(weights))
        yield Snapshot(weights)
        histories = [snapshots.handle(history) for history in self.optimizer.histories()]
        position = state.Position(self._seed, tuple(fed.passes for fed in self._fed))
        step = self.optimizer.schedule.step
        state.write(Path(solver_state), state.SolverState(self.iteration, weights, step, histories, position))
        yield Snapshot(solver_state)

    def wish(self, for_: Literal["stop", "snapshot"]) -> None:
        """Ask for a snapshot, or to stop with one, after the iteration at hand; safe in a signal handler."""
        self._wishes[for_] = True

    def close(self) -> None:
        """End the processes that read ahead."""
        for fed in self._fed:
            fed.close()

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _iterate(self) -> Iterator[Event]:
        count = self.param.iter_size * self._ranks.count
        loss, outputs = self._passes(count)
        self._ranks.sum([each.tensor.grad for each in self.net.learnable if each.tensor.grad is not None])
        rate = self.optimizer.update(self.iteration, count)
        self._losses.append(loss)
        if _due(self.iteration, self.param.display):
            yield self._shown(rate, outputs)
        self.iteration += 1
        wishes = self._agreed_wishes()
        if _due(self.iteration, self.param.snapshot) or "snapshot" in wishes:
            yield from self.snapshot()
        self.stopped = "stop" in wishes

    def _passes(self, count: int, backward: bool = True) -> tuple[float, Outputs]:
        """Run the next ``count`` batches, shared by all ranks; their mean loss, and the outputs of this rank's last."""
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        last: dict[str, Tensor] = {}
        for _, outputs in self._fed[0].turns(count):
            last = outputs
            loss = self.net.loss()
            if backward and loss.requires_grad:
                loss.backward()
            value = float(loss.detach())
            if not math.isfinite(value):
                raise faults.not_finite(self._fed[0], self.iteration)
            total += value
        self._ranks.sum([total])
        return float(total) / count, _named_values(last)

    def _tested(self, number: int) -> Outputs | None:
        """The means of a test net's outputs; None where the training was stopped meanwhile."""
        fed, count = self._fed[1 + number], self.param.test_iter[number]
        rows: dict[int, Tensor] = {}
        names: list[str] = []
        for turn, outputs in fed.turns(count):
            rows[turn] = torch.cat([outputs[name].flatten() for name in sorted(outputs)]).double()
            names = [name for name in sorted(outputs) for _ in range(outputs[name].numel())]
            if self._wishes["stop"] and self._ranks.count == 1:
                self.stopped = True
                return None
        table = torch.zeros(count, self._width(names), dtype=torch.float64, device=self._device)
        for turn, row in rows.items():
            table[turn] = row
        self._ranks.sum([table])
        return tuple(zip(names, (table.sum(0) / count).tolist(), strict=False))

    def _width(self, names: Sequence[str]) -> int:
        """How many values a test net puts out, for ranks that had none of few batches."""
        most = torch.tensor([float(self._ranks.first) * len(names)], device=self._device)
        self._ranks.sum([most])
        return int(most)

    def _shown(self, rate: float | None, outputs: Outputs) -> Step:
        return Step(self.iteration, sum(self._losses) / len(self._losses), rate, outputs)

    def _agreed_wishes(self) -> set[str]:
        """What any rank was asked for; all ranks get the same answer."""
        names = sorted(self._wishes)
        mine = [self._wishes[name] for name in names]
        if mine[names.index("snapshot")]:  # one that a signal asks for from here on is for the next iteration
            self._wishes["snapshot"] = False
        asked = torch.tensor([float(wish) for wish in mine], device=self._device)
        self._ranks.sum([asked])
        return {name for name, count in zip(names, asked.tolist(), strict=True) if count}

    def _position(self, restored: state.SolverState | None, nets: int) -> state.Position:
        """Where to begin: where one of our snapshots stopped, or at the first batch with the seed that is set."""
        if restored and restored.position and len(restored.position.passes) == nets:
            return restored.position
        seed = self.param.random_seed
        drawn = torch.tensor([seed if seed >= 0 else secrets.randbelow(1 << 31)], device=self._device)
        self._ranks.sum([drawn := drawn * self._ranks.first])
        return state.Position(int(drawn), (0,) * nets)


def _due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0


def _named_values(outputs: Mapping[str, Tensor]) -> Outputs:
    """Every value of the outputs, ordered by name as Caffe orders them."""
    return tuple((name, float(value)) for name in sorted(outputs) for value in outputs[name].detach().flatten())


def _starting_weights(
    param: SolverParameter,
    weights: Sequence[PathLike],
    restored: state.SolverState | None,
    snapshot: PathLike | None,
) -> list[PathLike]:
    """The weights' files to begin with: those of the snapshot, those that are named, or those in the solver."""
    if restored is None:
        return [*weights] or [path for names in param.weights for path in names.split(",")]
    if not restored.weights:
        return [*weights]
    saved = Path(restored.weights)
    beside = Path(snapshot or "").parent / saved.name
    found = next((path for path in (saved, beside) if path.is_file()), None)
    if found is None:
        raise FileError(snapshot, f"its weights {restored.weights!r} are neither there nor beside it", "put them back")
    return [found]
