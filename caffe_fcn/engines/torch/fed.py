"""A net together with its data: every turn is one batch through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.engines.readers.prefetch import Batch, Prefetcher
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.training.distributed import Ranks
from caffe_fcn.files import PathLike
from caffe_fcn.net.graph import filtered
from caffe_fcn.proto import TRAIN, NetParameter


@dataclass(frozen=True)
class Reading:
    """How nets get their data: the seed of what is random, who shares the batches, how many processes read ahead.

    ``arrays`` are the data of MemoryData layers by name.
    """

    seed: int
    ranks: Ranks
    workers: int
    arrays: Mapping[str, Sequence[Array]]


class Fed:
    """The net of ``message.state``, fed by its data layers.

    Batches are numbered, and number n belongs to rank n mod the number of ranks; ``passes`` is the next number, on
    every rank. A batch's random numbers follow from its number and the seed, on whichever rank it is run.
    """

    def __init__(
        self,
        message: NetParameter,
        weights: Sequence[PathLike],
        passes: int,
        device: torch.device,
        reading: Reading,
        precision: str = "float32",
    ) -> None:
        state = message.state
        present = filtered(message, state.phase, state.level, state.stage)
        self._ahead = Prefetcher(present, state.phase == TRAIN, reading.seed, reading.workers, reading.arrays)
        self._tops = {layer.name: list(layer.top) for layer in present.layer}
        self._seed = reading.seed
        self._ranks = reading.ranks
        self._batches: Iterator[Batch] | None = None
        self.passes = passes
        self.inputs: dict[str, Array] = {}  # of the last turn
        first = self._by_top({name: reader.batch(passes) for name, reader in self._ahead.readers.items()})
        shapes = {top: array.shape for top, array in first.items()}
        self.net = Net(message, state, weights, inputs=shapes, seed=reading.seed, device=device, precision=precision)

    def turns(self, count: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Run this rank's share of the next ``count`` batches; gives the number of each, from 0, and its outputs.

        Raises what reading and running raise.
        """
        first = self.passes
        self.passes += count
        for number in range(first, first + count):
            if number % self._ranks.count == self._ranks.rank:
                yield number - first, self._run(number)

    def close(self) -> None:
        """End the workers that read ahead."""
        self._ahead.close()

    def again(self) -> None:
        """Run the last batch once more, and keep all blobs."""
        self.net.forward(*self.net.graph.blobs, **self.inputs)

    def _run(self, number: int) -> dict[str, Tensor]:
        if self._batches is None:
            self._batches = self._ahead.batches(number, self._ranks.count)
        self.inputs = self._by_top(next(self._batches))
        self.net.random.manual_seed(int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0]))
        return self.net.forward(**self.inputs)

    def _by_top(self, batch: Batch) -> dict[str, Array]:
        pairs = ((self._tops[name], arrays) for name, arrays in batch.items())
        return {top: array for tops, arrays in pairs for top, array in zip(tops, arrays, strict=True)}
