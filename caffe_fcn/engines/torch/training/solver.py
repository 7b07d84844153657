"""Trains a net as Caffe's solvers do (src/caffe/solver.cpp).

    solver = Solver("solver.prototxt", weights=["base.caffemodel"])
    for event in solver.solve():
        ...                                   # events.Step, Test and Snapshot, as they happen

Paths in the solver and its nets are relative to the working directory. All random numbers (dropout, crops, orders of
records) follow from the seed and the number of the batch, and snapshots store both. A training that resumes from a
snapshot of this engine therefore does bit for bit what it would have done without the interruption. If the snapshot
is Caffe's, augmentations go on where it stopped, but the data start from the beginning, as in Caffe. No snapshot has
the states of recurrent layers: they start at zero, in either case.
"""

from __future__ import annotations

import math
import os
import secrets
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from caffe_fcn.engines import solver_state
from caffe_fcn.engines.divergence import advise
from caffe_fcn.engines.events import Event, Outputs, Snapshot, Step, Test
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.engines.solver_nets import read_nets
from caffe_fcn.engines.solver_state import DataPosition, SavedState
from caffe_fcn.engines.torch.product_ways import CHOICES, describe_libraries, find_libraries, parse_libraries
from caffe_fcn.engines.torch.products import PLAIN, Libraries
from caffe_fcn.engines.torch.training import divergence, snapshots
from caffe_fcn.engines.torch.training.distributed import ONE_PROCESS, ProcessGroup
from caffe_fcn.engines.torch.training.net_runner import DataOptions, NetRunner
from caffe_fcn.engines.torch.training.optimizer import Optimizer
from caffe_fcn.errors import FileError, WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter, read_solver


class Solver:
    """A training: its net, its test nets, its optimizer, and the current iteration.

    ``solver`` is a prototxt or a message. ``weights`` are the files to start from (default: those that the solver
    names), ``snapshot`` is a solver state to resume from. ``group`` are the processes that share the batches.
    ``workers`` processes read ahead for each net; with 0 this process reads. ``arrays`` are the data of MemoryData
    layers by name. ``precision`` is that of `Net`; parameters stay float32.

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
        group: ProcessGroup = ONE_PROCESS,
        workers: int = 0,
        arrays: Mapping[str, Sequence[Array]] | None = None,
    ) -> None:
        self.param = read_solver(solver) if isinstance(solver, (str, os.PathLike)) else solver
        self.stopped = False
        self._requests = {"stop": False, "snapshot": False}
        self._group = group
        self._device = torch.device(device)
        messages = read_nets(self.param)
        saved = solver_state.read(snapshot) if snapshot else None
        self.iteration = saved.iteration if saved else 0
        position = self._find_position(saved, len(messages))
        self._seed = position.seed
        self.libraries = self._choose_libraries(saved, position, precision, snapshot)
        start = _find_start_weights(self.param, weights, saved, snapshot)
        self._message, self._has_weights = messages[0], bool(start)
        earlier = self.iteration * self.param.iter_size * group.count - position.batches[0]
        options = DataOptions(self._seed, group, workers, arrays or {}, earlier)
        self._train_runner, *self._test_runners = self._runners = [
            NetRunner(message, start, next_batch, self._device, options, precision, self.libraries)
            for message, next_batch in zip(messages, position.batches, strict=True)
        ]
        self.net = self._train_runner.net
        for runner in self._test_runners:
            runner.net.share_with(self.net)
        divergence.check_weights(self.net, start[-1] if start else "the fillers")
        self.optimizer = Optimizer(self.param, self.net.learnable)
        if saved:
            self.optimizer.schedule.step = saved.step
            self.optimizer.restore(saved.histories, snapshot)
        self._losses: deque[float] = deque(position.losses, maxlen=self.param.average_loss)
        self._keeps_losses = bool(position.losses)
        self._last_snapshot = -1  # the iteration of it

    def solve(self) -> Iterator[Event]:
        """Train up to ``max_iter``, with tests and snapshots; raises `EngineError` for a loss that is NaN."""
        param = self.param
        yield from self.step(param.max_iter - self.iteration)
        if (param.snapshot_after_train or self.stopped) and self._last_snapshot != self.iteration:
            yield from self.snapshot()
        if self.stopped:
            return
        if _is_due(self.iteration, param.display):
            loss, _ = self._run_batches(1, backward=False)
            self._losses.append(loss)
            yield self._make_step(None, {})
        if _is_due(self.iteration, param.test_interval):
            yield from self.test()

    def step(self, count: int) -> Iterator[Event]:
        """Train for ``count`` more iterations."""
        if not self._keeps_losses:
            self._losses.clear()  # as Caffe does, whose snapshots do not have them
        self._keeps_losses = False
        end = self.iteration + count
        while self.iteration < end and not self.stopped:
            is_due = _is_due(self.iteration, self.param.test_interval)
            if is_due and (self.iteration > 0 or self.param.test_initialization):
                yield from self.test()
                if self.stopped:
                    return
            yield from self._iterate()

    def test(self) -> Iterator[Event]:
        """Run all test nets."""
        for number in range(len(self._test_runners)):
            outputs = self._run_test(number)
            if outputs is None:
                return
            yield Test(self.iteration, number, outputs)

    def snapshot(self) -> Iterator[Event]:
        """Write the weights and the solver state, in the first process."""
        self._last_snapshot = self.iteration
        if not self._group.is_first:
            return
        suffix = ".h5" if self.param.snapshot_format == SolverParameter.HDF5 else ""
        stem = f"{self.param.snapshot_prefix or 'snapshot'}_iter_{self.iteration}"
        weights, state = f"{stem}.caffemodel{suffix}", f"{stem}.solverstate{suffix}"
        snapshots.save(self.net, Path(weights))
        yield Snapshot(weights)
        histories = [snapshots.make_handle(history) for history in self.optimizer.histories()]
        batches = tuple(runner.next_batch for runner in self._runners)
        libraries = describe_libraries(self.libraries)
        position = DataPosition(self._seed, batches, tuple(self._losses), libraries)
        step = self.optimizer.schedule.step
        solver_state.write(Path(state), SavedState(self.iteration, weights, step, histories, position))
        yield Snapshot(state)

    def request(self, what: Literal["stop", "snapshot"]) -> None:
        """Ask for a snapshot, or to stop with one, after the current iteration; signal handlers may call this."""
        self._requests[what] = True

    def close(self) -> None:
        """End the processes that read ahead."""
        for runner in self._runners:
            runner.close()

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _iterate(self) -> Iterator[Event]:
        count = self.param.iter_size * self._group.count
        loss, outputs = self._run_batches(count)
        self._group.sum([each.tensor.grad for each in self.net.learnable if each.tensor.grad is not None])
        rate = self.optimizer.update(self.iteration, count)
        self._losses.append(loss)
        if _is_due(self.iteration, self.param.display):
            yield self._make_step(rate, outputs)
        self.iteration += 1
        requests = self._agree_on_requests()
        if _is_due(self.iteration, self.param.snapshot) or "snapshot" in requests:
            yield from self.snapshot()
            requests |= self._agree_on_requests()  # whoever looks at the snapshot may ask to stop with it
        self.stopped = "stop" in requests

    def _run_batches(self, count: int, backward: bool = True) -> tuple[float, Mapping[str, Tensor]]:
        """Run the next ``count`` batches, shared by all processes.

        Returns their mean loss, and the outputs of the last batch of this process.
        """
        total = 0.0
        last: dict[str, Tensor] = {}
        for _, outputs in self._train_runner.run_batches(count, backward):
            last = outputs
            value = self.net.read_loss()
            if not math.isfinite(value):
                mend = advise(self.param, self._message, self._has_weights)
                raise divergence.explain_divergence(self._train_runner, self.iteration, mend)
            total += value
        return self._sum_numbers([total])[0] / count, last

    def _sum_numbers(self, numbers: Sequence[float]) -> list[float]:
        """Each number's sum over all processes."""
        if self._group.count == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        self._group.sum([total])
        return total.tolist()

    def _run_test(self, number: int) -> Outputs | None:
        """The means of a test net's outputs; None if the training is stopped meanwhile."""
        runner, count = self._test_runners[number], self.param.test_iter[number]
        rows: dict[int, Tensor] = {}
        for index, outputs in runner.run_batches(count):
            rows[index] = torch.cat([outputs[name].flatten() for name in sorted(outputs)]).double()
            if self._requests["stop"] and self._group.count == 1:
                self.stopped = True
                return None
        shapes = runner.net.output_shapes  # a process may have had no batch
        names = [name for name in sorted(shapes) for _ in range(math.prod(shapes[name]))]
        table = torch.zeros(count, len(names), dtype=torch.float64, device=self._device)
        for index, row in rows.items():
            table[index] = row
        self._group.sum([table])
        return tuple(zip(names, (table.sum(0) / count).tolist(), strict=False))

    def _make_step(self, rate: float | None, outputs: Mapping[str, Tensor]) -> Step:
        return Step(self.iteration, sum(self._losses) / len(self._losses), rate, _name_values(outputs))

    def _agree_on_requests(self) -> set[str]:
        """What any process was asked for; all processes get the same answer."""
        names = sorted(self._requests)
        mine = [self._requests[name] for name in names]
        if mine[names.index("snapshot")]:  # a request that a signal makes from here on is for the next iteration
            self._requests["snapshot"] = False
        counts = self._sum_numbers([float(request) for request in mine])
        return {name for name, count in zip(names, counts, strict=True) if count}

    def _find_position(self, saved: SavedState | None, nets: int) -> DataPosition:
        """Where to start: where a snapshot of this engine stopped, otherwise at the first batch."""
        if saved and saved.position and len(saved.position.batches) == nets:
            return saved.position
        seed = self.param.random_seed
        drawn = torch.tensor([seed if seed >= 0 else secrets.randbelow(1 << 31)], device=self._device)
        self._group.sum([drawn := drawn * self._group.is_first])
        return DataPosition(int(drawn), (0,) * nets)

    def _choose_libraries(
        self, saved: SavedState | None, position: DataPosition, precision: str, where: object
    ) -> Libraries:
        """The libraries for large products: those that the training began with, else the quickest of this machine."""
        if self._device.type != "cpu" or precision != "float32":
            return PLAIN
        if saved and position is saved.position:
            try:
                return parse_libraries(position.libraries) if position.libraries else PLAIN
            except ValueError as error:
                raise WeightsError(where, str(error), "name another snapshot") from error
        found = find_libraries()
        places = [choices.index(name) for name, choices in zip(found, CHOICES, strict=True)]
        numbers = self._sum_numbers([place * self._group.is_first for place in places])
        return Libraries(*(choices[int(number)] for number, choices in zip(numbers, CHOICES, strict=True)))


def _is_due(iteration: int, interval: int) -> bool:
    return interval > 0 and iteration % interval == 0


def _name_values(outputs: Mapping[str, Tensor]) -> Outputs:
    """Each value of the outputs with the name of its blob, in Caffe's order, which is alphabetical."""
    return tuple((name, float(value)) for name in sorted(outputs) for value in outputs[name].detach().flatten())


def _find_start_weights(
    param: SolverParameter, weights: Sequence[PathLike], saved: SavedState | None, snapshot: PathLike | None
) -> list[PathLike]:
    """The weights files to start from: the snapshot's, the given ones, or those that the solver names."""
    if saved is None:
        return [*weights] or [path for names in param.weights for path in names.split(",")]
    if not saved.weights:
        return [*weights]
    path = Path(saved.weights)
    beside = Path(snapshot or "").parent / path.name
    found = next((each for each in (path, beside) if each.is_file()), None)
    if found is None:
        raise FileError(snapshot, f"its weights {saved.weights!r} are neither there nor beside it", "put them back")
    return [found]
