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
    """The journal in file ``path``: ``done`` items were dealt with.

    ``names`` are those of the records in the databases, in their order, ``skipped`` are the items that have none,
    and why, and ``allowed`` is check -> the names of records in which it found something.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done = 0
        self.names: list[str] = []
        self.skipped: list[dict[str, str]] = []
        self.allowed: dict[str, list[str]] = {}
        self._checksums: list[str] = []
        if path.exists():
            whole = path.read_bytes().rpartition(b"\n")[0]
            path.write_bytes(whole + b"\n" if whole else b"")  # a kill may cut the last line
            for line in whole.splitlines():
                self._count(json.loads(line))
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
