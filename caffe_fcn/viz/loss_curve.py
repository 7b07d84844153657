"""The loss over the iterations, as an SVG: the displayed losses thin, their running mean bold, tests as dots.

SVG is text, so drawing needs no library, and a browser shows it sharp at every size. The loss axis is logarithmic if
the losses span more than a decade.
"""

from __future__ import annotations

import math
from html import escape

from caffe_fcn import files
from caffe_fcn.files import PathLike
from caffe_fcn.training import History
from caffe_fcn.viz.axes import Axis, Points, average_exponentially, format_tick, keep_finite

_WIDTH, _HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 32, 64, 64  # margins
_INK, _GRID, _PALE, _TRAIN, _TEST = "#2b2f36", "#e4e7eb", "#a9c5e8", "#1c5aa6", "#d9622b"


def draw_loss_curve(history: History, title: str = "Loss") -> str:
    """Draw the curve; returns SVG text."""
    trained, tested = keep_finite(history.losses()), keep_finite(history.test_losses())
    mean = average_exponentially(trained)
    points = [*trained, *tested] or [(0, 0)]
    x = Axis(0, max(point[0] for point in points), _LEFT, _WIDTH - _RIGHT)
    losses = [point[1] for point in points]
    y = Axis(min(losses), max(losses), _HEIGHT - _BOTTOM, _TOP, may_be_log=True)

    parts = [*_draw_frame(x, y, title, _summarize(history))]
    parts += [
        _draw_line(trained, x, y, _PALE, 1.2),
        _draw_line(mean, x, y, _TRAIN, 2.6),
        _draw_line(tested, x, y, _TEST, 1.6),
    ]
    parts += [f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="4" fill="{_TEST}"/>' for i, v in tested]
    legend = [("training", _TRAIN)] * bool(trained) + [("test", _TEST)] * bool(tested)
    for place, (name, colour) in enumerate(legend):
        at = _WIDTH - _RIGHT - 110 * (len(legend) - place) + 20
        parts.append(f'<rect x="{at}" y="{_TOP - 24}" width="18" height="4" rx="2" fill="{colour}"/>')
        parts.append(_draw_text(at + 26, _TOP - 18, name))
    body = "\n".join(part for part in parts if part)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="14" fill="{_INK}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def write_loss_curve(history: History, path: PathLike, title: str = "Loss") -> None:
    """Draw the curve into an SVG file, which appears whole."""
    files.write_text(path, draw_loss_curve(history, title))


def _draw_frame(x: Axis, y: Axis, title: str, summary: str) -> list[str]:
    parts = [
        _draw_text(_LEFT, 30, title, size=20, weight="bold"),
        _draw_text(_LEFT, _TOP - 12, summary, colour="#6b7280"),
    ]
    for tick in y.ticks:
        parts.append(f'<path d="M{_LEFT} {y(tick):.1f}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_draw_text(_LEFT - 10, y(tick) + 5, format_tick(tick), anchor="end"))
    foot = _HEIGHT - _BOTTOM
    for tick in x.ticks:
        parts.append(f'<path d="M{x(tick):.1f} {foot}v6" stroke="{_INK}"/>')
        parts.append(_draw_text(x(tick), foot + 24, format_tick(tick), anchor="middle"))
    parts.append(f'<path d="M{_LEFT} {foot}H{_WIDTH - _RIGHT}" stroke="{_INK}"/>')
    parts.append(_draw_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "iteration", anchor="middle"))
    return parts


def _summarize(history: History) -> str:
    losses = history.losses()
    if not losses:
        return "no loss was displayed"
    lost = next((iteration for iteration, loss in losses if not math.isfinite(loss)), None)
    if lost is not None:
        return f"diverged: {losses[-1][1]} from iteration {lost} on"
    first, last = keep_finite(losses)[0], average_exponentially(losses)[-1]
    return f"from {first[1]:.4g} to {last[1]:.4g} in {last[0]:,} iterations"


def _draw_line(points: Points, x: Axis, y: Axis, colour: str, width: float) -> str:
    if len(points) < 2:
        return ""
    path = "L".join(f"{x(iteration):.1f} {y(value):.1f}" for iteration, value in points)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'


def _draw_text(x: float, y: float, text: str, size: int = 14, anchor: str = "start", **more: str) -> str:
    style = "".join(f' {_STYLES[name]}="{value}"' for name, value in more.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


_STYLES = {"weight": "font-weight", "colour": "fill"}
