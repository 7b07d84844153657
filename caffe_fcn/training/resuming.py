"""Where a training goes on that was interrupted, killed, or is to become longer.

    found = find_resumption("solver.prototxt", weights=["start.caffemodel"])
    found.snapshot, found.notes, found.done

It goes on from the newest whole snapshot before which no figure is missing, unless its weights are spoilt. Figures
that a killed training recorded after that snapshot are dropped when the resumed one reports its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn.engines.events import Snapshot
from caffe_fcn.engines.training import find_prefix
from caffe_fcn.errors import CaffeFcnError, EngineError, FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import read_solver
from caffe_fcn.training import snapshots
from caffe_fcn.training.history import History
from caffe_fcn.training.ranking import count_since_best
from caffe_fcn.training.reading import read_log
from caffe_fcn.training.record import RunRecord, read_record
from caffe_fcn.training.snapshots import SavedSnapshot


@dataclass
class Resumption:
    """Where a training goes on: from ``snapshot``, or from the beginning without one.

    ``done`` says why there is nothing left to train, and is empty otherwise. ``history`` has the figures up to the
    snapshot, ``record`` what the training was begun with, where that is known.
    """

    snapshot: SavedSnapshot | None = None
    done: str = ""
    notes: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)
    record: RunRecord | None = None


def find_resumption(
    solver: PathLike, weights: Sequence[PathLike] = (), patience: int | None = None, measure: str = "mean_iu"
) -> Resumption:
    """Find where the training of a solver goes on.

    ``weights`` are those that it would start from; ``patience`` and ``measure`` are those of `Run`. Raises `FileError`
    or `PrototxtError` for what cannot be read, and `EngineError` where the training began with other weights.
    """
    if str(solver) == "-":
        raise EngineError("`resume`", "the solver on standard input is known to nobody later", "name its file")
    prefix, most = find_prefix(solver), read_solver(solver, allow_unknown=True).max_iter
    found = Resumption(record=read_record(prefix))
    found.snapshot = _find_sound(prefix, found.notes)
    newest = found.snapshot
    if newest is None:
        found.notes.append(f"nothing to resume in {prefix.parent}: the training starts from the beginning")
        return found
    _check_weights(found.record, weights)
    found.history = _read_history(prefix, newest.iteration)
    since = count_since_best(found.history.scores, measure)
    if newest.iteration > most or (newest.iteration == most and found.record and found.record.ended is not None):
        found.done = f"the training is done: it is at iteration {newest.iteration} of {most}"
    elif patience is not None and since >= patience:
        found.done = (
            f"the training is done: it was stopped at iteration {newest.iteration}, {since} scores after the best"
        )
    else:
        found.notes.append(f"resumes from iteration {newest.iteration}: {newest.state}")
    return found


def _find_sound(prefix: Path, notes: list[str]) -> SavedSnapshot | None:
    """Return the newest snapshot whose weights are finite: Caffe may write one before it displays that they are not."""
    for each in snapshots.iter_recorded(prefix):
        if snapshots.is_finite(each):
            return each
        notes.append(f"{each.weights}: holds nan or infinity, and is passed over")
    return None


def _check_weights(record: RunRecord | None, weights: Sequence[PathLike]) -> None:
    if record is None or not weights:
        return
    given, before = sorted(Path(path).name for path in weights), sorted(name for name, _ in record.weights)
    if given != before:
        began = f"began with {', '.join(before)}" if before else "began without weights"
        what = f"the training that is resumed {began}, not with {', '.join(given)}"
        raise EngineError("`weights`", what, "leave `weights` out, or leave `resume` out to train anew")


def _read_history(prefix: Path, iteration: int) -> History:
    """Return the figures up to a snapshot; without `train.jsonl`, those of the log."""
    try:
        whole = read_log(prefix.with_name(f"{prefix.name}.jsonl"))
    except FileError:
        try:
            whole = read_log(prefix.with_name(f"{prefix.name}.log"))
        except CaffeFcnError:
            return History()
    kept = History.from_events(event for event in whole.in_order() if event.iteration < iteration)
    kept.scores = [score for score in whole.scores if score.iteration <= iteration]
    for path in whole.snapshots:
        kept.add(Snapshot(path))
    return kept
