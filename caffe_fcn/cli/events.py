"""Progress for programs: a line of JSON on stderr for everything that happens.

    caffe-fcn --progress json train solver.prototxt
    {"event": "begin", "command": ["train", "solver.prototxt"], "pid": 4711, "time": 1795687655.3}
    {"event": "iteration", "iteration": 20, "of": 1000, "loss": 2.31, "lr": 0.01, ..., "seconds_left": 93.2, ...}
    {"event": "end", "status": 0, "time": 1795687755.1}

The environment variable CAFFE_FCN_PROGRESS does the same as the option. Each line has ``event`` and ``time`` (seconds
since 1970); a figure that is not known, or not finite, is null. What is not an object is text for people: an error is
still one line. docs/progress.md lists the events.
"""

from __future__ import annotations

import math
import time
from typing import Any

from caffe_fcn.cli.printing import echo

JSON, TEXT = "json", "text"
VARIABLE = "CAFFE_FCN_PROGRESS"


def write_event(event: str, **fields: Any) -> None:
    """Write an event to stderr."""
    import json  # which takes 2 ms of each start, and most commands write no events

    content = {"event": event, **{name: _make_finite(value) for name, value in fields.items()}}
    echo(json.dumps({**content, "time": round(time.time(), 3)}), err=True)


def _make_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _make_finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_make_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
