"""Data sets built: items made into records by several threads, written in their order, measured, described.

What is built appears as a whole when all is done (`workshop`), and what was begun can go on (`journal`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from caffe_fcn import files
from caffe_fcn.datasets.build.journal import Journal, Outcome, Record
from caffe_fcn.datasets.build.workshop import ResumeError, workshop
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records.database import DamagedError, Database, Writer
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.progress import Progress, name_task

if TYPE_CHECKING:
    from caffe_fcn.datasets.records import opening

_BATCH_RECORDS = 256
_BATCH_BYTES = 2 << 20  # what a kill may lose; of larger ones, LMDB's copies no longer fit the processor's cache
_CHUNK = 8  # items that a thread takes at a time


@dataclass(frozen=True)
class Split:
    """A part of a data set: the names of its items in their order, and what makes item ``i`` a record.

    ``make`` is called from several threads, and raises `DatasetError` for an item that is not fit.
    """

    name: str
    items: Sequence[str]
    make: Callable[[int], Record]
    kinds: tuple[str, ...] = ("images", "labels")


@dataclass(frozen=True)
class Way:
    """How to build: threads, what an unfit item does, whether to go on where an earlier run stopped.

    ``measure``: whether the mean and the statistics are computed, for which every record is decoded.
    """

    workers: int = 1
    on_error: Literal["stop", "skip"] = "stop"
    resume: bool = False
    measure: bool = True
    progress: Progress | None = None


PLAINLY = Way()
"""One thread, and the first unfit item stops it."""


def build(
    output: str | os.PathLike[str],
    splits: Sequence[Split],
    about: Description,
    way: Way = PLAINLY,
    finish: Callable[[Path], None] | None = None,
) -> Description:
    """Build the data set that ``about`` describes into folder ``output``, and complete the description.

    ``finish`` may leave further files in the folder that it is given. Raises `DatasetError` for an unfit
    item (unless they are skipped), and `FileError` where ``output`` cannot be written.
    """
    databases = [f"{split.name}_{kind}" for split in splits for kind in split.kinds]
    with workshop(Path(output), databases, _plan(splits, about), way.resume) as place:
        for split in splits:
            about.splits[split.name] = _write(place, split, way)
        if way.measure:
            from caffe_fcn.datasets.records import opening

            _measure(place, about, opening.locate_databases(place, about), way)
        if finish:
            finish(place)
        about.write(place)
    return about


def _write(place: Path, split: Split, way: Way) -> dict[str, Any]:
    """Make the databases of a split; returns its description."""
    journal = Journal(place / f"{split.name}.journal", split.items)
    with ExitStack() as stack:
        writers = {
            kind: stack.enter_context(_open_writer(place / f"{split.name}_{kind}", len(journal.names)))
            for kind in split.kinds
        }
        stack.enter_context(journal)
        for batch in _batches(split, journal.done, way):
            for kind, writer in writers.items():
                writer.append([record.values[kind] for _, record in batch if isinstance(record, Record)])
            journal.add(batch)
            if way.progress:
                way.progress(f"writing {split.name}", journal.done, len(split.items))
    if not journal.names:
        raise DatasetError(f"split {split.name!r}", "has no image", "check the folders, or what was skipped")
    files.write_text(place / f"{split.name}.txt", "".join(f"{name}\n" for name in journal.names))
    return {
        "count": len(journal.names),
        "databases": {kind: writer.path.name for kind, writer in writers.items()},
        "skipped": journal.skipped,
        "allowed": journal.allowed,
        "checksum": journal.checksum(),
    }


def _open_writer(path: Path, kept: int) -> Writer:
    """The writer of a database that holds the first ``kept`` records, and no more."""
    try:
        writer = Writer(path)
    except DamagedError as error:
        raise ResumeError(error.where, error.what, "build without --resume") from error
    if len(writer) < kept:
        writer.abandon()
        raise ResumeError(path, f"lost {kept - len(writer)} records", "build without --resume")
    writer.truncate(kept)
    return writer


def _batches(split: Split, start: int, way: Way) -> Iterator[list[Outcome]]:
    def make(index: int) -> Outcome:
        try:
            return split.items[index], split.make(index)
        except DatasetError as error:
            if way.on_error == "stop":
                raise
            return split.items[index], error

    batch: list[Outcome] = []
    size = 0
    for name, outcome in map_in_order(make, range(start, len(split.items)), way.workers, _CHUNK):
        batch.append((name, outcome))
        if isinstance(outcome, Record):
            size += sum(map(len, outcome.values.values()))
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def measure_again(folder: str | os.PathLike[str], workers: int = 1, progress: Progress | None = None) -> Description:
    """Measure a data set that is there, whoever made it, and write what a build would have written.

    Its ``dataset.json``, if it has one, is brought up to date. Raises `DatasetError` and `FileError`.
    """
    from caffe_fcn.datasets.records import opening

    root = Path(folder)
    found = opening.splits(root)
    if not found:
        raise FileError(root, "holds no data set", "name a folder with dataset.json, or an LMDB")
    about = dataset_json.read(root)
    if about is not None:
        _measure(root, about, found, Way(workers, progress=progress))
        about.write(root)
        return about
    unknown = Description("unknown", splits={name: {} for name in found}, ignore_label=255)
    _measure(root, unknown, found, Way(workers, progress=progress))
    return unknown


def _measure(folder: Path, about: Description, found: Mapping[str, opening.Paths], way: Way) -> None:
    from caffe_fcn.datasets.inspect import statistics

    classes = len(about.classes) if about.classes else None
    for place, (name, (image_path, label_path)) in enumerate(found.items()):
        labels = None if label_path is None else Database(label_path)
        figures = statistics.measure(
            Database(image_path), labels, way.workers, name_task(way.progress, f"measuring {name}")
        )
        about.splits[name]["statistics"] = figures.summarize(classes, about.ignore_label)
        if place == 0:
            about.mean = figures.mean
            if figures.image_sum is not None:
                about.mean_file = _leave(
                    folder, dataset_json.MEAN_FILE, statistics.encode_mean(figures.image_sum, figures.count)
                )
            if classes is not None:
                weights = figures.compute_weights(classes, about.ignore_label)
                about.infogain_file = _leave(folder, dataset_json.INFOGAIN_FILE, statistics.encode_infogain(weights))


def _leave(folder: Path, name: str, content: bytes) -> str:
    with files.atomic_write(folder / name) as file:
        file.write(content)
    return name


def _plan(splits: Sequence[Split], about: Description) -> str:
    """What makes two builds the same: everything that is known before the first item is read."""
    names = {split.name: hashlib.sha256("\n".join(split.items).encode()).hexdigest() for split in splits}
    return json.dumps({"items": names, "about": vars(about)}, sort_keys=True)
