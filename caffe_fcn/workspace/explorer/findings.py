"""What ``caffe-fcn data info --check --json`` found in a data set, kept beside its databases until they change."""

from __future__ import annotations

from dataclasses import dataclass

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError
from caffe_fcn.workspace.explorer.facts import Facts
from caffe_fcn.workspace.forms.datasets import FAULTS_FILE

_fault = strict_json.object_of(
    {"check": strict_json.text, "where": strict_json.text, "what": strict_json.text},
    required=("check", "where", "what"),
)
_counts = strict_json.map_of(strict_json.text, strict_json.whole_number(0, strict_json.MOST))
_check = strict_json.object_of(
    {
        "faults": strict_json.list_of(_fault),
        "splits": strict_json.map_of(strict_json.text, strict_json.object_of({"faults": _counts})),
    },
    required=("faults", "splits"),
)


@dataclass(frozen=True)
class Findings:
    """The faults of a data set: (check, where, what) of the first ones, how many of each check, when it was checked."""

    faults: list[tuple[str, str, str]]
    counts: dict[str, int]
    checked: float


def read(facts: Facts) -> Findings | None:
    """Return what was found, or None where the data set was not checked as it is now."""
    path = facts.path / FAULTS_FILE
    try:
        content = strict_json.parse(files.read_bytes(path))
        _check(content, "")
        checked = path.stat().st_mtime
    except (FileError, ValueError, OSError):
        return None
    if checked < facts.changed:
        return None
    counts: dict[str, int] = {}
    for split in content["splits"].values():
        for check, number in split.get("faults", {}).items():
            counts[check] = counts.get(check, 0) + number
    for fault in content["faults"]:
        counts.setdefault(fault["check"], 1)
    return Findings([(each["check"], each["where"], each["what"]) for each in content["faults"]], counts, checked)
