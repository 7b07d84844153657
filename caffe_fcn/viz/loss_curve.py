"""The loss over the iterations, as an SVG: the displayed losses thin, their running mean bold, tests as dots.

SVG is text, so drawing needs no library, and every browser shows it sharp. The loss axis is logarithmic
where the losses span more than a decade.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from html import escape

from caffe_fcn import files
from caffe_fcn.training import History

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 32, 64, 64  # margins
_INK, _GRID, _PALE, _TRAIN, _TEST = "#2b2f36", "#e4e7eb", "#a9c5e8", "#1c5aa6", "#d9622b"
_MEMORY = 0.05  # of the points drawn, how many the running mean looks back on


def loss_curve(history: History, title: str = "Loss") -> str:
    """The picture as SVG text."""
    trained, tested = _finite(history.losses()), _finite(history.tested_losses())
    mean = _running_mean(trained)
    points = [*trained, *tested] or [(0, 0)]
    x = _Axis(0, max(point[0] for point in points), _LEFT, _WIDTH - _RIGHT)
    losses = [point[1] for point in points]
    y = _Axis(min(losses), max(losses), _HEIGHT - _BOTTOM, _TOP, may_be_log=True)

    parts = [*_frame(x, y, title, _summary(history))]
    parts += [_line(trained, x, y, _PALE, 1.2), _line(mean, x, y, _TRAIN, 2.6), _line(tested, x, y, _TEST, 1.6)]
    parts += [f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="4" fill="{_TEST}"/>' for i, v in tested]
    legend = [("training", _TRAIN)] * bool(trained) + [("test", _TEST)] * bool(tested)
    for place, (name, colour) in enumerate(legend):
        at = _WIDTH - _RIGHT - 110 * (len(legend) - place) + 20
        parts.append(f'<rect x="{at}" y="{_TOP - 24}" width="18" height="4" rx="2" fill="{colour}"/>')
        parts.append(_text(at + 26, _TOP - 18, name))
    body = "\n".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="14" fill="{_INK}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def draw_loss(history: History, path: str | os.PathLike[str], title: str = "Loss") -> None:
    """Write `loss_curve` to a file, atomically."""
    files.write_text(path, loss_curve(history, title))


class _Axis:
    """Maps values to pixels, and knows where the ticks stand."""

    def __init__(self, low: float, high: float, first: float, last: float, may_be_log: bool = False) -> None:
        self.log = may_be_log and low > 0 and high / low > 10
        self.ticks = _decades(low, high) if self.log else _round_steps(0 if low > 0 else low, high)
        ends = (*self.ticks, low, high) if self.log else (*self.ticks, high)
        self._first, self._last = first, last
        self._low, self._high = self._scale(min(ends)), self._scale(max(ends))

    def __call__(self, value: float) -> float:
        share = (self._scale(value) - self._low) / ((self._high - self._low) or 1)
        return self._first + share * (self._last - self._first)

    def _scale(self, value: float) -> float:
        return math.log10(value) if self.log else value


def _round_steps(low: float, high: float) -> list[float]:
    """About six values between low and high at a distance of 1, 2 or 5 times a power of ten."""
    rough = (high - low or abs(high) or 1) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2, 5 in each decade of a short span; powers of ten in a long one."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 4 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def _frame(x: _Axis, y: _Axis, title: str, summary: str) -> list[str]:
    parts = [_text(_LEFT, 30, title, size=20, weight="bold"), _text(_LEFT, _TOP - 12, summary, colour="#6b7280")]
    for tick in y.ticks:
        parts.append(f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 10, y(tick) + 5, _figure(tick), anchor="end"))
    foot = _HEIGHT - _BOTTOM
    for tick in x.ticks:
        parts.append(f'<path d="M{x(tick):.1f} {foot}v6" stroke="{_INK}"/>')
        parts.append(_text(x(tick), foot + 24, _figure(tick), anchor="middle"))
    parts.append(f'<path d="M{_LEFT} {foot}H{_WIDTH - _RIGHT}" stroke="{_INK}"/>')
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "iteration", anchor="middle"))
    return parts


def _figure(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:,.6g}"


def _summary(history: History) -> str:
    losses = history.losses()
    if not losses:
        return "no loss was displayed"
    lost = next((iteration for iteration, loss in losses if not math.isfinite(loss)), None)
    if lost is not None:
        return f"diverged: {losses[-1][1]} from iteration {lost} on"
    first, last = _finite(losses)[0], _running_mean(losses)[-1]
    return f"from {first[1]:.4g} to {last[1]:.4g} in {last[0]:,} iterations"


def _line(points: Points, x: _Axis, y: _Axis, colour: str, width: float) -> str:
    if len(points) < 2:
        return ""
    path = "L".join(f"{x(iteration):.1f} {y(value):.1f}" for iteration, value in points)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'


def _text(x: float, y: float, text: str, size: int = 14, anchor: str = "start", **more: str) -> str:
    style = "".join(f' {_STYLES[name]}="{value}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


_STYLES = {"weight": "font-weight", "colour": "fill"}


def _finite(points: Points) -> list[tuple[float, float]]:
    return [point for point in points if math.isfinite(point[1])]


def _running_mean(points: Points) -> list[tuple[float, float]]:
    """An exponential mean that starts unbiased."""
    decay = 1 - 1 / max(1.0, _MEMORY * len(points))
    total = weight = 0.0
    means = []
    for iteration, value in points:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        means.append((iteration, total / weight))
    return means
