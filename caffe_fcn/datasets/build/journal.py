"""The journal of a build: a line of JSON for each item that is done, in the order of the items.

A line is written after the item's record is in all databases, so the journal never has more items than they hold. A
run that resumes reads from it where to go on, and the description takes from it what was skipped.
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
    """What one item puts into the databases: ``values`` maps each kind of database to a Datum.

    ``checksum`` has the checksums of the files that it was made from; it is None for a generated item. ``allowed`` are
    the checks that found something in it and were allowed.
    """

    values: Mapping[str, bytes]
    checksum: str | None = None
    allowed: tuple[str, ...] = ()


Outcome = tuple[str, "Record | DatasetError"]
"""An item's name, and its record or why it has none."""


class Journal:
    """The journal in file ``path`` of a build of ``items``, of which the first ``done`` are done.

    ``names`` are the names of the records in the databases, in their order. ``skipped`` has the items without a record,
    each with the reason. ``allowed`` maps each check to the names of the records in which it found something.

    Raises `ResumeError` where an earlier run's journal is damaged, or belongs to other items.
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
                self._apply(self._parse_entry(line, items))
            path.write_bytes(whole + b"\n" if whole else b"")  # a kill may cut the last line
        self._file: IO[str]

    def __enter__(self) -> Journal:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, batch: Sequence[Outcome]) -> None:
        """Add items whose records are now in the databases."""
        for name, outcome in batch:
            entry: dict[str, Any] = {"name": name}
            if not isinstance(outcome, Record):
                entry["skipped"] = str(outcome)
            elif outcome.checksum:
                entry["checksum"] = outcome.checksum
                entry["allowed"] = outcome.allowed
            self._file.write(json.dumps(entry) + "\n")
            self._apply(entry)
        self._file.flush()

    def _parse_entry(self, line: bytes, items: Sequence[str]) -> Mapping[str, Any]:
        """The entry in a line; raises `ResumeError` where it is not one of the next item."""
        try:
            entry = strict_json.parse(line)
            _ENTRY(entry, "")
            if self.done >= len(items) or entry["name"] != items[self.done]:
                raise ValueError(f"{entry['name']!r} is not the next item")
        except ValueError as error:
            where = f"{self.path}:{self.done + 1}"
            raise ResumeError(where, f"the journal is damaged: {error}", "build without `resume`") from error
        return entry  # type: ignore[no-any-return]  # it was checked

    def _apply(self, entry: Mapping[str, Any]) -> None:
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
        """The SHA-256 of the names and checksums of all records, sorted by name; None where no files were read."""
        lines = sorted(self._checksums)
        return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None
