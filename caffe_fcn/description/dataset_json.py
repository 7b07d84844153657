"""Read and write ``dataset.json``, which describes a data set: its classes, its splits, and how it was made.

The file lies beside the databases and is written last, so a folder that has one is complete.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from caffe_fcn.description.dataset_fields import check_description
from caffe_fcn.description.json_files import read_description, write_description

FILE = "dataset.json"
MEAN_FILE = "mean.binaryproto"
INFOGAIN_FILE = "infogain.binaryproto"


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
        write_description(folder / FILE, {**known.pop("unknown"), **known})


def read(folder: Path) -> Description | None:
    """Return the description in ``folder``, or None where there is none; raises `FileError` where a field is wrong."""
    mend = "correct it, or build the data set again in another folder"
    content = read_description(folder / FILE, check_description, "a description of a data set", mend)
    if content is None:
        return None
    known = {each.name for each in fields(Description)} - {"unknown"}
    unknown = {name: value for name, value in content.items() if name not in known}
    return Description(**{name: content[name] for name in known & content.keys()}, unknown=unknown)
