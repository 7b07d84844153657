"""The numbers of the parameters in a weights file, read a part at a time: a file of 500 MB takes a few megabytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.inspection.statistics import Statistics, measure
from caffe_fcn.progress import TaskProgress
from caffe_fcn.weights import Tensor, Weights

LARGEST = 5
"""How many of the largest values of a parameter are told."""


@dataclass(frozen=True)
class ParameterNumbers:
    """The numbers of parameter ``index`` of a layer.

    ``largest`` are the values that are farthest from zero, each with its position, the farthest first. ``zero_rows``
    are how many of its rows (along the first axis: the outputs of a convolution) have only zeros.
    """

    layer: str
    index: int
    shape: tuple[int, ...]
    statistics: Statistics
    largest: tuple[tuple[tuple[int, ...], float], ...]
    zero_rows: int

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON."""
        largest = [{"position": list(position), "value": value} for position, value in self.largest]
        about = {"layer": self.layer, "index": self.index, "shape": list(self.shape)}
        return {**about, **self.statistics.to_json(), "largest": largest, "zero_rows": self.zero_rows}


def inspect_weights(weights: Weights, progress: TaskProgress | None = None) -> Iterator[ParameterNumbers]:
    """Yield the numbers of every parameter, in the order of the file; ``progress`` counts values."""
    done, total = 0, weights.count
    for layer, index, tensor in weights:
        yield _inspect(layer, index, tensor)
        done += tensor.count
        if progress:
            progress(done, total)


def _inspect(layer: str, index: int, tensor: Tensor) -> ParameterNumbers:
    largest = _Largest()
    rows = _ZeroRows(tensor.shape)
    at = 0
    for values in tensor.numbers():
        largest.add(values, at)
        rows.add(values, at)
        at += values.size
    found = tuple((_to_position(place, tensor.shape), value) for place, value in largest.values)
    return ParameterNumbers(layer, index, tensor.shape, measure(tensor.numbers), found, rows.count())


def _to_position(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(place, shape))) if shape else ()


class _Largest:
    """Keeps the finite values farthest from zero with their places; of equal ones, the first."""

    def __init__(self) -> None:
        self.values: list[tuple[int, float]] = []

    def add(self, values: NDArray[Any], start: int) -> None:
        sizes = np.where(np.isfinite(values), np.abs(values.astype(np.float64)), -1.0)
        least = abs(self.values[-1][1]) if len(self.values) == LARGEST else -1.0
        places = np.flatnonzero(sizes > least)
        if places.size > LARGEST:
            places = places[np.argsort(-sizes[places], kind="stable")[:LARGEST]]
        self.values += [(start + int(place), float(values[place])) for place in places]
        self.values = sorted(self.values, key=lambda each: (-abs(each[1]), each[0]))[:LARGEST]


class _ZeroRows:
    """Counts the rows along the first axis that have only zeros."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        rows = shape[0] if len(shape) > 1 else 0
        self._length = int(np.prod(shape[1:], dtype=np.int64)) if rows else 0
        self._seen = np.zeros(rows if self._length else 0, bool)

    def add(self, values: NDArray[Any], start: int) -> None:
        if self._seen.size:
            places = np.flatnonzero(values)
            self._seen[(start + places) // self._length] = True

    def count(self) -> int:
        return int(self._seen.size - np.count_nonzero(self._seen))
