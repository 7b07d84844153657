"""The logs in the folder of a run, each read once for everybody who looks.

names = list_logs(Path("runs/roads"))       # ["snapshot/train.jsonl", "snapshot/train.log"]
log = LOGS.read(Path("runs/roads") / names[0])
log.history.steps[-1]
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from caffe_fcn.file_names import SNAPSHOT_FOLDER
from caffe_fcn.training.following import FollowedLog

FIGURES, MESSAGES = ".jsonl", ".log"
_MOST_LOGS = 50  # of a folder
_MOST_KEPT = 100  # logs that stay in memory; each has a few thousand events at most


class Logs:
    """The logs that were asked for last, as far as they were read; any thread may use it."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._logs: OrderedDict[Path, tuple[threading.Lock, FollowedLog]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path) -> FollowedLog:
        """Read on in a log, and return it as it stands; raises `FileError` where it cannot be read."""
        with self._lock:
            lock, log = self._logs.setdefault(path, (threading.Lock(), FollowedLog(path)))
            self._logs.move_to_end(path)
            while len(self._logs) > self._most:
                self._logs.popitem(last=False)
        with lock:
            log.read_on()
            return log.freeze()


LOGS = Logs()
"""Those of this process."""


def list_logs(folder: Path, prefix: Path | None = None) -> list[str]:
    """Return the logs of a run, relative to its folder: those of its solver's ``prefix`` first, figures before text.

    A log without a byte comes after all others. Links that lead out of the folder are passed over.
    """
    found = dict(_find_logs(folder))
    own = {prefix.with_name(f"{prefix.name}{suffix}") for suffix in (FIGURES, MESSAGES)} if prefix else set()
    order = sorted(
        found,
        key=lambda path: (
            not found[path],
            path not in own,
            path.parent == folder,
            path.suffix != FIGURES,
            path.stem != "train",
            path.name,
        ),
    )
    return [path.relative_to(folder).as_posix() for path in order[:_MOST_LOGS]]


def _find_logs(folder: Path) -> Iterator[tuple[Path, int]]:
    for place in (folder / SNAPSHOT_FOLDER, folder):
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if path.suffix in (FIGURES, MESSAGES) and not entry.name.startswith("."):
                try:
                    if entry.is_file() and path.resolve().is_relative_to(folder.resolve()):
                        yield path, entry.stat().st_size
                except OSError:  # removed meanwhile
                    continue
