"""Mean, deviation, range, share of zeros and histogram of any number of values, which come in parts.

    found = measure(lambda: tensor.numbers())
    found.mean, found.deviation, found.histogram

The values are read twice, a part at a time: the bins of a histogram lie between the smallest and the largest value,
which are known only after the first pass. Sums are in double precision; those of parts are joined by the formula of
Chan, Golub and LeVeque 1979, which does not lose small deviations of large values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 48

_STEP = 1 << 18  # values that are turned to doubles at a time


@dataclass(frozen=True)
class Statistics:
    """The figures of ``count`` values; all but the first two are of those that are finite.

    ``deviation`` is the standard deviation of the values themselves (divided by their number). ``histogram`` counts
    the values in bins of equal width between ``low`` and ``high`` (around them, where they are the same); it is empty
    where no value is finite, or their range is not.
    """

    count: int
    not_finite: int
    mean: float
    deviation: float
    low: float
    high: float
    zeros: int
    histogram: tuple[int, ...]

    @property
    def zero_share(self) -> float:
        """The share of zeros among all values, from 0 to 1."""
        return self.zeros / self.count if self.count else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON; those of no finite values are None."""
        figures = {
            "count": self.count,
            "not_finite": self.not_finite,
            "mean": self.mean,
            "deviation": self.deviation,
            "low": self.low,
            "high": self.high,
            "zero_share": self.zero_share,
            "histogram": list(self.histogram),
        }
        return {
            name: value if not isinstance(value, float) or math.isfinite(value) else None
            for name, value in figures.items()
        }


def measure(read: Callable[[], Iterable[NDArray[Any]]], bins: int = BINS) -> Statistics:
    """Measure the values that ``read`` gives, in parts, each of the two times that it is called.

    >>> import numpy as np
    >>> found = measure(lambda: [np.array([0.0, 1.0]), np.array([2.0, 5.0])], bins=5)
    >>> found.mean, found.low, found.high, found.zeros, found.histogram
    (2.0, 0.0, 5.0, 1, (1, 1, 1, 0, 1))
    """
    moments = _Moments()
    for values in _cut(read()):
        moments.add(values)
    if not math.isfinite(moments.high - moments.low):
        return moments.finish(())
    counts = np.zeros(bins, np.int64)
    for values in _cut(read()):
        counts += np.histogram(_keep_finite(values), bins, (moments.low, moments.high))[0]
    return moments.finish(tuple(map(int, counts)))


class _Moments:
    """What the first pass learns."""

    def __init__(self) -> None:
        self.count = self.finite = self.zeros = 0
        self.mean = self.squares = 0.0
        self.low, self.high = math.inf, -math.inf

    def add(self, values: NDArray[np.float64]) -> None:
        finite = _keep_finite(values)
        self.count += values.size
        if not finite.size:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(finite.mean())
            squares = float(np.square(finite - mean).sum())
        total = self.finite + finite.size
        gap = mean - self.mean
        self.squares += squares + gap * gap * (self.finite * finite.size / total)
        self.mean += gap * (finite.size / total)
        self.finite = total
        self.zeros += finite.size - int(np.count_nonzero(finite))
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))

    def finish(self, histogram: tuple[int, ...]) -> Statistics:
        lost = self.count - self.finite
        if not self.finite:
            nan = math.nan
            return Statistics(self.count, lost, nan, nan, nan, nan, 0, histogram)
        deviation = math.sqrt(self.squares / self.finite)
        return Statistics(self.count, lost, self.mean, deviation, self.low, self.high, self.zeros, histogram)


def _keep_finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _cut(parts: Iterable[NDArray[Any]]) -> Iterable[NDArray[np.float64]]:
    for part in parts:
        flat = part.reshape(-1)
        for begin in range(0, flat.size, _STEP):
            yield flat[begin : begin + _STEP].astype(np.float64)
