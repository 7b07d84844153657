"""A rewrite that computes a Convolution and what follows it as one operation.

    Convolution, BatchNorm, Scale, Eltwise, ReLU        one pass over the top in place of five

What multiplies and shifts channels (statistics that are kept, factors) goes into the kernels and the bias. A sum with
another blob is computed by oneDNN while it writes the top. Kernels are brought into oneDNN's order once,
and those of large 3 x 3 convolutions are transformed (`winograd`). All this is kept until the weights change.

Where torch lacks oneDNN's operators (`packed_kernels`), a plain convolution takes their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch import winograd, winograd_ways
from caffe_fcn.engines.torch.layers.arithmetic import Eltwise
from caffe_fcn.engines.torch.layers.convolution import Convolution
from caffe_fcn.engines.torch.layers.neurons import ReLU
from caffe_fcn.engines.torch.packed_kernels import (
    PackedKernels,
    multiply_packed,
    pack_kernels,
    pack_matrix,
)
from caffe_fcn.engines.torch.program import Instruction, Program, find_readers
from caffe_fcn.engines.torch.registry import Function, Operation, TorchLayer
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob
from caffe_fcn.net.layer_types import Shape

_MOST_COPIED = (1 << 24) - 1  # values of kernels, such as fc6's, of which no copy in another order is kept

_TINY = 1e-30  # instead of 0: no sum of other values feels it


def fuse_convolutions(program: Program, kept: Collection[Blob]) -> Program:
    """Replace each Convolution, and what alone reads its top, by one instruction (a `Rewrite`)."""
    readers = find_readers(program)
    replacements: dict[Instruction, Instruction | None] = {}
    for instruction in program:
        if _is_convolution(instruction):
            followers = _find_followers(instruction, readers, kept, replacements)
            added = [bottom for each in followers for bottom in each.bottoms if _is_sum(each)]
            chain = [instruction, *followers]
            inside = {each.tops[0] for each in chain}
            fused = FusedConvolution([each.operation for each in chain])
            bottoms = [*instruction.bottoms, *(bottom for bottom in added if bottom not in inside)]
            replacements.update(dict.fromkeys(chain))
            replacements[chain[-1]] = Instruction(fused, bottoms, chain[-1].tops)
    result = (replacements.get(instruction, instruction) for instruction in program)
    return [instruction for instruction in result if instruction is not None]


def _is_convolution(instruction: Instruction) -> bool:
    operation = instruction.operation
    return (
        isinstance(operation, Convolution)
        and instruction.is_plain
        and len(instruction.bottoms) == len(instruction.tops) == 1
        and bool(operation.find_windows())
    )


def _find_followers(
    instruction: Instruction, readers: dict[Blob, Program], kept: Collection[Blob], taken: Collection[Instruction]
) -> Program:
    """The instructions that can be computed with a convolution: factors, then a sum, then a ReLU."""
    found: Program = []
    operation = instruction.operation
    is_large = isinstance(operation, Convolution) and operation.params[0].numel() > _MOST_COPIED
    stages: list[Callable[[Instruction], bool]] = [_is_sum, _is_relu] if not is_large else [_is_relu]
    top = instruction.tops[0]
    while top not in kept and len(readers.get(top, ())) == 1:
        (reader,) = readers[top]
        if reader in taken or not reader.is_plain or len(reader.tops) != 1:
            break
        has_factors = isinstance(reader.operation, TorchLayer) and reader.operation.find_channel_factors() is not None
        if not (has_factors and len(stages) == 2):
            index = next((index for index, matches in enumerate(stages) if matches(reader)), None)
            if index is None:
                break
            stages = stages[index + 1 :]
        found.append(reader)
        top = reader.tops[0]
    return found


def _is_sum(instruction: Instruction) -> bool:
    operation, bottoms = instruction.operation, instruction.bottoms
    return isinstance(operation, Eltwise) and operation.is_plain_sum and len(bottoms) == len({*bottoms}) == 2


def _is_relu(instruction: Instruction) -> bool:
    return isinstance(instruction.operation, ReLU) and not instruction.operation.param.negative_slope


def rectify(y: Tensor, exact: bool) -> Tensor:
    """A ReLU for a graph of oneDNN (`Operation.make_function`), which keeps what is not a number.

    oneDNN fuses a leaky ReLU with what is before it. Its ReLU makes 0 of NaN; `clamp_min` it does not take at all.
    """
    return y.clamp_min(0) if exact else F.leaky_relu(y, _TINY)


class FusedConvolution(Operation):
    """A Convolution and what follows it: layers with `find_channel_factors`, then an Eltwise, then a ReLU.

    A second bottom is what the Eltwise adds. The ReLU stays an operation of its own: oneDNN's makes 0 of what is not a
    number.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        layers = [each for each in operations if isinstance(each, TorchLayer)]
        self._convolution = next(each for each in layers if isinstance(each, Convolution))
        self._factors = [each for each in layers[1:] if not isinstance(each, (Eltwise, ReLU))]
        self._adds = any(isinstance(each, Eltwise) for each in layers)
        self._relu = any(isinstance(each, ReLU) for each in layers)
        kernels, group = self._convolution.params[0], self._convolution.group
        self._pads = [(pad, pad) for pad in self._convolution.per_axis("pad")]
        self._steps = self._convolution.per_axis("stride"), self._convolution.per_axis("dilation"), group
        is_plain = self._steps == ((1, 1), (1, 1), 1)
        self._is_wide = is_plain and tuple(kernels.shape[2:]) == (3, 3) and winograd_ways.is_wide(kernels)
        self._is_product = self._steps[::2] == ((1, 1), 1) and tuple(kernels.shape[2:]) == (1, 1)
        self._state: object = None
        self._bias: Tensor | None = None
        self._transformed: winograd.Kernels | None = None
        self._plain: Tensor | None = None
        self._matrix: Tensor | None = None
        self._packed: PackedKernels | None = None
        self._latest: object = None  # size and padding for which they are packed, or will be

    def list_params(self) -> list[Tensor]:
        return [param for each in (self._convolution, *self._factors) for param in each.list_params()]

    def find_windows(self) -> tuple[Window, ...]:
        return () if self._adds else self._convolution.find_windows()

    def count_products(self) -> int:
        return self._convolution.count_products()

    def prepare(self, pixels: int) -> None:
        if self._is_transformed(pixels):
            self._refresh()
            self._transform_kernels()

    @property
    def rectifies(self) -> bool:
        return self._relu

    def has_function(self, shapes: Sequence[Shape]) -> bool:
        count, _, *sizes = shapes[0]
        windows = self._convolution.find_windows()
        tops = (window.size_after_convolution(size) for window, size in zip(windows, sizes, strict=True))
        is_large = self._convolution.params[0].numel() > _MOST_COPIED
        return not is_large and not self._is_transformed(count * math.prod(tops))

    def make_function(self, exact: bool) -> Function:
        self._refresh()
        kernels, bias = self._find_kernels(), self._bias
        pads = [pad for pad, _ in self._pads]
        stride, dilation, group = self._steps

        def compute(x: Tensor, added: Tensor | None = None) -> Tensor:
            y = torch.conv2d(x, kernels, bias, stride, pads, dilation, group)
            y = y if added is None else y + added
            return rectify(y, exact) if self._relu else y

        return compute

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The top, from what the convolution reads and perhaps what is added."""
        return [self._compute(self._pads, *bottoms)]

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        return self._compute(pads, part)

    def _compute(self, pads: Sequence[tuple[int, int]], x: Tensor, added: Tensor | None = None) -> Tensor:
        if self._convolution.params[0].numel() > _MOST_COPIED:
            y = self._convolution.forward_part(x, pads)
            return y.relu_() if self._relu else y
        self._refresh()
        if self._is_wide and self._is_transformed(len(x) * self._count_pixels(x, pads)):
            y = winograd.convolve(x, self._transform_kernels(), pads, self._relu and added is None)
        elif self._is_product and not any(map(any, pads)) and (matrix := self._find_matrix()) is not None:
            y = self._multiply(x, matrix)
        else:
            y, added = self._convolve(x, pads, added), None
        if added is not None:
            y.add_(added)
        return y.relu_() if self._relu else y

    def _multiply(self, x: Tensor, matrix: Tensor) -> Tensor:
        """A convolution of single pixels, as a product of matrices."""
        pixels = x.permute(0, 2, 3, 1)
        y = multiply_packed(pixels.reshape(-1, x.shape[1]), matrix, self._bias)
        return y.view(*pixels.shape[:3], -1).permute(0, 3, 1, 2)

    def _convolve(self, x: Tensor, pads: Sequence[tuple[int, int]], added: Tensor | None) -> Tensor:
        symmetric = [min(pad) for pad in pads]
        if pads != self._pads:
            (top, bottom), (left, right) = (
                (before - pad, after - pad) for (before, after), pad in zip(pads, symmetric, strict=True)
            )
            if any((top, bottom, left, right)):
                x = F.pad(x, (left, right, top, bottom))
        packed = self._find_packed(tuple(x.shape), tuple(symmetric))
        if packed is not None:
            return packed.convolve(x, self._bias, added)
        stride, dilation, group = self._steps
        y = F.conv2d(x, self._find_kernels(), self._bias, stride, symmetric, dilation, group)
        return y if added is None else y.add_(added)

    def _count_pixels(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> int:
        """How many pixels the top has, of a convolution with 3 x 3 taps that takes every place."""
        return math.prod(size + sum(pad) - 2 for size, pad in zip(x.shape[2:], pads, strict=True))

    def _is_transformed(self, pixels: int) -> bool:
        return self._is_wide and winograd_ways.has_many_pixels(pixels) and winograd_ways.is_quick()

    def _refresh(self) -> None:
        """Forget kernels and bias if the weights have changed, and compute the bias anew."""
        state = tuple((param.data_ptr(), param._version) for param in self.list_params())
        if state != self._state:
            self._transformed = self._matrix = self._packed = self._plain = None
            self._bias = self._fold()[1]
            self._state = state

    def _find_kernels(self) -> Tensor:
        """The kernels with all factors in them; kept where there are any."""
        if self._plain is None:
            self._plain = self._fold()[0]
        return self._plain

    def _transform_kernels(self) -> winograd.Kernels:
        if self._transformed is None:
            self._transformed = winograd.transform_kernels(self._find_kernels(), self._bias, winograd_ways.find_way())
        return self._transformed

    def _find_matrix(self) -> Tensor | None:
        """The kernels as a matrix in oneDNN's order, which is one for images of all sizes."""
        if self._matrix is None:
            self._matrix = pack_matrix(self._find_kernels().flatten(1))
        return self._matrix

    def _find_packed(self, shape: Sequence[int], pads: Sequence[int]) -> PackedKernels | None:
        """The kernels in the order that oneDNN takes for images of this size, once two of that size have come."""
        if self._latest != (shape, pads):
            self._latest, self._packed = (shape, pads), None
        elif self._packed is None:
            self._packed = pack_kernels(self._find_kernels(), shape, pads, *self._steps)
        return self._packed

    @torch.no_grad()
    def _fold(self) -> tuple[Tensor, Tensor | None]:
        """Kernels and bias with all factors and shifts in them."""
        kernels, bias = self._convolution.params[0].detach(), self._convolution.bias
        for each in self._factors:
            found = each.find_channel_factors()
            if found is not None:
                factors, shifts = found
                kernels = kernels * factors[:, None, None, None]
                bias = shifts if bias is None else bias * factors + shifts
        return kernels, bias
