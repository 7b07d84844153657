"""The ledger of a run: with which inputs each step was begun and done, and what it wrote.

It is ``.fit/steps.json`` in the run's folder. A step whose inputs have the same fingerprints as in the ledger, and
whose outputs are there, is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from caffe_fcn.description.json_files import read_description, write_description
from caffe_fcn.strict_json import map_of, object_of, optional, text

FOLDER = ".fit"
_FILE = "steps.json"


@dataclass(frozen=True)
class Entry:
    """A step that was begun with ``inputs``: what decides about its outputs, by name, each as a fingerprint.

    ``outputs`` are the fingerprints of the files that it wrote, by their paths in the run; None until it is done.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str] | None = None


@dataclass
class Ledger:
    """The entries of all steps of the run in ``folder``, by the names of the steps."""

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Ledger:
        """Read the ledger of a run; it is empty where there is none. Raises `FileError` where it is damaged."""
        mend = "remove it: all steps will be done again"
        content = read_description(folder / FOLDER / _FILE, _check, "the ledger of a run", mend)
        entries = content["steps"] if content else {}
        return cls(folder, {name: Entry(each["inputs"], each.get("outputs")) for name, each in entries.items()})

    def begin(self, step: str, inputs: Mapping[str, str]) -> None:
        """Note that a step begins."""
        self._set(step, Entry(dict(inputs)))

    def finish(self, step: str, outputs: Mapping[str, str]) -> None:
        """Note that a step is done, and what it wrote."""
        self._set(step, Entry(self.entries[step].inputs, dict(outputs)))

    def _set(self, step: str, entry: Entry) -> None:
        self.entries[step] = entry
        content = {"steps": {name: asdict(each) for name, each in self.entries.items()}}
        write_description(self.folder / FOLDER / _FILE, content)


_TEXTS = map_of(text, text)
_STEPS = object_of(
    {"steps": map_of(text, object_of({"inputs": _TEXTS, "outputs": optional(_TEXTS)}, required=("inputs",)))},
    required=("steps",),
)


def _check(content: Any) -> None:
    _STEPS(content, "")
