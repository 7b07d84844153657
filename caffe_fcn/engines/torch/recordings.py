"""Passes that a GPU repeats: their kernels are recorded once as CUDA graphs, and replayed by a single call.

A small net's kernels take less time on a GPU than the processor takes to launch them. A pass over images of a size
that has come before is therefore recorded, and later ones are replayed: the inputs are copied to where the recording
reads them, and what it leaves is copied from where it writes.

Sources: https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs; for the two graphs of a training pass,
torch.cuda.make_graphed_callables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.program import Program, run
from caffe_fcn.engines.torch.registry import State, TorchLayer
from caffe_fcn.net.graph import Blob

_PASSES_BEFORE = 2  # that are not recorded: libraries choose their kernels in them, and rewrites compute what they keep
_MOST_RECORDINGS = 64  # each holds the blobs of a pass; photos have dozens of sizes
_MOST_MEMORY = 0.4  # of the GPU's: passes that are not recorded need as much as recordings take

Blobs: TypeAlias = dict[Blob, Tensor]


def sum_losses(losses: Sequence[Tensor], state: State, device: torch.device) -> Tensor:
    """The loss of a pass: the sum of ``losses``, or NaN if layers found a fault."""
    total = torch.stack(list(losses)).sum() if losses else torch.zeros((), device=device)
    for fault in state.faults or ():
        total = total.masked_fill(fault, torch.nan)
    return total


class Recording:
    """A pass of a program over blobs of certain shapes; with ``learned``, also its backward pass to these parameters.

    Raises RuntimeError if the pass cannot be recorded, for instance because a layer waits for the GPU.
    """

    def __init__(self, program: Program, blobs: Blobs, state: State, learned: Sequence[Tensor], pool: Any) -> None:
        self._inputs = {blob: tensor.clone() for blob, tensor in blobs.items()}
        self._learned = learned
        self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        self._forward.register_generator_state(state.random)
        with torch.cuda.graph(self._forward, pool=pool):
            made = dict(self._inputs)
            losses = run(program, made)
            loss = sum_losses(losses, state, state.random.device)
        self._made = {blob: tensor.detach() for blob, tensor in made.items() if blob not in self._inputs}
        self._gradients: list[Tensor | None] = []
        if learned and loss.requires_grad:
            with torch.autocast("cuda", enabled=False), torch.cuda.graph(self._backward, pool=pool):
                self._gradients = [*torch.autograd.grad(loss, learned, allow_unused=True)]
        self._loss = loss.detach()

    def run_forward(self, blobs: Blobs) -> tuple[Blobs, Tensor]:
        """The blobs that the program keeps, computed from ``blobs``, and the loss."""
        for blob, tensor in blobs.items():
            self._inputs[blob].copy_(tensor, non_blocking=True)
        self._forward.replay()
        return {**blobs, **{blob: tensor.clone() for blob, tensor in self._made.items()}}, self._loss.clone()

    def run_backward(self) -> None:
        """Add the gradients of the latest forward pass to those of the parameters."""
        if self._gradients:
            self._backward.replay()
        for param, gradient in self._pair_gradients():
            param.grad = gradient if param.grad is None else param.grad.add_(gradient)

    def keep_gradients(self) -> None:
        """Copy those gradients of parameters that lie where the next replay may write."""
        for param, gradient in self._pair_gradients():
            if param.grad is gradient:
                param.grad = gradient.clone()

    def _pair_gradients(self) -> Iterator[tuple[Tensor, Tensor]]:
        for param, gradient in zip(self._learned, self._gradients, strict=False):
            if gradient is not None:
                yield param, gradient


class Recordings:
    """The recordings of a net's passes, each made when the pass has come `_PASSES_BEFORE` times.

    ``state`` is that of the ``layers``. Nothing is recorded for a net without a GPU.
    """

    def __init__(self, state: State, layers: Mapping[str, TorchLayer], device: torch.device) -> None:
        self._state, self._layers, self._device = state, layers, device
        self._possible = device.type == "cuda" and hasattr(torch.Generator, "graphsafe_set_state")  # torch 2.4
        self._pool: Any = None
        self._made_for: object = None
        self._counts: Counter[object] = Counter()
        self._recordings: dict[object, Recording] = {}
        self._latest: Recording | None = None

    def find(self, program: Program, blobs: Blobs, learned: Sequence[Tensor] = ()) -> Recording | None:
        """The recording of a program's pass over blobs of these shapes; None if it is to be run as it is.

        ``learned`` are the parameters for which a backward pass is wanted.
        """
        if not self._possible or any(tensor.requires_grad for tensor in blobs.values()):
            return None
        weights = tuple(param.data_ptr() for layer in self._layers.values() for param in layer.params)
        made_for = weights, tuple(instruction.operation.remembered_state for instruction in program)
        if made_for != self._made_for:
            self._made_for = made_for
            self._counts.clear()
            self._recordings.clear()
        key = id(program), bool(learned), *((tuple(each.shape), each.dtype) for each in blobs.values())
        if key not in self._recordings and self._is_due(key, program):
            self._record(key, program, blobs, learned)
        if self._latest:
            self._latest.keep_gradients()
        self._latest = self._recordings.get(key)
        return self._latest

    def _is_due(self, key: object, program: Program) -> bool:
        self._counts[key] += 1
        return (
            self._counts[key] > _PASSES_BEFORE
            and len(self._recordings) < _MOST_RECORDINGS
            and all(instruction.operation.is_recordable for instruction in program)
            and torch.cuda.memory_allocated(self._device) < _MOST_MEMORY * torch.cuda.mem_get_info(self._device)[1]
        )

    def _record(self, key: object, program: Program, blobs: Blobs, learned: Sequence[Tensor]) -> None:
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.device(self._device):
                self._recordings[key] = Recording(program, blobs, self._state, learned, self._pool)
        except RuntimeError:  # torch has no other type for what a recording may not contain, nor for lack of memory
            self._possible = False
            self._recordings.clear()
            if self._state.faults:
                self._state.faults.clear()
            for generator in (self._state.random, torch.cuda.default_generators[self._state.random.device.index or 0]):
                _end_recording_of(generator)


def _end_recording_of(generator: torch.Generator) -> None:
    """Make a generator usable after a recording that failed, in whose middle it would stay; it begins anew."""
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    generator.graphsafe_set_state(fresh.graphsafe_get_state())
