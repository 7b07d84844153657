"""The builder of all data sets: threads make records of items, which are written in order, measured and described.

A data set appears as a whole when all of it is done (`staging`), and an interrupted build can go on (`journal`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_fcn import files
from caffe_fcn.datasets.build.journal import Journal, Outcome, Record
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.build.staging import ResumeError, staging_folder
from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records.database import DamagedError, Database, Writer
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.progress import Progress, name_task

if TYPE_CHECKING:
    from caffe_fcn.datasets.records import opening

_BATCH_RECORDS = 256
_BATCH_BYTES = 2 << 20  # what a kill may lose; LMDB's copies of a larger batch do not fit the processor's cache
_CHUNK = 8  # items that a thread takes at a time


@dataclass(frozen=True)
class SplitSource:
    """What a split is built from: the names of its items in their order, and what makes item ``i`` a record.

    ``make`` is called from several threads, and raises `DatasetError` for an item that cannot become a record.
    ``kinds`` are the databases that each record fills.
    """

    name: str
    items: Sequence[str]
    make: Callable[[int], Record]
    kinds: tuple[str, ...] = ("images", "labels")


@dataclass(frozen=True)
class Plan:
    """What a build will do: every item is named, and none has been made. ``finish`` is as in `build_dataset`.

    ``unpaired`` are the faults of items that lack a file; unless they are skipped, the build stops at the first.
    """

    about: Description
    splits: Sequence[SplitSource]
    options: BuildOptions
    finish: Callable[[Path], None] | None = None
    unpaired: Sequence[DatasetError] = ()

    def build(self, output: str | os.PathLike[str]) -> Description:
        """Build the data set into folder ``output``, as `build_dataset`."""
        if self.unpaired and self.options.on_error == "stop":
            raise self.unpaired[0]
        return build_dataset(output, self.splits, self.about, self.options, self.finish)


def build_dataset(
    output: str | os.PathLike[str],
    splits: Sequence[SplitSource],
    about: Description,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
    finish: Callable[[Path], None] | None = None,
) -> Description:
    """Build the data set that ``about`` describes into folder ``output``, and complete the description.

    ``finish`` may write further files into the folder that it is called with. Raises `DatasetError` for an item that
    cannot become a record (unless such items are skipped), and `FileError` where ``output`` cannot be written.
    """
    databases = [f"{split.name}_{kind}" for split in splits for kind in split.kinds]
    with staging_folder(Path(output), databases, _identify(splits, about), options.resume) as place:
        for split in splits:
            about.splits[split.name] = _write_split(place, split, options)
        if options.measure:
            from caffe_fcn.datasets.records import opening

            _measure(place, about, opening.locate_databases(place, about), options)
        if finish:
            finish(place)
        about.write(place)
    return about


def _write_split(place: Path, split: SplitSource, options: BuildOptions) -> dict[str, Any]:
    """Make the databases of a split; returns its description."""
    journal = Journal(place / f"{split.name}.journal", split.items)
    with ExitStack() as stack:
        writers = {
            kind: stack.enter_context(_open_writer(place / f"{split.name}_{kind}", len(journal.names)))
            for kind in split.kinds
        }
        stack.enter_context(journal)
        for batch in _make_batches(split, journal.done, options):
            for kind, writer in writers.items():
                writer.append([record.values[kind] for _, record in batch if isinstance(record, Record)])
            journal.add(batch)
            if options.progress:
                options.progress(f"writing {split.name}", journal.done, len(split.items))
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
        raise ResumeError(error.where, error.what, "build without `resume`") from error
    if len(writer) < kept:
        writer.abandon()
        raise ResumeError(path, f"lost {kept - len(writer)} records", "build without `resume`")
    writer.truncate(kept)
    return writer


def _make_batches(split: SplitSource, start: int, options: BuildOptions) -> Iterator[list[Outcome]]:
    def make(index: int) -> Outcome:
        try:
            return split.items[index], split.make(index)
        except DatasetError as error:
            if options.on_error == "stop":
                raise
            return split.items[index], error

    batch: list[Outcome] = []
    size = 0
    for name, outcome in map_in_order(make, range(start, len(split.items)), options.workers, _CHUNK):
        batch.append((name, outcome))
        if isinstance(outcome, Record):
            size += sum(map(len, outcome.values.values()))
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def measure_again(folder: str | os.PathLike[str], workers: int = 1, progress: Progress | None = None) -> Description:
    """Measure an existing data set, whoever made it, and write the figures that a build would have written.

    Its ``dataset.json``, if it has one, is brought up to date. Returns the description.

    Raises `DatasetError` and `FileError`.
    """
    from caffe_fcn.datasets.records import opening

    root = Path(folder)
    found = opening.require_splits(root)
    about = dataset_json.read(root)
    if about is not None:
        _measure(root, about, found, BuildOptions(workers=workers, progress=progress))
        about.write(root)
        return about
    unknown = Description("unknown", splits={name: {} for name in found}, ignore_label=255)
    _measure(root, unknown, found, BuildOptions(workers=workers, progress=progress))
    return unknown


def _measure(folder: Path, about: Description, found: Mapping[str, opening.Paths], options: BuildOptions) -> None:
    from caffe_fcn.datasets.inspect import statistics

    classes = len(about.classes) if about.classes else None
    for place, (name, (image_path, label_path)) in enumerate(found.items()):
        labels = None if label_path is None else Database(label_path)
        figures = statistics.measure(
            Database(image_path), labels, options.workers, name_task(options.progress, f"measuring {name}")
        )
        about.splits[name]["statistics"] = figures.summarize(classes, about.ignore_label)
        if place == 0:
            about.mean = figures.mean
            if figures.image_sum is not None:
                mean_blob = statistics.encode_mean(figures.image_sum, figures.count)
                about.mean_file = _write_file(folder, dataset_json.MEAN_FILE, mean_blob)
            if classes is not None:
                weights = figures.compute_weights(classes, about.ignore_label)
                about.infogain_file = _write_file(
                    folder, dataset_json.INFOGAIN_FILE, statistics.encode_infogain(weights)
                )


def _write_file(folder: Path, name: str, content: bytes) -> str:
    """Write a file into the folder, and return its name."""
    with files.atomic_write(folder / name) as file:
        file.write(content)
    return name


def _identify(splits: Sequence[SplitSource], about: Description) -> str:
    """A text that is the same for two builds that make the same: all that is known before an item is read."""
    names = {split.name: hashlib.sha256("\n".join(split.items).encode()).hexdigest() for split in splits}
    return json.dumps({"items": names, "about": vars(about)}, sort_keys=True)
