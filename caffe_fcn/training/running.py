"""A training whose snapshots are scored, kept or removed while it runs, and which stops when it gets no better.

    with engines.train("solver.prototxt", score_every=500) as training:
        for event in Run(training, Watch(score_every=500, patience=4), judge):
            ...                     # Step, Test, Snapshot and Score

The snapshots of every K iterations, and the last one, are scored by ``judge`` on images that the training does not
see, as the reference does in place of Caffe's own test. The torch engine waits meanwhile, and stops at the very
snapshot; real Caffe goes on beside it, and is stopped by SIGINT, at which it writes one more snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.engines.events import Event, Score, Snapshot
from caffe_fcn.engines.training import Training
from caffe_fcn.errors import CaffeFcnError, EngineError
from caffe_fcn.progress import TaskProgress
from caffe_fcn.training.history import History
from caffe_fcn.training.ranking import count_since_best, find_only_class, name_measure, rank, require_measure
from caffe_fcn.training.record import RunRecord
from caffe_fcn.training.snapshots import CHOSEN_FILE, SavedSnapshot, choose, prune
from caffe_fcn.training.tensorboard import EventFile, require_library

Judge = Callable[[int, Path, TaskProgress], Score]
"""Scores the weights in a file, those after so many iterations; it calls the progress after each image."""

_STATE = re.compile(r"(?P<stem>.*_iter_(?P<iteration>\d{1,10}))\.solverstate(?P<suffix>(\.h5)?)")
_PATIENT = 2  # scores in a row that are those of one class everywhere: the first may come too early


@dataclass(frozen=True)
class Watch:
    """What is done with the snapshots of a training.

    Those of every ``score_every`` iterations are scored; the training stops after ``patience`` scores none of which is
    better than the best so far by ``measure``. The ``keep`` newest and the ``keep_best`` best snapshots stay, all of
    them if neither is given; the newest one always does. ``tensorboard`` writes the figures for TensorBoard, too.
    """

    score_every: int | None = None
    measure: str = "mean_iu"
    patience: int | None = None
    keep: int | None = None
    keep_best: int | None = None
    tensorboard: bool = False

    def check(self) -> None:
        """Raise `CaffeFcnError` for an unknown measure, a missing library, and for what needs scores without them."""
        require_measure(self.measure)
        if self.tensorboard:
            require_library()
        if self.score_every is None:
            for name in ("patience", "keep_best"):
                if getattr(self, name) is not None:
                    raise EngineError(f"`{name}`", "asks for scores, and there are none", "give `score_every`, too")


class Run:
    """The events of a training, with scores; iterating watches over its snapshots.

    ``judge`` makes the scores that `Watch.score_every` asks for. ``history`` are the figures so far of a training that
    is resumed from ``snapshot``. ``record`` is written when the training begins and when it ends. ``progress`` is
    called while a snapshot is scored. `Training.notes` gets what the user should know. Raises what the training and
    the judge raise, and `MissingExtraError` where TensorBoard's library is not installed.
    """

    def __init__(
        self,
        training: Training,
        watch: Watch = Watch(),
        judge: Judge | None = None,
        history: History | None = None,
        snapshot: SavedSnapshot | None = None,
        record: RunRecord | None = None,
        progress: TaskProgress = lambda done, total: None,
    ) -> None:
        watch.check()
        self.training, self.history = training, history or History()
        self.chosen: Path | None = None
        self.watch, self._judge, self._snapshot, self._record = watch, judge, snapshot, record
        self._progress = progress
        self._best_iteration = -1  # that of the chosen weights
        self._same = 0  # scores in a row that are those of one class everywhere

    @property
    def best(self) -> Score | None:
        """The best score so far."""
        return next(iter(rank(self.history.scores, self.watch.measure)), None)

    def __iter__(self) -> Iterator[Event | Score]:
        training = self.training
        events = EventFile(training.prefix.with_name("tensorboard")) if self._writes_events else None
        with closing(events) if events else nullcontext():
            if training.leads:
                self._note_earlier_choice()
                if self._record:
                    self._record.write(training.prefix)
            if events:
                events.add_history(self.history)
            for event in self._watch_over():
                self.history.add(event)
                if events:
                    events.add(event)
                yield event
        if training.leads and not training.interrupted:
            if self.watch.keep or self.watch.keep_best:
                self._prune(None)
            if self._record:
                self._record.end(self._find_end()).write(training.prefix)

    @property
    def _writes_events(self) -> bool:
        return self.watch.tensorboard and self.training.leads

    def _watch_over(self) -> Iterator[Event | Score]:
        if self._snapshot:  # its training may have been killed before it was scored
            yield from self._score(self._snapshot.iteration, self._snapshot.weights)
            self._prune(self._snapshot.iteration)
        for event in self.training:
            yield event
            found = _STATE.fullmatch(event.path) if isinstance(event, Snapshot) else None
            if found and self.training.leads:
                iteration = int(found["iteration"])
                weights = self.training.folder / f"{found['stem']}.caffemodel{found['suffix']}"
                yield from self._score(iteration, weights)
                self._prune(iteration)
                self._answer(iteration)

    def _score(self, iteration: int, weights: Path) -> Iterator[Score]:
        """Yield the score of a snapshot that is due, unless the training is interrupted meanwhile."""
        every = self.watch.score_every
        is_due = every is not None and (iteration % every == 0 or iteration == self.training.max_iter)
        is_over = self.training.stopped or self.training.interrupted  # Caffe is ahead of what it has reported
        is_known = any(each.iteration == iteration for each in self.history.scores)
        if is_due and not is_over and not is_known and self._judge:
            try:
                score = self._judge(iteration, weights, self._report_progress)
            except _InterruptedError:
                return
            except CaffeFcnError:
                if self.training.interrupted:  # a terminal interrupts the engine that scores, too
                    return
                raise
            self.training.record(score)
            yield score
            self._warn_of_one_class(score)
        self._choose_best(weights)

    def _find_end(self) -> int:
        """Return the last iteration: a solver that displays every tenth ends with a snapshot after the last of them."""
        saved = [int(found["iteration"]) for path in self.history.snapshots if (found := _STATE.fullmatch(path))]
        return max([*saved, *(step.iteration for step in self.history.steps)], default=0)

    def _choose_best(self, weights: Path) -> None:
        """Make the best snapshot the chosen one, unless it is already; ``weights`` are those of any snapshot."""
        best = self.best
        if best is None or best.iteration == self._best_iteration:
            return
        name = re.sub(r"_iter_\d+(?=\.caffemodel)", f"_iter_{best.iteration}", weights.name)
        earlier = weights.with_name(CHOSEN_FILE)
        if weights.with_name(name).is_file():
            self.chosen = choose(weights.with_name(name))
        elif earlier.is_file():  # the snapshot itself was not to stay
            self.chosen = earlier
        self._best_iteration = best.iteration

    def _note_earlier_choice(self) -> None:
        chosen = self.training.prefix.with_name(CHOSEN_FILE)
        if not self.history and chosen.is_file():
            end = "is removed" if self.watch.score_every is None else "is replaced by the first scored weights"
            self.training.notes.append(f"{chosen} is of an earlier training, and counts for this run until it {end}")

    def _answer(self, iteration: int) -> None:
        """Have the training go on, or stop where it does not get better any more."""
        training, patience = self.training, self.watch.patience
        since = count_since_best(self.history.scores, self.watch.measure)
        is_enough = patience is not None and since >= patience and iteration < training.max_iter
        if training.interrupted or training.stopped or not is_enough:
            training.go_on()
            return
        training.stop()
        best = self.best
        if best:
            named = name_measure(self.watch.measure)
            value = f"{100 * best.measures[self.watch.measure]:.2f} %"
            training.notes.append(
                f"stopped early: {since} scores in a row were not better than the {named} of {value} at iteration "
                f"{best.iteration}"
            )

    def _prune(self, until: int | None) -> None:
        keep, best = self.watch.keep, self.watch.keep_best
        if keep or best:
            ranked = rank(self.history.scores, self.watch.measure)[: best or 0]
            prune(self.training.prefix, keep or 1, until, {score.iteration for score in ranked})

    def _warn_of_one_class(self, score: Score) -> None:
        found = find_only_class(score)
        self._same = 0 if found is None else self._same + 1
        is_last = score.iteration == self.training.max_iter
        if self._same == _PATIENT or (is_last and self._same == 1):
            self.training.notes.append(
                f"iteration {score.iteration}: the net predicts class {found} for every pixel: are its start weights "
                "there, is its upscore filled (bilinear), is base_lr too high or too low? caffe-fcn check tells more"
            )

    def _report_progress(self, done: int, total: int) -> None:
        if self.training.interrupted:
            raise _InterruptedError
        self._progress(done, total)


class _InterruptedError(Exception):
    """The training is interrupted, and its snapshot is not scored to the end."""
