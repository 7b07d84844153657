"""Programs for the size of image that a net declares, whose convolutions are compiled as a whole.

    res2a ... res5c of ResNet-50      52 convolutions, 48 ReLUs and 16 sums: one call of a graph

oneDNN's graph compiler computes sums and ReLUs while it writes the tops of convolutions, and runs them without Python
in between. torch hands a graph to it that is traced from torch's operations (TorchScript). A segment of a program,
instructions in a row that can all be made such operations (`Operation.make_function`), becomes one instruction, if
it has so many convolutions that this pays.

Compiling takes 0.2 s, and what is compiled holds for one size and for the weights as they are. So this is done for
the shapes that the net declares, in its first pass; other sizes, and a net whose weights have changed, run as they are.
Results therefore do not depend on which images came before.

TorchScript is deprecated. Where torch lacks it, or oneDNN behind it, all programs run as they are.

Source: https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html, "oneDNN Graph".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import TypeAlias

import torch
from torch import Tensor

from caffe_fcn.engines.torch.allocator import note_kept
from caffe_fcn.engines.torch.program import Instruction, Program, assign_frees
from caffe_fcn.engines.torch.registry import Operation, TorchLayer
from caffe_fcn.engines.torch.rewrites.border_cache import BorderCache
from caffe_fcn.engines.torch.rewrites.convolution_fusion import FusedConvolution, rectify
from caffe_fcn.engines.torch.rewrites.windows import ShapeOf
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_LEAST_CONVOLUTIONS = 8  # of a segment
_MOST_PRODUCTS = 1 << 28  # of a convolution of a segment, on average: with more, what is around them hardly counts
_RUNS = 2  # that torch takes to compile a graph: in the first one it notes shapes
_REFUSALS = (RuntimeError, AttributeError)
"""What a torch raises that cannot compile a graph, or has no means to."""

_Graph: TypeAlias = Callable[..., Sequence[Tensor]]


class CompiledProgram:
    """What runs in place of a net's program for images of the shapes that the net declares.

    ``shape_of`` tells these shapes. After `close` nothing is compiled any more.
    """

    def __init__(self, layers: Mapping[str, TorchLayer], shape_of: ShapeOf) -> None:
        self._layers, self._shape_of = layers, shape_of
        self._made_for: object = None
        self._compiled: Program | None = None
        self._is_open = True

    def close(self) -> None:
        """Run programs as they are from now on."""
        self._compiled, self._is_open = None, False

    def find(self, program: Program, blobs: Mapping[Blob, Tensor]) -> Program:
        """The compiled program for ``blobs``, those of the sources; ``program`` itself where it does not fit them."""
        if not self._is_open or any(tuple(each.shape) != self._shape_of(blob) for blob, each in blobs.items()):
            return program
        made_for = id(program), torch.get_num_threads(), self._note_weights()
        if self._made_for is None:
            self._made_for = made_for
            self._compiled = compile_segments(program, self._shape_of) if _can_compile() else None
        if self._compiled is None or made_for != self._made_for:
            self.close()
            return program
        return self._compiled

    def _note_weights(self) -> list[tuple[int, int]]:
        return [(param.data_ptr(), param._version) for layer in self._layers.values() for param in layer.params]


def compile_segments(program: Program, shape_of: ShapeOf) -> Program | None:
    """A program that makes the same blobs, with each segment as one instruction; None if it has no segment.

    Graphs are compiled when the instruction runs for the first time.
    """
    freed = {blob for instruction in program for blob in instruction.frees}
    kept = {blob for instruction in program for blob in (*instruction.bottoms, *instruction.tops)} - freed
    whole = [replace(each, frees=[]) for instruction in program for each in _list_inner(instruction, shape_of)]
    result: Program = []
    for is_possible, group in groupby(whole, lambda each: _is_possible(each, shape_of)):
        segment = [*group]
        result += [_join(segment, whole, kept)] if is_possible and _pays(segment, shape_of) else segment
    assign_frees(result, kept)
    return result if len(result) < len(whole) else None


def _list_inner(instruction: Instruction, shape_of: ShapeOf) -> Program:
    """The instructions that one runs for its bottoms as they are; itself if it is not a group of instructions."""
    operation = instruction.operation
    inner = operation.list_whole(shape_of(instruction.bottoms[0])) if isinstance(operation, BorderCache) else None
    return inner or [instruction]


def _find_shapes(instruction: Instruction, shape_of: ShapeOf) -> list[Shape]:
    return [shape_of(bottom) for bottom in instruction.bottoms]


def _is_possible(instruction: Instruction, shape_of: ShapeOf) -> bool:
    is_function = len(instruction.tops) == 1 and instruction.is_plain
    return is_function and instruction.operation.has_function(_find_shapes(instruction, shape_of))


def _pays(segment: Program, shape_of: ShapeOf) -> bool:
    """Whether a segment has many convolutions, and small ones."""
    products = [
        each.operation.count_products() * math.prod(shape_of(each.tops[0]))
        for each in segment
        if isinstance(each.operation, FusedConvolution)
    ]
    return len(products) >= _LEAST_CONVOLUTIONS and sum(products) <= _MOST_PRODUCTS * len(products)


def _join(segment: Program, program: Program, kept: Collection[Blob]) -> Instruction:
    """A segment of a program as one instruction."""
    made = [instruction.tops[0] for instruction in segment]
    read = dict.fromkeys(bottom for instruction in segment for bottom in instruction.bottoms)
    read_elsewhere = {bottom for each in program if each not in segment for bottom in each.bottoms}
    bottoms = [blob for blob in read if blob not in made]
    tops = [blob for blob in made if blob in kept or blob in read_elsewhere]
    assign_frees(segment, {*bottoms, *tops})
    return Instruction(_Segment(segment, bottoms, tops), bottoms, tops)


class _Segment(Operation):
    """Instructions that are compiled as one graph when they first run; if torch refuses it, they run as they are."""

    def __init__(self, segment: Program, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        self._instructions, self._bottoms, self._tops = segment, bottoms, tops
        self._graph: _Graph | None = None

    def list_params(self) -> list[Tensor]:
        return [param for each in self._instructions for param in each.operation.list_params()]

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        if self._graph is None:
            self._graph, tops = _compile(self._make_function(), bottoms) or (self._run, self._run(*bottoms))
            note_kept(sum(param.nbytes for param in self.list_params()))
            return [*tops]
        return [*self._graph(*bottoms)]

    def _make_function(self) -> _Graph:
        """The tops as a function of the bottoms."""
        exact = _find_exact(self._instructions, self._tops)
        steps = [
            (each.operation.make_function(each.tops[0] in exact), each.bottoms, each.tops[0])
            for each in self._instructions
        ]

        def compute(*values: Tensor) -> Sequence[Tensor]:
            blobs = dict(zip(self._bottoms, values, strict=True))
            for function, bottoms, top in steps:
                blobs[top] = function(*(blobs[bottom] for bottom in bottoms))
            return tuple(blobs[top] for top in self._tops)

        return compute

    def _run(self, *values: Tensor) -> Sequence[Tensor]:
        """Run the instructions one by one."""
        blobs = dict(zip(self._bottoms, values, strict=True))
        for instruction in self._instructions:
            instruction.run(blobs)
        return [blobs[top] for top in self._tops]


def _find_exact(segment: Program, tops: Collection[Blob]) -> set[Blob]:
    """The blobs in which a 0 of a ReLU must be 0: the ``tops``, and what reaches them without another ReLU."""
    exact = set(tops)
    for instruction in reversed(segment):
        if instruction.tops[0] in exact and not instruction.operation.rectifies:
            exact.update(instruction.bottoms)
    return exact


def _compile(function: _Graph, bottoms: Sequence[Tensor]) -> tuple[_Graph, Sequence[Tensor]] | None:
    """A graph that computes the function for blobs as these are, and what it makes of them; None if torch refuses."""
    try:
        with _fusing(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            graph: _Graph = torch.jit.trace(function, tuple(bottoms), check_trace=False)
            for _ in range(_RUNS):
                tops = graph(*bottoms)
    except _REFUSALS:
        return None
    return graph, tops


@contextmanager
def _fusing() -> Iterator[None]:
    """While this is active, torch hands graphs that it compiles to oneDNN."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(before)


@cache
def _can_compile() -> bool:
    """Whether torch compiles a small graph, whose result is that of its operations, also where it is not a number."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, kernels = torch.arange(-16.0, 16.0).view(1, 2, 4, 4), torch.arange(12.0).view(2, 2, 1, 3)
    x[0, 0, 0, 0] = torch.nan

    def compute(x: Tensor, added: Tensor) -> Sequence[Tensor]:
        return (rectify(torch.conv2d(x, kernels, padding=(0, 1)) + added, exact=False),)

    with torch.no_grad():
        (expected,) = compute(x, x)
        compiled = _compile(compute, [x, x])
    return compiled is not None and torch.allclose(compiled[1][0], expected, rtol=0, atol=0, equal_nan=True)
