"""A net as a program: a list of instructions, each of which runs one operation on some blobs.

    program = make_program(graph, layers, kept)
    for instruction in program:
        instruction.run(blobs)

A program begins with one instruction for each layer. Rewrites (`rewrites`) then replace several instructions by one
that computes the same sooner, up to the last digits of float32. An instruction also frees the blobs that no later
one reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from torch import Tensor

from caffe_fcn.engines.torch.registry import Operation, TorchLayer
from caffe_fcn.net.graph import Blob, Graph
from caffe_fcn.net.layer_types import is_loss


@dataclass(eq=False)
class Instruction:
    """Runs an operation on ``bottoms`` and stores its ``tops``.

    ``loss_weights`` are those of its tops, if it has any. ``detached`` are the indices of bottoms that get no gradient
    from it. ``in_place`` lets it overwrite its first bottom. ``frees`` are the blobs that nothing reads afterwards.
    """

    operation: Operation
    bottoms: list[Blob]
    tops: list[Blob]
    loss_weights: list[float] = field(default_factory=list)
    detached: list[int] = field(default_factory=list)
    in_place: bool = False
    frees: list[Blob] = field(default_factory=list)

    @property
    def is_plain(self) -> bool:
        """Whether it influences losses and gradients through its tops alone."""
        return not (any(self.loss_weights) or self.detached)

    def run(self, blobs: dict[Blob, Tensor]) -> list[Tensor]:
        """Compute the tops from the ``blobs``, store them there, and remove what nothing reads any more."""
        bottoms = [blobs[blob] for blob in self.bottoms]
        for index in self.detached:
            bottoms[index] = bottoms[index].detach()
        tops = self.operation.forward_in_place(bottoms) if self.in_place else self.operation.forward(bottoms)
        blobs.update(zip(self.tops, tops, strict=False))
        for blob in self.frees:
            del blobs[blob]
        return tops


Program: TypeAlias = list[Instruction]
Rewrite: TypeAlias = Callable[[Program, Collection[Blob]], Program]
"""A function of a program and the blobs that it must keep, which returns a program with the same results."""


def make_program(
    graph: Graph, layers: Mapping[str, TorchLayer], kept: Collection[Blob], rewrites: Collection[Rewrite] = ()
) -> Program:
    """The program that computes all ``kept`` blobs from those of the sources, which must be among them."""
    program = []
    for node in graph.nodes:
        if node.bottoms:
            loss_weights = list(node.layer.loss_weight) or [float(is_loss(node.type))]
            detached = [index for index, wanted in enumerate(node.layer.propagate_down) if not wanted]
            program.append(Instruction(layers[node.name], node.bottoms, node.tops, loss_weights, detached))
    _allow_in_place(program, kept)
    for rewrite in rewrites:
        program = rewrite(program, kept)
    assign_frees(program, kept)
    return program


def run(program: Program, blobs: dict[Blob, Tensor]) -> list[Tensor]:
    """Run all instructions on the ``blobs``, of which those that are kept remain; returns the terms of the loss."""
    losses = []
    for instruction in program:
        tops = instruction.run(blobs)
        weighted = zip(tops, instruction.loss_weights, strict=False)
        losses += [top.sum() * weight for top, weight in weighted if weight]
    return losses


def assign_frees(program: Program, kept: Collection[Blob]) -> None:
    """Let every instruction free the blobs that it reads, or makes, and that no later one reads."""
    seen = set(kept)
    for instruction in reversed(program):
        used = dict.fromkeys((*instruction.bottoms, *instruction.tops))
        instruction.frees = [blob for blob in used if blob not in seen]
        seen.update(instruction.frees)


def _allow_in_place(program: Program, kept: Collection[Blob]) -> None:
    """Let instructions overwrite a bottom that is new memory and that nothing else reads."""
    readers, allocated = find_readers(program), set[Blob]()
    for instruction in program:
        if isinstance(instruction.operation, TorchLayer) and instruction.operation.allocates_tops:
            allocated.update(instruction.tops)
        (bottom, *_) = instruction.bottoms
        unshared = bottom in allocated and bottom not in kept and len(readers[bottom]) == 1
        instruction.in_place = instruction.operation.supports_in_place and unshared and not instruction.detached


def find_readers(program: Program) -> dict[Blob, Program]:
    """The instructions that read each blob; one that reads a blob twice is listed twice."""
    readers: dict[Blob, Program] = {}
    for instruction in program:
        for blob in instruction.bottoms:
            readers.setdefault(blob, []).append(instruction)
    return readers
