"""Axes of plots: where values lie, which of them get a mark, and points made ready to be drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

Points = Sequence[tuple[float, float]]

_LARGEST = 1e300  # value that is shown; differences of larger ones may be infinite
_MEMORY = 0.05  # the share of the points that the running mean reaches back over


class Axis:
    """Maps values to pixels; ``ticks`` are the values that get a mark."""

    def __init__(self, low: float, high: float, first: float, last: float, may_be_log: bool = False) -> None:
        self.log = may_be_log and low > 0 and high / low > 10
        self.ticks = _log_ticks(low, high) if self.log else _round_ticks(0 if low > 0 else low, high)
        ends = (*self.ticks, low, high) if self.log else (*self.ticks, high)
        self._first, self._last = first, last
        self._low, self._high = self._scale(min(ends)), self._scale(max(ends))

    def __call__(self, value: float) -> float:
        share = (self._scale(value) - self._low) / ((self._high - self._low) or 1)
        return self._first + share * (self._last - self._first)

    def _scale(self, value: float) -> float:
        return math.log10(value) if self.log else value


def _round_ticks(low: float, high: float) -> list[float]:
    """Return about six values between low and high, spaced by 1, 2 or 5 times a power of ten."""
    rough = max((high - low or abs(high) or 1) / 6, 1e-300)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 in each decade of a short span, powers of ten in a long one."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 4 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def format_tick(value: float) -> str:
    """Return the value as text, large ones with commas."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:,.6g}"


def keep_finite(points: Points) -> list[tuple[float, float]]:
    """Return the points whose values are finite."""
    return [point for point in points if abs(point[1]) < _LARGEST]


def average_exponentially(points: Points) -> list[tuple[float, float]]:
    """Return the exponential running mean, corrected for the bias of its start."""
    decay = 1 - 1 / max(1.0, _MEMORY * len(points))
    total = weight = 0.0
    means = []
    for iteration, value in points:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        means.append((iteration, total / weight))
    return means
