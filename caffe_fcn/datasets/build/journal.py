"""What a build has done: a line of JSON for each item that it dealt with, in their order.

A line is written when the item's record is in all databases, so the journal never says more than they hold. It
tells the next run where to go on, and the description what was skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from caffe_fcn import files, strict_json
from caffe_fcn.datasets.build.staging import ResumeError
from caffe_fcn.errors import DatasetError

_ENTRY = strict_json.object_of(
    {
        "name": strict_json.text,
        "skipped": strict_json.text,
        "checksum": strict_json.text,
        "allowed": strict_json.list_of(strict_json.text),
    },
    required=("name",),
)


@dataclass(frozen=True)
class Record:
    """What goes into the databases for one item: the kind of database -> Datum.

    Besides, the checksums of its sources (none for what is generated), and the faults that were allowed.
    """

    values: Mapping[str, bytes]
    checksum: str | None = None
    allowed: tuple[str, ...] = ()


Outcome = tuple[str, "Record | DatasetError"]
"""An item's name, and its record or why it has none."""


class Journal:
    """The journal in file ``path`` of a build of ``items``: the first ``done`` of them were dealt with.

    ``names`` are those of the records in the databases, in their order, ``skipped`` are the items that have none,
    and why, and ``allowed`` is check -> the names of records in which it found something.

    Raises `ResumeError` where an earlier run's journal is damaged, or is one of other items.
    """

    def __init__(self, path: Path, items: Sequence[str]) -> None:
        self.path = path
        self.done = 0
        self.names: list[str] = []
        self.skipped: list[dict[str, str]] = []
        self.allowed: dict[str, list[str]] = {}
        self._checksums: list[str] = []
        if path.exists():
            whole = files.read_bytes(path).rpartition(b"\n")[0]
            for line in whole.split(b"\n") if whole else ():
                self._count(self._entry(line, items))
            path.write_bytes(whole + b"\n" if whole else b"")  # a kill may cut the last line
        self._file: IO[str]

    def __enter__(self) -> Journal:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Sequence[Outcome]) -> None:
        """Note items whose records are in the databases now."""
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

    def _entry(self, line: bytes, items: Sequence[str]) -> Mapping[str, Any]:
        """What a line says of the next item."""
        try:
            entry = strict_json.parse(line)
            _ENTRY(entry, "")
            if self.done >= len(items) or entry["name"] != items[self.done]:
                raise ValueError(f"{entry['name']!r} is not the next item")
        except ValueError as error:
            where = f"{self.path}:{self.done + 1}"
            raise ResumeError(where, f"the journal is damaged: {error}", "build without `resume`") from error
        return entry  # type: ignore[no-any-return]  # it was checked

    def _count(self, entry: Mapping[str, Any]) -> None:
        self.done += 1
        name = entry["name"]
        if "skipped" in entry:
            self.skipped.append({"name": name, "why": entry["skipped"]})
            return
        self.names.append(name)
        if "checksum" in entry:
            self._checksums.append(f"{name} {entry['checksum']}\n")
        for check in entry.get("allowed", ()):
            self.allowed.setdefault(check, []).append(name)

    def checksum(self) -> str | None:
        """The sha256 of the names and checksums of all records, by name; None where nothing was read."""
        lines = sorted(self._checksums)
        return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None
