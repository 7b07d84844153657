"""The snapshots in a run's folder, each with its score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from caffe_fcn.engines.events import Score
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace.runs.run import Run

_WEIGHTS = re.compile(r".*_iter_(?P<iteration>\d{1,18})\.caffemodel(?P<suffix>(\.h5)?)")


@dataclass(frozen=True)
class RunSnapshot:
    """Weights of a run; ``iteration`` is None for the chosen ones. Paths are relative to the run's folder.

    ``state`` is "" where there is none, ``fault`` says what is wrong with the file, ``is_best`` that it has the best
    score so far.
    """

    iteration: int | None
    weights: str
    size: int
    changed: float
    state: str = ""
    score: Score | None = None
    is_best: bool = False
    fault: str = ""


def list_snapshots(run: Run) -> list[RunSnapshot]:
    """Return the snapshots, the chosen weights first and then the newest."""
    scores = {score.iteration: score for score in run.scores}
    best = run.best.iteration if run.best else None
    found = []
    for path, iteration in _find_weights(run.prefix):
        try:
            status = path.stat()
        except OSError:  # a training removes snapshots as it goes on
            continue
        state = path.with_name(path.name.replace(".caffemodel", ".solverstate"))
        place = best if iteration is None else iteration
        has_state = iteration is not None and state.is_file()
        found.append(
            RunSnapshot(
                iteration,
                path.relative_to(run.folder).as_posix(),
                status.st_size,
                status.st_mtime,
                state.relative_to(run.folder).as_posix() if has_state else "",
                scores.get(-1 if place is None else place),
                iteration is not None and iteration == best,
                _find_fault(path, status.st_size, status.st_mtime_ns),
            )
        )
    return sorted(found, key=lambda each: (each.iteration is not None, -(each.iteration or 0)))


def find_snapshot(run: Run, iteration: int) -> RunSnapshot | None:
    """Return the snapshot of an iteration; None where there is none."""
    return next((each for each in list_snapshots(run) if each.iteration == iteration), None)


def _find_weights(prefix: Path) -> Iterator[tuple[Path, int | None]]:
    from caffe_fcn.training.snapshots import CHOSEN_FILE

    try:
        paths = sorted(prefix.parent.iterdir())
    except OSError:
        return
    for path in paths:
        if path.name in (CHOSEN_FILE, f"{CHOSEN_FILE}.h5"):
            yield path, None
        elif (found := _WEIGHTS.fullmatch(path.name)) and path.name.startswith(prefix.name):
            yield path, int(found["iteration"])


@lru_cache(maxsize=1024)
def _find_fault(path: Path, size: int, time: int) -> str:
    """Return what is wrong with weights, by their headers; a training that is killed may leave half a file."""
    from caffe_fcn.weights import open_weights

    try:
        with open_weights(path) as weights:
            return "" if any(layer.tensors for layer in weights.layers) else "has no weights"
    except CaffeFcnError as error:
        return error.what
