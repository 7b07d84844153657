"""Reads what a training left: the log of any Caffe or of the torch engine, or figures as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.engines import figures
from caffe_fcn.engines.events import Event, Score, Snapshot
from caffe_fcn.engines.log import read_events
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike
from caffe_fcn.training.history import History

_IN_FOLDERS = ("snapshot/train.jsonl", "snapshot/train.log", "train.jsonl", "train.log", "caffe_output.log")
"""The log of a run, of its snapshot folder, and of a job of DIGITS."""


def read_log(path: PathLike) -> History:
    """Read the log of a training by Caffe (any version, also NVIDIA's) or by the torch engine, or its ``.jsonl``.

    ``path`` may be a folder: a run, or a job of DIGITS. Raises `FileError` if the file cannot be read or is not the
    log of a training.
    """
    path = _find_log(Path(path))
    with files.naming_errors(path):
        with path.open("rb") as file:
            is_json = file.read(1) == b"{"
        history = History.from_events(_read_figures(path) if is_json else _read_messages(path))
    if not history:
        raise FileError(path, "tells of no training", "name what 'caffe train' writes to stderr")
    return history


def _find_log(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in _IN_FOLDERS:
        if (path / name).is_file():
            return path / name
    raise FileError(path, f"is a folder without {', '.join(_IN_FOLDERS)}", "name a log")


def _read_messages(path: Path) -> Iterator[Event]:
    """Yield the events of a log; where no line has the head of a glog line, those of bare messages."""
    empty = True
    for bare in (False, True):
        if empty:
            with path.open(errors="replace") as lines:
                for event in read_events(lines, bare):
                    empty = False
                    yield event


def _read_figures(path: Path) -> Iterator[Event | Score]:
    """Yield the events of lines of JSON; a last line that was only half written is passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = figures.read_line(line)
                snapshot = figures.read_snapshot(record)
                yield Snapshot(snapshot) if snapshot else figures.from_record(record)
            except ValueError as error:
                what = f"line {number} is not the figures of a training: {error}"
                raise FileError(path, what, "remove the line") from error
