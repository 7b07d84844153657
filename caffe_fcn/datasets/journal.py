"""What a build has done: a line of JSON for each item that it dealt with, in their order.

A line is written when the item's record is in all databases, so the journal never says more than they hold. It
tells the next run where to go on, and the description what was skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

    def names(self) -> Iterator[str]:
        """What the records are called, in their order."""
        return (entry["name"] for entry in self._entries() if "skipped" not in entry)

    def skipped(self) -> list[dict[str, str]]:
        """The items that were skipped, and why."""
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
