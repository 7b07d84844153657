"""Histograms as SVG within a page, in the colours of its theme.

The height of a bar is the square root of its count: beside the many zeros behind a ReLU, the other values would
otherwise not be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe_fcn.pages.markup import Markup, make

_WIDTH, _HEIGHT, _FOOT = 480, 150, 22
_SMALL_WIDTH, _SMALL_HEIGHT = 96, 22


def draw_histogram(counts: Sequence[int], low: float, high: float, label: str) -> Markup:
    """Draw a histogram with its ends, and zero where it lies between them; ``label`` says of what it is."""
    foot = _HEIGHT - _FOOT
    parts = [make("path", d=_trace_bars(counts, _WIDTH, foot))]
    parts.append(make("line", x1=0, x2=_WIDTH, y1=foot, y2=foot))
    ends = [(0.0, "start", low), (float(_WIDTH), "end", high)]
    zero = _WIDTH * (0 - low) / (high - low) if low < 0 < high else 0
    if 0.15 * _WIDTH < zero < 0.85 * _WIDTH:
        ends.append((zero, "middle", 0.0))
        parts.append(make("line", x1=f"{zero:.1f}", x2=f"{zero:.1f}", y1=foot, y2=foot + 5))
    parts += [make("text", f"{value:.4g}", x=f"{x:.1f}", y=_HEIGHT - 4, text_anchor=at) for x, at, value in ends]
    return _wrap(parts, _WIDTH, _HEIGHT, label)


def draw_small_histogram(counts: Sequence[int], label: str) -> Markup:
    """Draw the bars alone, for a row of a table."""
    bars = make("path", d=_trace_bars(counts, _SMALL_WIDTH, _SMALL_HEIGHT))
    return _wrap([bars], _SMALL_WIDTH, _SMALL_HEIGHT, label, "histogram small")


def _trace_bars(counts: Sequence[int], width: int, height: int) -> str:
    """Return the path of the bars; one that counts anything is at least a line."""
    most = math.sqrt(max(counts, default=0)) or 1
    step = width / max(len(counts), 1)
    bars = []
    for place, count in enumerate(counts):
        if count:
            tall = max(0.8, math.sqrt(count) / most * (height - 1))
            bars.append(f"M{place * step:.1f} {height}v-{tall:.1f}h{step * 0.9:.1f}v{tall:.1f}z")
    return "".join(bars)


def _wrap(parts: Sequence[Markup], width: int, height: int, label: str, kind: str = "histogram") -> Markup:
    return make("svg", *parts, class_=kind, viewBox=f"0 0 {width} {height}", role="img", aria_label=label)
