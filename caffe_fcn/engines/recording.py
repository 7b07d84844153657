"""Records the figures of a training while it runs, in ``snapshot/train.jsonl`` (see `figures`).

    with closing(Recorder(path, resumes=False, images=20)) as recorder:
        recorder.add(event, processes=[1234])

Every figure is in the file once, also where trainings were killed and resumed: when a resumed training reports its
first event, the lines of this iteration and later ones are dropped, with a line that was only half written. Until
then, the file stays as it is.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from caffe_fcn import files
from caffe_fcn.engines import figures
from caffe_fcn.engines.events import Event, Score, Snapshot, Step
from caffe_fcn.engines.solver_nets import read_nets
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.graph import filtered
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, SolverParameter

_PEAK = re.compile(r"^VmHWM:\s+(\d{1,12}) kB$", re.MULTILINE)
_STATE = re.compile(r"_iter_(\d{1,18})\.solverstate(?:\.h5)?$")


class Recorder:
    """Appends each event to a file as a line of JSON; raises `FileError` where the file cannot be written.

    ``images`` is how many images an iteration takes, None if that is not known. ``start`` is the iteration from which
    the training resumes, None if only its first event will tell.
    """

    def __init__(self, path: Path, resumes: bool, images: int | None, start: int | None = None) -> None:
        self._path, self._resumes, self._images, self._start = path, resumes, images, start
        self._last: tuple[int, float] | None = None  # the iteration and the time of the last step
        if not resumes:
            with files.naming_errors(path):
                if path.exists():  # of an earlier training; a training without figures leaves no file
                    path.write_bytes(b"")
        self._file: int | None = None
        self._snapshots: set[str] = set()

    def add(self, event: Event | Score, processes: Iterable[int] = ()) -> None:
        """Write the figures of an event; ``processes`` are those whose memory is measured."""
        record = _describe_snapshot(event) if isinstance(event, Snapshot) else figures.to_record(event)
        if not record:
            return
        if self._file is None:
            self._file = self._open(record["iteration"] if self._start is None else self._start)
        if isinstance(event, Snapshot):
            if event.path in self._snapshots:
                return
            self._snapshots.add(event.path)
        elif not isinstance(event, Score):
            if isinstance(event, Step):
                record.update(self._measure_speed(event))
            record["memory"] = sum(map(_measure_memory, processes)) or None  # None where they have just ended
        with files.naming_errors(self._path):
            os.write(self._file, figures.write_line(record))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None

    def _open(self, iteration: int) -> int:
        """Drop what the training is about to repeat, and open the file."""
        with files.naming_errors(self._path):
            if self._resumes and self._path.exists():
                kept = b"".join(_read_earlier_lines(self._path, iteration))
                self._snapshots |= set(list_recorded_snapshots(self._path, iteration))
                with files.atomic_write(self._path) as file:
                    file.write(kept)
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _measure_speed(self, step: Step) -> dict[str, Any]:
        """Return iterations and images a second: the engine's own figure, or what passed since the last step."""
        now = time.monotonic()
        last, self._last = self._last, (step.iteration, now)
        speed = step.speed
        if speed is None and last and now > last[1]:
            speed = (step.iteration - last[0]) / (now - last[1])
        if not speed or not math.isfinite(speed):
            return {figures.SPEED: None, "images_per_second": None}
        images = None if self._images is None else speed * self._images
        return {figures.SPEED: speed, "images_per_second": images}


def _describe_snapshot(event: Snapshot) -> dict[str, Any]:
    """Return the record of a solver state; {} for weights, which come before it."""
    found = _STATE.search(event.path)
    return {"iteration": int(found[1]), figures.SNAPSHOT: event.path} if found else {}


def list_recorded_snapshots(path: Path, latest: int = figures.LATEST) -> list[str]:
    """Return the solver states that a file of figures records, none of them of an iteration after ``latest``.

    All figures before such a snapshot are in the file. A training that was killed may have written one more snapshot,
    of which nothing was recorded, and have lost figures before it.
    """
    found = []
    with files.naming_errors(path), path.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                record = figures.read_line(line)
                snapshot = figures.read_snapshot(record)
                if snapshot and record["iteration"] <= latest:
                    found.append(snapshot)
    return found


def count_images(solver: SolverParameter, folder: Path, processes: int | None) -> int | None:
    """Return how many images an iteration takes where ``processes`` share it; None if nothing says so."""
    if processes is None:
        return None
    try:
        net = read_nets(solver, folder, allow_unknown=True)[0]
        layers: Sequence[LayerParameter] = filtered(net, net.state.phase, net.state.level, net.state.stage).layer
    except CaffeFcnError:
        return None
    batches = (_find_batch(layer) for layer in layers if not layer.bottom)
    batch = next((batch for batch in batches if batch), None)
    return None if batch is None else batch * int(solver.iter_size) * processes


def _find_batch(layer: LayerParameter) -> int | None:
    row = layer_type(layer.type)
    if origin_of(layer) == Origin.CODE:
        return 1  # as the reference's Python layers
    param: Any = getattr(layer, row.param_name) if row.param_name else None
    if hasattr(param, "batch_size"):
        return int(param.batch_size)
    shapes = getattr(param, "shape", ())
    return int(shapes[0].dim[0]) if shapes and shapes[0].dim else None


def _read_earlier_lines(path: Path, iteration: int) -> Iterator[bytes]:
    """Yield the whole lines of iterations before this one, and of the snapshot before it and its score."""
    with path.open("rb") as file:
        for line in file:
            try:
                record = figures.read_line(line)
                is_before = bool(figures.read_snapshot(record)) or figures.SCORES in record
                last = iteration if is_before else iteration - 1
                if record["iteration"] <= last:
                    yield line
            except ValueError:
                continue


def _measure_memory(process: int) -> int:
    """Return the most bytes of memory that a process has occupied; 0 where the system does not say."""
    try:
        found = _PEAK.search(Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
