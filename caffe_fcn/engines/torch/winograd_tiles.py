"""How tiles of images and kernels of 3 taps are transformed, so that few products give a convolution (`winograd`).

Along one axis, ``step`` pixels of the top come from a tile of ``step + 2`` pixels of the bottom:

    top = transform_back(transform(tile) * (kernel transformed))

Both are polynomials, read at some points; their product is the polynomial of the top's pixels. `SMALL` reads at 0, 1,
-1 and infinity, and its transforms only add and halve. `LARGE` also reads at 1/2 and -2. These bring the result two to
three times as close to the exact one as 2 and -2, which are the usual points: with 512 channels 3e-6 of the largest
value, where oneDNN's plain convolution is 2e-6 off.

Sources: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.1; Barabasz et al.,
"Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks" (2020), on points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import torch
from torch import Tensor

_Sum: TypeAlias = tuple[str, str, float, str | None]
"""``y = a + factor * b`` as (y, a, factor, b); ``y = a`` has no b."""


@dataclass(frozen=True)
class Transform:
    """Sums of values x0, x1, ... that give y0, y1, ..., and others on the way to these."""

    sums: tuple[_Sum, ...]

    def apply(self, values: Sequence[Tensor], out: Sequence[Tensor]) -> None:
        """Write the y, given the x; no tensor may be in both."""
        known = {f"x{number}": value for number, value in enumerate(values)}
        targets = {f"y{number}": target for number, target in enumerate(out)}
        for name, first, factor, second in self.sums:
            if second is None:
                targets[name].copy_(known[first])
            else:
                target = targets.get(name, known.get(name))
                known[name] = torch.add(known[first], known[second], alpha=factor, out=target)


def _read(text: str) -> Transform:
    """A transform from lines such as ``y0 = x0 + 2 * x1``, which may be several in one line of the text."""
    return Transform(tuple(_read_sum(line) for line in text.replace(";", "\n").splitlines() if line.strip()))


def _read_sum(line: str) -> _Sum:
    name, _, first, *more = line.split()
    if not more:
        return name, first, 1, None
    sign, *factors, second = more
    factor = float(factors[0]) if factors else 1.0
    return name, first, factor if sign == "+" else -factor, second


@dataclass(frozen=True)
class Tiling:
    """Transforms along one axis: of a tile of the bottom, back to the top, and of the gradient of the top.

    The last one is the transposed one of the second. ``kernel`` is the matrix that transforms the taps of a kernel.
    """

    step: int
    bottom: Transform
    top: Transform
    gradient: Transform
    kernel: tuple[tuple[Fraction, ...], ...]

    @property
    def size(self) -> int:
        """How many pixels a tile has."""
        return self.step + 2

    @property
    def matrices(self) -> int:
        """How many matrices of products there are."""
        return self.size**2

    @property
    def bias_matrix(self) -> int:
        """The number of the matrix to whose products a bias is added: they go, as they are, into all pixels."""
        return self.size + 1

    def round_up(self, size: int) -> int:
        """How many pixels the tiles give that so many pixels of the top need."""
        return -(-size // self.step) * self.step

    def make_kernel_transform(self, values: Tensor) -> Tensor:
        """The matrix that transforms the 9 taps of a kernel, row by row, in the type of some ``values``."""
        along_axis = values.new_tensor([[*map(float, row)] for row in self.kernel])
        return torch.kron(along_axis, along_axis)

    def transform_image(self, image: Tensor) -> Tensor:
        """The tiles of some rows of one image, height x width x channels, as matrices x tiles x channels."""
        rows, columns = ((size - 2) // self.step for size in image.shape[:2])
        vertical = image.new_empty((self.size, rows, *image.shape[1:]))
        tiles = image.new_empty((self.size, self.size, rows, columns, image.shape[2]))
        places, step = range(self.size), self.step
        self.bottom.apply([image[place:][: rows * step : step] for place in places], vertical.unbind())
        parts = [vertical[:, :, place:][:, :, : columns * step : step] for place in places]
        self.bottom.apply(parts, tiles.unbind(1))
        return tiles.view(self.matrices, rows * columns, -1)

    def transform_gradient(self, gradient: Tensor) -> Tensor:
        """The gradient of some rows of a top, height x width x channels, as matrices x tiles x channels."""
        rows, columns = (size // self.step for size in gradient.shape[:2])
        vertical = gradient.new_empty((self.size, rows, *gradient.shape[1:]))
        tiles = gradient.new_empty((self.size, self.size, rows, columns, gradient.shape[2]))
        places, step = range(self.step), self.step
        self.gradient.apply([gradient[place::step] for place in places], vertical.unbind())
        self.gradient.apply([vertical[:, :, place::step] for place in places], tiles.unbind(1))
        return tiles.view(self.matrices, rows * columns, -1)

    def transform_back(self, products: Sequence[Tensor], result: Tensor) -> None:
        """Some rows of the top, height x width x channels, from as many products as matrices, each tiles x channels."""
        rows, columns = (size // self.step for size in result.shape[:2])
        sums = result.new_empty((self.step, self.size, rows, columns, result.shape[2]))
        for column in range(self.size):
            parts = [each.view(rows, columns, -1) for each in products[column :: self.size]]
            self.top.apply(parts, sums[:, column].unbind())
        for row, each in enumerate(sums):
            self.top.apply(each.unbind(), result[row :: self.step].unflatten(1, (columns, self.step)).unbind(2))


def _make_kernel(*rows: tuple[str, str]) -> tuple[tuple[Fraction, ...], ...]:
    """Rows that read a kernel at points, each divided by a number; the point "" is infinity."""
    read = []
    for point, divisor in rows:
        powers = [Fraction(point) ** power for power in range(3)] if point else [Fraction(0), Fraction(0), Fraction(1)]
        read.append(tuple(power / Fraction(divisor) for power in powers))
    return tuple(read)


SMALL = Tiling(
    2,
    bottom=_read("y0 = x0 - x2; y1 = x1 + x2; y2 = x2 - x1; y3 = x3 - x1"),
    top=_read("a = x0 + x1; y0 = a + x2; b = x1 - x2; y1 = b + x3"),
    gradient=_read("y0 = x0; y1 = x0 + x1; y2 = x0 - x1; y3 = x1"),
    kernel=_make_kernel(("0", "1"), ("1", "2"), ("-1", "2"), ("", "1")),
)
"""F(2x2, 3x3): 16 products in place of 36."""

LARGE = Tiling(
    4,
    bottom=_read("""
        a = x3 - x1; b = x4 - x2
        y3 = b + 2 * a; y4 = b - 0.5 * a
        a = a + 1.5 * x2; b = b + 1.5 * x3
        y1 = b + a; y2 = b - a
        c = x0 - x2; c = c - 1.5 * x1; y0 = c + b
        c = x5 - x3; c = c + 1.5 * x4; y5 = c - a
    """),
    top=_read("""
        a = x1 + x2; b = x1 - x2
        c = x0 + a; c = c + x3; y0 = c + x4
        c = b + 0.5 * x3; y1 = c - 2 * x4
        c = a + 0.25 * x3; y2 = c + 4 * x4
        c = b + 0.125 * x3; c = c - 8 * x4; y3 = c + x5
    """),
    gradient=_read("""
        y0 = x0; y5 = x3
        a = x0 + x2; b = x1 + x3
        y1 = a + b; y2 = a - b
        a = x0 + 0.25 * x2; b = x1 + 0.25 * x3; y3 = a + 0.5 * b
        a = x0 + 4 * x2; b = x1 + 4 * x3; y4 = a - 2 * b
    """),
    kernel=_make_kernel(("0", "1"), ("1", "3"), ("-1", "-3"), ("1/2", "-15/16"), ("-2", "15"), ("", "1")),
)
"""F(4x4, 3x3): 36 products in place of 144."""
