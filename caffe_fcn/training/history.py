"""What happened in a training: its steps, tests and snapshots in order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.engines import caffe
from caffe_fcn.engines.events import Event, Snapshot, Step, Test
from caffe_fcn.errors import FileError


@dataclass
class History:
    """The events of a training. Where it was resumed, what came after the resumed snapshot is told anew."""

    steps: list[Step] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        """The history that these events make."""
        history = cls()
        for event in events:
            history.add(event)
        return history

    def add(self, event: Event) -> None:
        """Take in the next event."""
        if isinstance(event, Snapshot):
            if event.path not in self.snapshots:
                self.snapshots.append(event.path)
        elif isinstance(event, Step):
            while self.steps and self.steps[-1].iteration >= event.iteration:
                self.steps.pop()
            self.steps.append(event)
        else:
            again = [(test.iteration, test.net) >= (event.iteration, event.net) for test in self.tests]
            self.tests[again.index(True) if any(again) else len(self.tests) :] = [event]

    def losses(self) -> list[tuple[int, float]]:
        """Iteration and training loss."""
        return [(step.iteration, step.loss) for step in self.steps]

    def tested_losses(self) -> list[tuple[int, float]]:
        """Iteration and the test nets' mean of the outputs that training shows too (its losses)."""
        trained = {name for step in self.steps for name, _ in step.outputs}
        found = []
        for test in self.tests:
            values = [value for name, value in test.outputs if name in trained]
            if values:
                found.append((test.iteration, sum(values)))
        return found


def read_log(path: str | os.PathLike[str]) -> History:
    """The history in a log of Caffe's (of any version, of NVIDIA's too).

    Raises `FileError` where the file cannot be read or tells of no training.
    """
    with files.naming_errors(path), Path(path).open(errors="replace") as lines:
        history = History.of(caffe.events(lines))
    if not (history.steps or history.tests):
        raise FileError(path, "tells of no training", "name what 'caffe train' writes to stderr")
    return history
