"""What a build has done: a line of JSON for each item that it dealt with, in their order.

A line is written when the item's record is in all databases, so the journal never says more than they hold. It
tells the next run where to go on, and the description what was skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from caffe_fcn.errors import DatasetError


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


@dataclass
class Summary:
    """The names of the records in their order, and of what was skipped, and why.

    Besides, check -> the names of records in which it found something, and the sha256 of the names and checksums
    of all records, by name; None where nothing was read.
    """

    names: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    allowed: dict[str, list[str]] = field(default_factory=dict)
    checksum: str | None = None


class Journal:
    """The journal in file ``path``: ``done`` items were dealt with, and ``kept`` of them are in the databases."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = self.kept = 0
        if path.exists():
            whole = path.read_bytes().rpartition(b"\n")[0]
            path.write_bytes(whole + b"\n" if whole else b"")  # a kill may cut the last line
            for entry in self._entries():
                self._count(entry)
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

    def _count(self, entry: Mapping[str, Any]) -> None:
        self.done += 1
        self.kept += "skipped" not in entry

    def _entries(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    def summary(self) -> Summary:
        """What all of it says."""
        found = Summary()
        checksums = []
        for entry in self._entries():
            name = entry["name"]
            if "skipped" in entry:
                found.skipped.append({"name": name, "why": entry["skipped"]})
                continue
            found.names.append(name)
            if "checksum" in entry:
                checksums.append(f"{name} {entry['checksum']}\n")
            for check in entry.get("allowed", ()):
                found.allowed.setdefault(check, []).append(name)
        if checksums:
            found.checksum = hashlib.sha256("".join(sorted(checksums)).encode()).hexdigest()
        return found
