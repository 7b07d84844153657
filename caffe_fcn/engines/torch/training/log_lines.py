"""Writes the events of a training as lines of Caffe's log, which Caffe's tools and `engines.log` read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import torch

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
        state = "solver state " if is_state(event) else ""
        yield f"Snapshotting {state}to {kind} file {event.path}"
    elif isinstance(event, Step):
        speed = "" if event.speed is None else f" ({event.speed:.6g} iter/s)"
        yield f"Iteration {event.iteration}{speed}, loss = {event.loss:.9g}"
        yield from _describe_outputs("Train", event.outputs)
        if event.gpu_memory is not None:
            yield f"Iteration {event.iteration}, GPU memory = {event.gpu_memory}"
        if event.lr is not None:
            yield f"Iteration {event.iteration}, lr = {event.lr:g}"
    else:
        yield f"Iteration {event.iteration}, Testing net (#{event.net})"
        yield from _describe_outputs("Test", event.outputs)


def _describe_outputs(phase: str, outputs: Outputs) -> Iterable[str]:
    return (f"    {phase} net output #{index}: {name} = {value:.9g}" for index, (name, value) in enumerate(outputs))


def is_state(snapshot: Snapshot) -> bool:
    """Whether a file is a solver state, which is the last one of a snapshot."""
    return ".solverstate" in snapshot.path


class Pace:
    """Adds to each step how fast the training was since the one before, and the most memory of its GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last: tuple[int, float] | None = None  # the iteration and the time of the last step

    def measure(self, event: Event) -> Event:
        """Return a step with its figures, and any other event as it is."""
        if not isinstance(event, Step):
            return event
        now = time.monotonic()
        last, self._last = self._last, (event.iteration, now)
        seconds = now - last[1] if last else 0.0
        speed = (event.iteration - last[0]) / seconds if last and seconds > 0 else None
        memory = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else None
        return replace(event, speed=speed, gpu_memory=memory)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the block out of the time since the last step."""
        begun = time.monotonic()
        yield
        if self._last:
            self._last = (self._last[0], self._last[1] + time.monotonic() - begun)
