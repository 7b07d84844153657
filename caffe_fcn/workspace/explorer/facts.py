"""Facts of a data set, from its description where it has one, else from its databases.

    facts = read_facts(entry.path)
    facts.count, facts.splits["train"].count, facts.identity

Nothing is decoded, and of a data set of ours no database is opened, so that one of 20,000 images is read as quickly as
one of 200.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.missing import NotFoundError
from caffe_fcn.workspace.settings import Settings

_KEPT = 256
_LISTS_KEPT = 8
_DATA = "data.mdb"

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The values that were used last; ``most`` bounds the sum of their weights."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._total = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        """Return a value, or None where it is not kept."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value, weight: int = 1) -> None:
        """Keep a value, and let go of the oldest ones where there is too much."""
        with self._lock:
            self._total -= self._values.pop(key, (value, 0))[1]
            self._values[key] = (value, weight)
            self._total += weight
            while self._total > self._most and self._values:
                self._total -= self._values.popitem(last=False)[1][1]

    def __len__(self) -> int:
        return self._total


@dataclass(frozen=True)
class SplitFacts:
    """A split: the number of its records, and its databases relative to the data set."""

    name: str
    count: int
    databases: dict[str, str]

    @property
    def has_labels(self) -> bool:
        """Whether its labels are images."""
        return "labels" in self.databases


@dataclass(frozen=True)
class Facts:
    """A data set. ``identity`` changes whenever its databases do; ``error`` says why there are no facts."""

    path: Path
    identity: str
    about: Description | None = None
    splits: dict[str, SplitFacts] = field(default_factory=dict)
    bytes: int = 0
    error: CaffeFcnError | None = None
    is_described: bool = False
    """Whether its ``dataset.json`` says all this."""
    changed: float = 0.0
    """When its databases were written last, in seconds since 1970."""

    @property
    def count(self) -> int:
        """The number of records in all splits."""
        return sum(split.count for split in self.splits.values())

    @property
    def classes(self) -> list[str]:
        """The names of the classes; none where they are not known."""
        return list(self.about.classes or ()) if self.about else []

    @property
    def is_grey(self) -> bool:
        """Whether labels are pictures, and no classes."""
        return self.about is not None and self.about.labels == "grey"

    @property
    def ignore_label(self) -> int | None:
        """The value of pixels that do not count."""
        return self.about.ignore_label if self.about else 255

    def name_value(self, value: int) -> str:
        """Return what a page calls a value of a label."""
        if value == self.ignore_label:
            return "ignored"
        return self.classes[value] if value < len(self.classes) else f"value {value}"


_facts: Kept[Facts] = Kept(_KEPT)
_names: Kept[list[str]] = Kept(_LISTS_KEPT)


def read_facts(folder: Path) -> Facts:
    """Return the facts of the data set in ``folder``; what is damaged has its error in them."""
    stamp = _stamp(folder)
    known = _facts.get((folder, stamp))
    if known is None:
        try:
            known = _read(folder)
        except CaffeFcnError as error:
            known = Facts(folder, "", error=error)
        _facts.put((folder, stamp), known)
    return known


def find_dataset(settings: Settings, name: str) -> Facts:
    """Return the facts of the data set of a name; raises `NotFoundError` where there is none."""
    path = places.resolve(settings, name)
    if not path.is_dir():
        raise NotFoundError(name, "is not a data set of this workspace", "look at the list of data sets")
    return read_facts(path)


def list_names(facts: Facts, split: str) -> list[str]:
    """Return the names of the records where they are listed, else an empty list."""
    key = facts.identity, split
    names = _names.get(key)
    if names is None:
        names = []
        if facts.is_described:
            try:
                text = (facts.path / f"{split}.txt").read_text(encoding="utf-8", errors="replace")
                names = text.removesuffix("\n").split("\n")
            except OSError:
                names = []
        if len(names) != facts.splits[split].count:
            names = []
        _names.put(key, names)
    return names


def _read(folder: Path) -> Facts:
    about = dataset_json.read(folder)
    is_described = about is not None
    if about is None:
        from caffe_fcn.datasets.records import opening
        from caffe_fcn.datasets.records.database import Database

        found = opening.require_splits(folder)
        about = opening.describe(folder)
        splits = {}
        for name, (images, labels) in found.items():
            paths = {"images": images, **({"labels": labels} if labels else {})}
            databases = {kind: os.path.relpath(path, folder) for kind, path in paths.items()}
            splits[name] = SplitFacts(name, len(Database(images)), databases)
    else:
        splits = {
            name: SplitFacts(name, split.get("count", 0), split.get("databases", {}))
            for name, split in about.splits.items()
        }
    stored = [folder / path for split in splits.values() for path in split.databases.values()]
    size = sum(_measure(path) for path in stored)
    marks = [_mark(path) for path in stored]
    changed = max((mark[-1] / 1e9 for mark in marks if mark), default=0.0)
    identity = hashlib.sha256(json.dumps([str(folder.resolve()), marks]).encode())
    return Facts(folder, identity.hexdigest()[:24], about, splits, size, None, is_described, changed)


def _stamp(folder: Path) -> tuple[int, ...]:
    """What changes when a data set is built anew: a build puts its files in place by renaming."""
    found = []
    for path in (folder, folder / dataset_json.FILE, folder / _DATA):
        try:
            known = path.stat()
        except OSError:
            continue
        found += [known.st_mtime_ns, known.st_ino, known.st_size]
    return tuple(found)


def _find_file(path: Path) -> Path:
    return path / _DATA if path.is_dir() else path


def _measure(path: Path) -> int:
    try:
        return _find_file(path).stat().st_size
    except OSError:
        return 0


def _mark(path: Path) -> list[int]:
    try:
        known = _find_file(path).stat()
    except OSError:
        return []
    return [known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns]
