"""The history of a training: its steps, tests and snapshots in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.engines.events import Event, Snapshot, Step, Test
from caffe_fcn.engines.log import read_events
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike


@dataclass
class History:
    """The events of a training. A resumed training replaces the events after the snapshot that it started from."""

    steps: list[Step] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> History:
        """Make the history of these events."""
        history = cls()
        for event in events:
            history.add(event)
        return history

    def add(self, event: Event) -> None:
        """Add the next event."""
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
        """Return the iteration and the training loss of each step."""
        return [(step.iteration, step.loss) for step in self.steps]

    def test_losses(self) -> list[tuple[int, float]]:
        """Return the iteration and the loss of each test: the sum of the outputs that the training net has, too."""
        trained = {name for step in self.steps for name, _ in step.outputs}
        found = []
        for test in self.tests:
            values = [value for name, value in test.outputs if name in trained]
            if values:
                found.append((test.iteration, sum(values)))
        return found


def read_log(path: PathLike) -> History:
    """Read the log of a training by Caffe (any version, also NVIDIA's) or by the torch engine.

    Raises `FileError` if the file cannot be read or is not the log of a training.
    """
    with files.naming_errors(path), Path(path).open(errors="replace") as lines:
        history = History.from_events(read_events(lines))
    if not (history.steps or history.tests):
        raise FileError(path, "tells of no training", "name what 'caffe train' writes to stderr")
    return history
