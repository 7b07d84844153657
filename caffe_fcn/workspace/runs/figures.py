"""The figures of a run as pages and programs read them: curves, and what is new of them.

    found = describe_figures(log)                   # all of them
    later = describe_figures(log, found["next"])    # what came since

A cursor, ``next``, says how far a log was read. Where what was read before does not hold any more (a training
was resumed, or begun anew), all figures are given once more, and ``again`` says so.
"""

from __future__ import annotations

import math
import re
from typing import Any

from caffe_fcn.engines.events import Score, Step
from caffe_fcn.training.curves import SCORED, Curve
from caffe_fcn.training.following import FollowedLog
from caffe_fcn.viz.curves import arrange_panels

_CURSOR = re.compile(r"(\d{1,9})-(\d{1,12})")
_STEPS, _TESTS, _SCORES = "training", "test", "score"


def describe_figures(log: FollowedLog, since: str = "") -> dict[str, Any]:
    """Return the curves of a log, or those points of them that are later than the cursor ``since``.

    A reader replaces the points from the first new one of a curve on. Numbers that JSON does not have are texts.
    """
    cursor = _CURSOR.fullmatch(since)
    is_same = cursor is not None and int(cursor[1]) == log.generation
    first = _find_first(log, int(cursor[2]) if cursor and is_same else 0)
    curves = []
    for panel in arrange_panels([log.history]):
        for _, curve in panel.curves:
            kind = _find_kind(curve)
            begin = first.get(kind, math.inf)
            points = [[iteration, _to_json(value)] for iteration, value in curve.points if iteration >= begin]
            if points:
                curves.append(
                    {"name": curve.name, "label": curve.label, "panel": panel.title, "kind": kind, "points": points}
                )
    return {
        "since": since,
        "next": cursor_of(log),
        "again": bool(since) and not is_same,
        "diverged": log.diverged,
        "curves": curves,
    }


def cursor_of(log: FollowedLog) -> str:
    """Return the cursor of what was read of a log so far."""
    return f"{log.generation}-{log.lines}"


def _find_kind(curve: Curve) -> str:
    if curve.net is None:
        return _STEPS
    return _SCORES if curve.net == SCORED else _TESTS


def _find_first(log: FollowedLog, line: int) -> dict[str, int]:
    """Return the first iteration of each kind of events that is later than a line."""
    first: dict[str, int] = {}
    for _, event in log.list_since(line):
        kind = _STEPS if isinstance(event, Step) else _SCORES if isinstance(event, Score) else _TESTS
        first[kind] = min(event.iteration, first.get(kind, event.iteration))
    return first


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def draw_sparkline(log: FollowedLog | None, width: int = 120, height: int = 28, most: int = 60) -> str:
    """Return the losses of a log as the path of a small line; "" where there are fewer than two."""
    values = [value for _, value in (log.history.losses() if log else []) if math.isfinite(value)]
    step = -(-len(values) // most) or 1
    values = [*values[:-1:step], *values[-1:]]
    if len(values) < 2:
        return ""
    if min(values) > 0:
        values = [math.log(value) for value in values]
    low, span = min(values), (max(values) - min(values)) or 1
    places = [
        f"{number * width / (len(values) - 1):.1f} {2 + (height - 4) * (1 - (value - low) / span):.1f}"
        for number, value in enumerate(values)
    ]
    return "M" + "L".join(places)
