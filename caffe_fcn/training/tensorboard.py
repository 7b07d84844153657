"""The figures of a training for TensorBoard, written by tensorboardX (the extra ``tensorboard``).

    with closing(EventFile(Path("snapshot/tensorboard"))) as events:
        events.add(Step(0, 1.5, lr=0.01))

| tag | figure |
|---|---|
| loss, lr, iterations_per_second | of a step |
| train/NAME, test/NAME, test1/NAME | outputs of the training net, and of the first and second test net |
| scores/mean_iu, ... | the scores of snapshots |

A file begins by saying that its figures replace all that are there, and repeats those of a training that is resumed:
TensorBoard then shows each figure once, also where an event file ends in the middle because its training was killed.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffe_fcn.engines.events import Event, Outputs, Score, Snapshot, Step
from caffe_fcn.errors import MissingExtraError
from caffe_fcn.training.curves import number_repeats
from caffe_fcn.training.history import History


def require_library() -> None:
    """Raise `MissingExtraError` where tensorboardX is not installed."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise MissingExtraError("`tensorboard`", "tensorboard")


class EventFile:
    """A new event file in ``folder``; raises `MissingExtraError` where tensorboardX is not installed."""

    def __init__(self, folder: Path) -> None:
        require_library()
        from tensorboardX.event_file_writer import EventFileWriter
        from tensorboardX.proto import event_pb2, summary_pb2

        self._make_event: Any = event_pb2.Event
        self._summary: Any = summary_pb2.Summary
        self._writer: Any = EventFileWriter(str(folder))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._writer.add_event(event_pb2.Event(step=0, wall_time=time.time(), session_log=start))

    def add_history(self, history: History) -> None:
        """Add all figures of a history."""
        for event in (*history.in_order(), *history.scores):
            self.add(event)

    def add(self, event: Event | Score) -> None:
        """Add the figures of an event, and have them on the disk."""
        if isinstance(event, Snapshot):
            return
        values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in _list_scalars(event)]
        summary = self._summary(value=values)
        self._writer.add_event(self._make_event(step=event.iteration, wall_time=time.time(), summary=summary))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _list_scalars(event: Event | Score) -> Iterator[tuple[str, float]]:
    if isinstance(event, Score):
        yield from ((f"scores/{name}", value) for name, value in event.measures.items())
    elif isinstance(event, Step):
        yield "loss", event.loss
        if event.lr is not None:
            yield "lr", event.lr
        if event.speed is not None:
            yield "iterations_per_second", event.speed
        yield from _name_outputs("train", event.outputs)
    elif not isinstance(event, Snapshot):
        yield from _name_outputs(f"test{event.net or ''}", event.outputs)


def _name_outputs(group: str, outputs: Outputs) -> Iterator[tuple[str, float]]:
    return ((f"{group}/{name}", value) for name, value in number_repeats(outputs))
