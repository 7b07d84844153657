"""Writes the events of a training as lines of Caffe's log, which Caffe's tools and `engines.log` read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Literal

from caffe_fcn.engines.events import Event, Outputs, Snapshot, Step


def format_line(message: str, severity: Literal["I", "W", "F"] = "I") -> str:
    """A line in the format of glog: severity, date, time, process, place, message."""
    now = time.time()
    stamp = f"{time.strftime('%m%d %H:%M:%S', time.localtime(now))}.{int(now % 1 * 1e6):06}"
    return f"{severity}{stamp} {os.getpid()} solver.cpp:1] {message}\n"


def describe_event(event: Event) -> Iterator[str]:
    """The messages that Caffe logs for an event."""
    if isinstance(event, Snapshot):
        kind = "HDF5" if event.path.endswith(".h5") else "binary proto"
        state = "solver state " if ".solverstate" in event.path else ""
        yield f"Snapshotting {state}to {kind} file {event.path}"
    elif isinstance(event, Step):
        yield f"Iteration {event.iteration}, loss = {event.loss:.9g}"
        yield from _describe_outputs("Train", event.outputs)
        if event.lr is not None:
            yield f"Iteration {event.iteration}, lr = {event.lr:g}"
    else:
        yield f"Iteration {event.iteration}, Testing net (#{event.net})"
        yield from _describe_outputs("Test", event.outputs)


def _describe_outputs(phase: str, outputs: Outputs) -> Iterable[str]:
    return (f"    {phase} net output #{index}: {name} = {value:.9g}" for index, (name, value) in enumerate(outputs))
