"""The history of a training: its steps, tests, snapshots and scores in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from caffe_fcn.engines.events import Event, Score, Snapshot, Step, Test


@dataclass
class History:
    """The events of a training. A resumed training replaces the events after the snapshot that it started from."""

    steps: list[Step] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    @classmethod
    def from_events(cls, events: Iterable[Event | Score]) -> History:
        """Make the history of these events."""
        history = cls()
        for event in events:
            history.add(event)
        return history

    def __bool__(self) -> bool:
        return bool(self.steps or self.tests or self.scores)

    def add(self, event: Event | Score) -> None:
        """Add the next event."""
        if isinstance(event, Snapshot):
            if event.path not in self.snapshots:
                self.snapshots.append(event.path)
        elif isinstance(event, Score):
            self._drop_scores(event.iteration - 1)
            self.scores.append(event)
        elif isinstance(event, Step):
            if self.steps and self.steps[-1].iteration >= event.iteration:
                self._drop_tests((event.iteration + 1, 0))
                self._drop_scores(event.iteration)
            self._drop_steps(event.iteration)
            self.steps.append(event)
        else:
            if self.steps and self.steps[-1].iteration > event.iteration:
                self._drop_steps(event.iteration)
                self._drop_scores(event.iteration)
            self._drop_tests((event.iteration, event.net))
            self.tests.append(event)

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

    def in_order(self) -> Iterator[Step | Test]:
        """Yield the steps and tests by iteration; the tests of an iteration come before its step, as Caffe has it."""
        events: list[Step | Test] = [*self.tests, *self.steps]
        return iter(sorted(events, key=lambda event: event.iteration))

    def _drop_steps(self, iteration: int) -> None:
        while self.steps and self.steps[-1].iteration >= iteration:
            self.steps.pop()

    def _drop_tests(self, place: tuple[int, int]) -> None:
        while self.tests and (self.tests[-1].iteration, self.tests[-1].net) >= place:
            self.tests.pop()

    def _drop_scores(self, iteration: int) -> None:
        """Drop the scores after an iteration; a snapshot and its score come before what the iteration displays."""
        while self.scores and self.scores[-1].iteration > iteration:
            self.scores.pop()
