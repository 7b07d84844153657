"""A data set is built aside and moved into place when it is complete.

Everything grows in ``DIR/.building``: the databases, a journal with a line for each source item that was
dealt with, and the plan that tells what is being built. When all is done the databases are renamed into
``DIR``, and ``dataset.json`` last. A run that fails takes its workshop with it; one that is interrupted or
killed leaves it, and the next one with the same plan goes on where the journal ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from caffe_fcn import files
from caffe_fcn.datasets import description, measure, reading
from caffe_fcn.datasets.database import Database, Writer, is_database
from caffe_fcn.datasets.description import Description
from caffe_fcn.datasets.parallel import in_order
from caffe_fcn.errors import DatasetError, FileError

WORKSHOP = ".building"

_BATCH_RECORDS = 256
_BATCH_BYTES = 2 << 20  # what a kill may lose; of larger ones, LMDB's copies no longer fit the processor's cache
_CHUNK = 8  # items that a thread takes at a time


@dataclass(frozen=True)
class Record:
    """What goes into the databases for one item: the kind of database -> Datum.

    Besides, the checksums of its sources (none for what is generated), and the faults that were allowed.
    """

    values: Mapping[str, bytes]
    checksum: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """A part of a data set: the names of its items in their order, and what makes item ``i`` a record.

    ``make`` is called from several threads, and raises `DatasetError` for an item that is not fit.
    """

    name: str
    items: Sequence[str]
    make: Callable[[int], Record]
    kinds: tuple[str, ...] = ("images", "labels")


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many records are done, and how many there are."""


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
    folder = Path(output)
    _check_free(folder, splits)
    with _workshop(folder, _plan(splits, about), way.resume) as workshop:
        for split in splits:
            about.splits[split.name] = _write(workshop, split, way)
        if way.measure:
            _measure(workshop, about, reading.described(workshop, about), way)
        if finish:
            finish(workshop)
        about.write(workshop)
        _move(workshop, folder)
    return about


def _write(workshop: Path, split: Split, way: Way) -> dict[str, Any]:
    """Make the databases of a split; returns its description."""
    journal = _Journal(workshop / f"{split.name}.journal")
    with ExitStack() as stack:
        writers = {kind: stack.enter_context(Writer(workshop / f"{split.name}_{kind}")) for kind in split.kinds}
        if min(map(len, writers.values())) < journal.kept:
            raise DatasetError(workshop, "cannot be resumed: its databases lost records", "build without --resume")
        for writer in writers.values():
            writer.truncate(journal.kept)
        stack.enter_context(journal)
        for batch in _batches(split, journal.done, way):
            for kind, writer in writers.items():
                writer.append([record.values[kind] for _, record in batch if isinstance(record, Record)])
            journal.add(batch)
            if way.progress:
                way.progress(f"writing {split.name}", journal.done, len(split.items))
    if not journal.kept:
        raise DatasetError(f"split {split.name!r}", "has no image", "check the folders, or what was skipped")
    files.write_text(workshop / f"{split.name}.txt", "".join(f"{name}\n" for name in journal.names()))
    return {
        "count": journal.kept,
        "databases": {kind: writer.path.name for kind, writer in writers.items()},
        "skipped": journal.skipped(),
        "allowed": journal.allowed(),
        "checksum": journal.checksum(),
    }


_Outcome = tuple[str, "Record | DatasetError"]


def _batches(split: Split, start: int, way: Way) -> Iterator[list[_Outcome]]:
    def make(index: int) -> _Outcome:
        try:
            return split.items[index], split.make(index)
        except DatasetError as error:
            if way.on_error == "stop":
                raise
            return split.items[index], error

    batch: list[_Outcome] = []
    size = 0
    for name, outcome in in_order(make, range(start, len(split.items)), way.workers, _CHUNK):
        batch.append((name, outcome))
        if isinstance(outcome, Record):
            size += sum(map(len, outcome.values.values()))
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Journal:
    """A line of JSON for each item dealt with: its name, and its checksum or why it was skipped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = self.kept = 0
        if path.exists():
            whole = path.read_bytes().rpartition(b"\n")[0]
            path.write_bytes(whole + b"\n" if whole else b"")  # a kill may cut the last line
            for entry in self._entries():
                self._count(entry)
        self._file: IO[str]

    def __enter__(self) -> _Journal:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Sequence[_Outcome]) -> None:
        for name, outcome in batch:
            entry: dict[str, Any] = {"name": name}
            if not isinstance(outcome, Record):
                entry["skipped"] = str(outcome)
            elif outcome.checksum:
                entry["checksum"] = outcome.checksum
                entry["allowed"] = outcome.allowed
            self._file.write(json.dumps(entry) + "\n")
            self._count(entry)
        self._file.flush()

    def _count(self, entry: Mapping[str, Any]) -> None:
        self.done += 1
        self.kept += "skipped" not in entry

    def _entries(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    def names(self) -> Iterator[str]:
        return (entry["name"] for entry in self._entries() if "skipped" not in entry)

    def skipped(self) -> list[dict[str, str]]:
        return [{"name": e["name"], "why": e["skipped"]} for e in self._entries() if "skipped" in e]

    def allowed(self) -> dict[str, list[str]]:
        """Check -> the names of records in which it found something."""
        found: dict[str, list[str]] = {}
        for entry in self._entries():
            for check in entry.get("allowed", ()):
                found.setdefault(check, []).append(entry["name"])
        return found

    def checksum(self) -> str | None:
        """The sha256 of the names and checksums of all records, by name; None where nothing was read."""
        lines = sorted(f"{e['name']} {e['checksum']}\n" for e in self._entries() if "checksum" in e)
        return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None


def measure_again(folder: str | os.PathLike[str], workers: int = 1, progress: Progress | None = None) -> Description:
    """Measure a data set that is there, whoever made it, and write what a build would have written.

    Its ``dataset.json``, if it has one, is brought up to date. Raises `DatasetError` and `FileError`.
    """
    root = Path(folder)
    found = reading.splits(root)
    if not found:
        raise FileError(root, "holds no data set", "name a folder with dataset.json, or an LMDB")
    about = description.read(root)
    if about is not None:
        _measure(root, about, found, Way(workers, progress=progress))
        about.write(root)
        return about
    unknown = Description("unknown", splits={name: {} for name in found}, ignore_label=255)
    _measure(root, unknown, found, Way(workers, progress=progress))
    return unknown


def _measure(folder: Path, about: Description, found: Mapping[str, reading.Paths], way: Way) -> None:
    classes = len(about.classes) if about.classes else None
    for place, (name, (image_path, label_path)) in enumerate(found.items()):
        labels = None if label_path is None else Database(label_path)
        figures = measure.measure(Database(image_path), labels, way.workers, _told_as(way, f"measuring {name}"))
        about.splits[name]["statistics"] = figures.summary(classes, about.ignore_label)
        if place == 0:
            about.mean = figures.mean
            if figures.image_sum is not None:
                about.mean_file = _leave(folder, description.MEAN_FILE, measure.mean_blob(figures))
            if classes is not None:
                weights = figures.weights(classes, about.ignore_label)
                about.infogain_file = _leave(folder, description.INFOGAIN_FILE, measure.infogain_blob(weights))


def _leave(folder: Path, name: str, content: bytes) -> str:
    with files.atomic(folder / name) as file:
        file.write(content)
    return name


def _told_as(way: Way, what: str) -> Callable[[int, int], None] | None:
    progress = way.progress
    return None if progress is None else lambda done, total: progress(what, done, total)


@contextmanager
def _workshop(folder: Path, plan: str, resume: bool) -> Iterator[Path]:
    """The folder to build in; it stays when the block is interrupted, and goes when it fails."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    workshop = folder / WORKSHOP
    with files.told(folder):
        workshop.mkdir(parents=True, exist_ok=True)
    with files.told(workshop), (workshop / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(folder, "another run is building there", "wait for it, or name another folder") from error
        _prepare(workshop, plan, resume)
        try:
            yield workshop
        except Exception:
            shutil.rmtree(workshop, ignore_errors=True)
            for path in made:
                with suppress(OSError):  # something else is in it
                    path.rmdir()
            raise
    shutil.rmtree(workshop)


def _prepare(workshop: Path, plan: str, resume: bool) -> None:
    """Empty the workshop, unless what was begun there is to go on."""
    written = workshop / "plan.json"
    if resume and written.exists():
        if written.read_text() == plan:
            return
        raise FileError(
            workshop, "what was begun there has other options or files", "name the same ones, or drop --resume"
        )
    for left in workshop.iterdir():
        if left.name != "lock":
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    files.write_text(written, plan)


def _plan(splits: Sequence[Split], about: Description) -> str:
    """What makes two builds the same: everything that is known before the first item is read."""
    names = {split.name: hashlib.sha256("\n".join(split.items).encode()).hexdigest() for split in splits}
    return json.dumps({"items": names, "about": vars(about)}, sort_keys=True)


def _check_free(folder: Path, splits: Sequence[Split]) -> None:
    """A data set is replaced by another one; databases that no description tells of are somebody's work."""
    if (folder / description.FILE).exists():
        return
    for split in splits:
        for kind in split.kinds:
            path = folder / f"{split.name}_{kind}"
            if path.exists():
                raise FileError(path, "is there, and belongs to no data set", "name another folder, or remove it")


def _move(workshop: Path, folder: Path) -> None:
    """Rename what was built into its folder, in place of what was built there before, ``dataset.json`` last."""
    private = {"lock", "plan.json", description.FILE}
    built = [path for path in workshop.iterdir() if path.name not in private and path.suffix != ".journal"]
    _remove_old(folder)
    for path in [*built, workshop / description.FILE]:
        path.replace(folder / path.name)


def _remove_old(folder: Path) -> None:
    old = description.read(folder)
    if old is None:
        return
    (folder / description.FILE).unlink()
    built = [old.mean_file, old.infogain_file, *(f"{name}.txt" for name in old.splits)]
    for split in old.splits.values():
        built += split.get("databases", {}).values()
    for name in {name for name in built if name and name == Path(name).name != ".."}:
        path = folder / name
        if is_database(path):
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
