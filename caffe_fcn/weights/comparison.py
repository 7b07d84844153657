"""The numbers in weights files: how those of two files differ, and which are not finite. They are read in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caffe_fcn.weights.layers import Weights
from caffe_fcn.weights.tensors import Shape, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """A parameter in two files: its shape in each (None where it is missing) and the largest difference.

    ``largest`` is None where the numbers cannot be compared, and infinite where only one of two is NaN.
    """

    layer: str
    index: int
    shapes: tuple[Shape | None, Shape | None]
    largest: float | None

    @property
    def same(self) -> bool:
        """Whether shape and values agree."""
        return self.shapes[0] == self.shapes[1] and self.largest == 0


@dataclass(frozen=True)
class NonFinite:
    """How many values of a parameter are NaN and infinite."""

    layer: str
    index: int
    nan: int
    inf: int


def compare(a: Weights, b: Weights) -> Iterator[Difference]:
    """The difference of every parameter: those of ``a`` in its order, then those that only ``b`` has.

    >>> import numpy as np
    >>> from caffe_fcn.weights import open_weights
    >>> np.savez("a.npz", **{"fc/0": np.zeros((2, 3), "f4")})
    >>> np.savez("b.npz", **{"fc/0": np.full((2, 3), 0.5, "f4")})
    >>> with open_weights("a.npz") as a, open_weights("b.npz") as b:
    ...     [(each.layer, each.index, each.largest) for each in compare(a, b)]
    [('fc', 0, 0.5)]
    """
    ours, theirs = (
        {
            (name, index): tensor
            for name, layer in weights.name_layers().items()
            for index, tensor in enumerate(layer.tensors)
        }
        for weights in (a, b)
    )
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        one, other = ours.get(key), theirs.get(key)
        largest = None
        if one and other and one.count == other.count:
            largest = max((_find_largest_gap(x, y) for x, y in _pair_chunks(one, other)), default=0.0)
        yield Difference(*key, (one.shape if one else None, other.shape if other else None), largest)


def find_non_finite(weights: Weights) -> Iterator[NonFinite]:
    """The parameters that hold NaN or infinities."""
    import numpy as np

    for layer, index, tensor in weights:
        nan = inf = 0
        for values in tensor.numbers():
            nan += int(np.isnan(values).sum())
            inf += int(np.isinf(values).sum())
        if nan or inf:
            yield NonFinite(layer, index, nan, inf)


def _find_largest_gap(x: NDArray[Any], y: NDArray[Any]) -> float:
    import numpy as np

    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    return float(np.nan_to_num(gap, nan=np.inf, posinf=np.inf).max(initial=0.0))


def _pair_chunks(a: Tensor, b: Tensor) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The values of both in chunks of equal length."""
    streams = [a.numbers(), b.numbers()]
    held: list[Any] = [next(stream, None) for stream in streams]
    while held[0] is not None and held[1] is not None:
        length = min(map(len, held))
        if length:
            yield held[0][:length], held[1][:length]
        for side, stream in enumerate(streams):
            held[side] = held[side][length:] if len(held[side]) > length else next(stream, None)
