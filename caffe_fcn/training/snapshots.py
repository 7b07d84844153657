"""The snapshots of a training on the disk: a solver state, and the weights that it goes on with.

    newest = find_newest(Path("run/snapshot/train"))
    prune(Path("run/snapshot/train"), keep=2)

A killed training may leave half a file. A snapshot is whole where its solver state and its weights end where a field
ends, and the state has its last field: Caffe writes the weights first, and the fields of a state in their order.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.engines.recording import list_recorded_snapshots
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.proto import wire
from caffe_fcn.weights import open_weights
from caffe_fcn.weights.input_file import InputFile

CHOSEN_FILE = "chosen.caffemodel"
"""The weights, in the folder of the snapshots, that count in place of the newest ones."""

_NUMBER = r"_iter_(?P<iteration>\d{1,10})"
_LAST_FIELD = 4  # current_step in caffe.proto's SolverState, which every writer sets
_HDF5 = ".h5"
_PIECE = 1 << 20  # bytes that are copied at once


@dataclass(frozen=True)
class SavedSnapshot:
    """A whole snapshot: the files of a training after ``iteration`` updates."""

    iteration: int
    weights: Path
    state: Path


def list_snapshots(prefix: Path) -> list[SavedSnapshot]:
    """Return the whole snapshots whose names begin with ``prefix``, the oldest first."""
    return sorted(_find_whole(prefix), key=lambda each: each.iteration)


def find_newest(prefix: Path) -> SavedSnapshot | None:
    """Return the newest whole snapshot; None where there is none."""
    candidates = sorted(_find_candidates(prefix), key=lambda each: each.iteration, reverse=True)
    return next(filter(_is_whole, candidates), None)


def find_recorded(prefix: Path, most: int | None = None) -> SavedSnapshot | None:
    """Return the newest whole snapshot before which no figure is missing in ``train.jsonl``; None where there is none.

    Without that file any whole snapshot will do. Snapshots of iterations after ``most`` do not count.
    """
    return next(iter_recorded(prefix, most), None)


def iter_recorded(prefix: Path, most: int | None = None) -> Iterator[SavedSnapshot]:
    """Yield the whole snapshots before which no figure is missing, the newest first (see `find_recorded`)."""
    figures = prefix.with_name(f"{prefix.name}.jsonl")
    recorded = {Path(path).name for path in list_recorded_snapshots(figures)} if figures.is_file() else None
    for each in sorted(_find_candidates(prefix), key=lambda each: each.iteration, reverse=True):
        is_wanted = (recorded is None or each.state.name in recorded) and (most is None or each.iteration <= most)
        if is_wanted and _is_whole(each):
            yield each


def prune(prefix: Path, keep: int, until: int | None = None, spared: Collection[int] = ()) -> None:
    """Remove all but the ``keep`` newest whole snapshots, and what older trainings left half-written.

    ``until`` is the newest iteration that counts: Caffe may be about to report later ones. The snapshots of ``spared``
    iterations stay.
    """
    with files.naming_errors(prefix.parent):
        whole = [each for each in list_snapshots(prefix) if until is None or each.iteration <= until]
        stay = [*whole[-keep:], *(each for each in whole if each.iteration in spared)]
        kept = {path for each in stay for path in (each.weights, each.state)}
        newest = whole[-1].iteration if whole else -1
        for path, iteration in _list_files(prefix):
            if path not in kept and iteration <= newest:
                path.unlink(missing_ok=True)


def choose(weights: Path) -> Path:
    """Copy these weights to the file that counts for their run, in place of the newest ones; returns that file.

    It is a copy because Caffe writes a snapshot of the same iteration over the bytes of the one before.
    """
    chosen = name_chosen(weights)
    with files.naming_errors(weights), weights.open("rb") as file, files.atomic_write(chosen) as copy:
        shutil.copyfileobj(file, copy, _PIECE)
    for name in {CHOSEN_FILE, CHOSEN_FILE + _HDF5} - {chosen.name}:
        chosen.with_name(name).unlink(missing_ok=True)
    return chosen


def name_chosen(weights: Path) -> Path:
    """The file that counts for the run of these weights, in their format."""
    return weights.with_name(CHOSEN_FILE + (_HDF5 if weights.suffix == _HDF5 else ""))


def is_finite(snapshot: SavedSnapshot) -> bool:
    """Whether no parameter of a snapshot is infinite or not a number; raises `WeightsError`."""
    import numpy as np

    with open_weights(snapshot.weights) as weights:
        return all(bool(np.isfinite(tensor.load()).all()) for _, _, tensor in weights)


def _find_whole(prefix: Path) -> Iterator[SavedSnapshot]:
    return filter(_is_whole, _find_candidates(prefix))


def _find_candidates(prefix: Path) -> Iterator[SavedSnapshot]:
    for state, iteration in _list_files(prefix):
        suffix = _HDF5 if state.suffix == _HDF5 else ""
        if state.name.endswith(f".solverstate{suffix}"):
            weights = state.with_name(state.name.replace(".solverstate", ".caffemodel"))
            if weights.is_file():
                yield SavedSnapshot(iteration, weights, state)


def _list_files(prefix: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files of snapshots with the iterations in their names."""
    name = re.compile(re.escape(prefix.name) + _NUMBER + r"\.(caffemodel|solverstate)(\.h5)?")
    if not prefix.parent.is_dir():
        return
    for path in sorted(prefix.parent.iterdir()):
        if match := name.fullmatch(path.name):
            yield path, int(match["iteration"])


def _is_whole(snapshot: SavedSnapshot) -> bool:
    try:
        with open_weights(snapshot.weights) as weights:
            if not any(layer.tensors for layer in weights.layers):
                return False
        return snapshot.state.suffix == _HDF5 or _ends_state(snapshot.state)
    except CaffeFcnError:
        return False


def _ends_state(path: Path) -> bool:
    with closing(InputFile(path)) as file:
        try:
            return _LAST_FIELD in [field.number for field in wire.walk(file)]
        except wire.WireError:
            return False
