"""An index of a split: the size of each image, and how many pixels of each class its label has.

    made = index.read(path)                           # None while there is none
    index.select(made, value=15, order="share")       # records with class 15, the largest share first

It is made once by a process of its own, of which several servers may start one at the same time:
``python -m caffe_fcn.workspace.explorer.index FOLDER SPLIT FILE``. While it runs, ``FILE.progress`` says how far it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError, DatasetError, FileError
from caffe_fcn.workspace.explorer.facts import Facts, Kept
from caffe_fcn.workspace.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffe_fcn.datasets.records.opening import Pairs

FOLDER = "index"
_VALUES = 256
_EVERY = 0.25  # seconds between two reports
_KEPT_BYTES = 64 << 20
_NICE = 10
_MOST_FILES = 600
_RUNNING = 2  # indices that are made at the same time


@dataclass(frozen=True)
class Index:
    """``pixels`` N x K has the pixels of each of ``values`` (K) in each record; ``sizes`` N x 2 height and width."""

    values: NDArray[np.uint8]
    pixels: NDArray[np.uint32]
    sizes: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def image_counts(self) -> dict[int, int]:
        """Value -> in how many labels it occurs."""
        counts = (self.pixels > 0).sum(axis=0)
        return {int(value): int(count) for value, count in zip(self.values, counts, strict=True)}

    def list_shares(self, value: int) -> NDArray[np.float64]:
        """Return the share of a value in each label, N."""
        import numpy as np

        column = self._find(value)
        if column is None:
            return np.zeros(len(self))
        total = self.sizes.astype(np.float64).prod(axis=1)
        shares: NDArray[np.float64] = self.pixels[:, column] / np.maximum(total, 1)
        return shares

    @cached_property
    def size_counts(self) -> list[tuple[int, int, int]]:
        """Height, width and number of images of each size, the most frequent first."""
        import numpy as np

        sizes, counts = np.unique(self.sizes, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [(int(sizes[i, 0]), int(sizes[i, 1]), int(counts[i])) for i in order]

    def _find(self, value: int) -> int | None:
        import numpy as np

        found = np.flatnonzero(self.values == value)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Progress:
    """How far an index is; ``error`` says why there will be none."""

    done: int = 0
    total: int = 0
    error: str = ""


def select(
    index: Index, value: int | None = None, size: tuple[int, int] | None = None, by_share: bool = False
) -> NDArray[np.int64]:
    """Return the records with a class and a size, in their order or the largest share of the class first."""
    import numpy as np

    kept = np.ones(len(index), bool)
    shares = index.list_shares(value) if value is not None else None
    if shares is not None:
        kept &= shares > 0
    if size is not None:
        kept &= (index.sizes == np.array(size)).all(axis=1)
    found = np.flatnonzero(kept)
    if shares is not None and by_share:
        found = found[np.argsort(-shares[found], kind="stable")]
    return found


def make(pairs: Pairs, output: Path) -> None:
    """Make the index of a split, and report on the way; a record that cannot be read counts as empty."""
    import numpy as np

    total = len(pairs)
    keeps_values = pairs.labels is not None and not (pairs.about and pairs.about.labels == "grey")
    pixels = np.zeros((total, _VALUES if keeps_values else 0), np.uint32)
    sizes = np.zeros((total, 2), np.uint32)
    reported = 0.0
    for number in range(total):
        if time.monotonic() - reported > _EVERY:
            reported = time.monotonic()
            _report(output, {"done": number, "total": total})
        try:
            sizes[number] = pairs.shape(number)[1:3]
            if keeps_values:
                label = np.clip(pairs.label(number), 0, _VALUES - 1).astype(np.uint8)
                pixels[number] = np.bincount(label.ravel(), minlength=_VALUES)
        except DatasetError:  # `data info` names it
            continue
    values = np.flatnonzero(pixels.any(axis=0)).astype(np.uint8)
    with files.atomic_write(output) as file:
        np.savez_compressed(file, values=values, pixels=pixels[:, values], sizes=sizes)


_kept: Kept[Index] = Kept(_KEPT_BYTES)


def read(path: Path) -> Index | None:
    """Return the index in a file; None where there is none, or it is damaged."""
    import numpy as np

    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    known = _kept.get((path, stamp))
    if known is None:
        try:
            with np.load(path, allow_pickle=False) as content:
                known = Index(content["values"], content["pixels"], content["sizes"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        _kept.put((path, stamp), known, sum(each.nbytes for each in (known.values, known.pixels, known.sizes)))
    return known


@dataclass
class Indexer:
    """The indices of a workspace: those that are there, and processes that make others."""

    settings: Settings
    _running: dict[Path, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, facts: Facts, split: str) -> Index | Progress:
        """Return an index, or how far it is; what nobody makes yet is begun."""
        path = self.settings.own / FOLDER / f"{facts.identity}-{_escape(split)}.npz"
        made = read(path)
        if made is not None and len(made) == facts.splits[split].count:
            return made
        known = _read_progress(path)
        with self._lock:
            self._running = {each: process for each, process in self._running.items() if process.poll() is None}
            if path not in self._running and not known.error and len(self._running) < _RUNNING:
                self._running[path] = self._start(facts, split, path)
        return Progress(known.done, known.total or facts.splits[split].count, known.error)

    def _start(self, facts: Facts, split: str, path: Path) -> subprocess.Popen[bytes]:
        with files.naming_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _prune(path.parent)
        command = [sys.executable, "-m", __name__, str(facts.path.resolve()), split, str(path.resolve())]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def _prune(folder: Path) -> None:
    """Remove the oldest files of a folder of indices where there are many: those of data sets that are gone."""
    found = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
    for each in found[: max(0, len(found) - _MOST_FILES)]:
        each.unlink(missing_ok=True)


def _escape(split: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else f"_{ord(each):x}" for each in split)[:60]


def _report(output: Path, content: dict[str, Any]) -> None:
    files.write_text(output.with_suffix(".progress"), json.dumps(content))


def _read_progress(output: Path) -> Progress:
    try:
        content = json.loads(files.read_bytes(output.with_suffix(".progress")))
        return Progress(int(content.get("done", 0)), int(content.get("total", 0)), str(content.get("error", "")))
    except (FileError, ValueError, AttributeError, TypeError):
        return Progress()


def main(folder: str, split: str, output: str) -> None:
    """Make an index as a process of its own; nothing is done where another one makes it."""
    from caffe_fcn.datasets.records import opening

    path = Path(output)
    os.nice(_NICE)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            make(opening.open(folder, split), path)
            path.with_suffix(".progress").unlink(missing_ok=True)
        except CaffeFcnError as error:
            _report(path, {"error": str(error)})


if __name__ == "__main__":
    main(*sys.argv[1:])
