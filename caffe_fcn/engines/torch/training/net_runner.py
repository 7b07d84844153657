"""Runs a net on the batches that its data layers read.

runner = NetRunner(message, weights, 0, device, data_options)
for number, outputs in runner.run_batches(16):
    ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.engines.readers.augmentation import merge_sources
from caffe_fcn.engines.readers.prefetch import Batch, Prefetcher
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.products import Libraries
from caffe_fcn.engines.torch.training.distributed import ProcessGroup
from caffe_fcn.files import PathLike
from caffe_fcn.net.graph import filtered
from caffe_fcn.proto import TRAIN, NetParameter


@dataclass(frozen=True)
class DataOptions:
    """How the nets of a training get their data.

    ``seed`` is that of all random numbers, ``group`` the processes that share the batches, ``workers`` how many
    processes read ahead for each net, and ``arrays`` the data of MemoryData layers by name. ``earlier_passes`` are the
    forward passes of the training before the batch of number 0.
    """

    seed: int
    group: ProcessGroup
    workers: int
    arrays: Mapping[str, Sequence[Array]]
    earlier_passes: int = 0


class NetRunner:
    """The net of ``message`` in the state ``message.state``, with the readers of its data layers.

    Batches are numbered, and process r of N runs the batches r, r + N, r + 2N, ... ``next_batch`` is the first number
    that no process has run. The random numbers of a batch depend on the seed and its number, not on the process.
    """

    def __init__(
        self,
        message: NetParameter,
        weights: Sequence[PathLike],
        next_batch: int,
        device: torch.device,
        options: DataOptions,
        precision: str = "float32",
        libraries: Libraries | None = None,
    ) -> None:
        state = message.state
        present = filtered(message, state.phase, state.level, state.stage)
        training = state.phase == TRAIN
        self._prefetcher = Prefetcher(
            present, training, options.seed, options.workers, options.arrays, options.earlier_passes
        )
        self._tops = {layer.name: list(layer.top) for layer in present.layer}
        self._seed = options.seed
        self._group = options.group
        self._batches: Iterator[Batch] | None = None
        self._inputs: dict[str, Array] = {}  # the last batch, by blob
        self.next_batch = next_batch
        first = self._name_blobs({name: reader.batch(next_batch) for name, reader in self._prefetcher.readers.items()})
        shapes = {top: array.shape for top, array in first.items()}
        merged = merge_sources(present) if training else present
        self.net = Net(
            merged,
            state,
            weights,
            inputs=shapes,
            seed=options.seed,
            device=device,
            precision=precision,
            libraries=libraries,
        )

    def run_batches(self, count: int, backward: bool = False) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Run this process's share of the next ``count`` batches; yields each one's index, from 0, and outputs.

        With ``backward`` the gradients are added to those of the parameters (`Net.compute_gradients`).
        Raises what the readers and the net raise.
        """
        first = self.next_batch
        self.next_batch += count
        for number in range(first, first + count):
            if number % self._group.count == self._group.rank:
                yield number - first, self._run(number, backward)

    def repeat_batch(self) -> None:
        """Run the last batch again, and keep all blobs in `Net.blobs`."""
        self.net.forward(*self.net.graph.blobs, **self._inputs)

    def close(self) -> None:
        """End the processes that read ahead."""
        self._prefetcher.close()

    def _run(self, number: int, backward: bool) -> dict[str, Tensor]:
        if self._batches is None:
            self._batches = self._prefetcher.batches(number, self._group.count)
        self._inputs = self._name_blobs(next(self._batches))
        self.net.random.manual_seed(int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0]))
        return (self.net.compute_gradients if backward else self.net.forward)(**self._inputs)

    def _name_blobs(self, batch: Batch) -> dict[str, Array]:
        pairs = ((self._tops[name], arrays) for name, arrays in batch.items())
        return {top: array for tops, arrays in pairs for top, array in zip(tops, arrays, strict=True)}
