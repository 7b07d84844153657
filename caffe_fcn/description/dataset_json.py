"""Read and write ``dataset.json``, which describes a data set: its classes, its splits, and how it was made.

The file lies beside the databases and is written last, so a folder that has one is complete.
"""

from __future__ import annotations

import json
import re
import stat
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from caffe_fcn import files, strict_json
from caffe_fcn.description.dataset_fields import check_description
from caffe_fcn.errors import FileError

FILE = "dataset.json"
MEAN_FILE = "mean.binaryproto"
INFOGAIN_FILE = "infogain.binaryproto"

_VERSION = 1


@dataclass
class Description:
    """The content of ``dataset.json``. Colours are R, G, B; means are in Caffe's order, B, G, R."""

    name: str
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Split -> count, databases, the items skipped and the faults allowed, checksum of the sources, statistics."""
    channels: int = 3
    classes: list[str] | None = None
    palette: list[list[int]] | None = None
    ignore_label: int | None = None
    labels: str = "classes"
    """``classes``, or ``grey`` where a label is itself a picture, for a net that learns by regression."""
    mean: list[float] | None = None
    """The mean of each channel over the first split."""
    mean_file: str | None = None
    """The file of the mean image, where all images of the first split have the same size."""
    infogain_file: str | None = None
    """The file of the matrix of median-frequency weights over the first split, for InfogainLoss."""
    seed: int | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    unknown: dict[str, Any] = field(default_factory=dict)
    """Fields that a later version wrote, kept unchanged."""

    def write(self, folder: Path) -> None:
        """Write ``dataset.json`` into ``folder``."""
        known = asdict(self)
        content = {"version": _VERSION, **known.pop("unknown"), **known}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        with files.atomic_write(folder / FILE) as file:
            # A path that is not UTF-8 has lone surrogates, which become escapes of JSON.
            file.write((_join_lists(text) + "\n").encode("utf-8", "backslashreplace"))


def read(folder: Path) -> Description | None:
    """Return the description in ``folder``, or None where there is none; raises `FileError` where a field is wrong."""
    path = folder / FILE
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise files.to_file_error(path, error) from error
    if not stat.S_ISREG(kind):
        raise FileError(path, "is not a regular file", "remove it, or name another folder")
    try:
        content = strict_json.parse(files.read_bytes(path))
        check_description(content)
    except ValueError as error:
        mend = "correct it, or build the data set again in another folder"
        raise FileError(path, f"is not a description of a data set: {error}", mend) from error
    known = {each.name for each in fields(Description)} - {"unknown"}
    unknown = {name: value for name, value in content.items() if name not in known}
    return Description(**{name: content[name] for name in known & content.keys()}, unknown=unknown)


def _join_lists(text: str) -> str:
    """Put each list that holds no other list on one line, because people read a palette too."""
    return re.sub(r"\[\n[^\[\]{}]*\n\s*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)
