"""A data set at a glance: its splits, what their records are like, and what the checks found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caffe_fcn.datasets.inspect import record_checks
from caffe_fcn.datasets.inspect.record_checks import Findings
from caffe_fcn.datasets.records import datum, opening
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.datasets.records.faults import Fault, Rules
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import FileError
from caffe_fcn.progress import Progress, name_task


@dataclass
class SplitView:
    """A split, its statistics where they are known, and the findings once it was checked."""

    pairs: Pairs
    statistics: dict[str, Any] | None = None
    findings: Findings | None = None
    skipped: int = 0

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        known: dict[str, Any] = {"records": len(self.pairs), "images": _database(self.pairs, self.pairs.images)}
        if self.pairs.labels is not None:
            known["labels"] = _database(self.pairs, self.pairs.labels)
        known |= {"skipped": self.skipped, "statistics": self.statistics}
        if self.findings is not None:
            known["faults"] = dict(self.findings.counts)
        return known


@dataclass
class Overview:
    """All splits of the data set in ``folder``; ``about`` is None for those of others."""

    folder: Path
    about: Description | None
    splits: dict[str, SplitView]
    mean_findings: Findings = field(default_factory=Findings)

    @property
    def faults(self) -> list[Fault]:
        """What the checks found, the first of each kind."""
        found = [split.findings for split in self.splits.values() if split.findings is not None]
        return [fault for findings in [*found, self.mean_findings] for fault in findings.faults]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        about = self.about or Description("unknown")
        return {
            "folder": str(self.folder),
            "name": about.name,
            "classes": about.classes,
            "palette": about.palette,
            "ignore_label": about.ignore_label,
            "mean": about.mean,
            "seed": about.seed,
            "splits": {name: split.as_json() for name, split in self.splits.items()},
            "faults": [{"check": fault.check, "where": fault.where, "what": fault.what} for fault in self.faults],
        }


def summarize(folder: Path) -> Overview:
    """The data set in ``folder``, or the LMDB that it is; raises `FileError`, `DatasetError`."""
    found = opening.splits(folder)
    if not found:
        raise FileError(folder, "holds no data set", "name a folder with dataset.json, or an LMDB")
    about = dataset_json.read(folder)
    views = {name: SplitView(opening.open(folder, name)) for name in found}
    for name, split in about.splits.items() if about else ():
        views[name].statistics = split.get("statistics")
        views[name].skipped = len(split.get("skipped", ()))
    return Overview(folder, about, views)


def make_rules(
    seen: Overview, classes: int | None = None, ignore: int | None = None, allow: Iterable[str] = ()
) -> Rules:
    """What the labels may hold: as said (``ignore`` -1: no value is), else as described, else anything and 255."""
    about = seen.about
    if classes is None and about is not None and about.classes:
        classes = len(about.classes)
    if ignore is None:
        return Rules(classes, about.ignore_label if about else 255, frozenset(allow))
    return Rules(classes, None if ignore < 0 else ignore, frozenset(allow))


def check(
    seen: Overview,
    rules: Rules,
    mean: Sequence[float] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Check and measure every split, and the mean that is trained with (None: the data set's own)."""
    for place, (name, split) in enumerate(seen.splits.items()):
        figures, split.findings = record_checks.check_records(
            split.pairs, rules, workers, name_task(progress, f"checking {name}")
        )
        split.statistics = figures.summarize(rules.classes, rules.ignore)
        if place == 0:
            for where, said in _means(seen, mean):
                seen.mean_findings.add(record_checks.check_mean(said, figures.mean, where))


def _means(seen: Overview, mean: Sequence[float] | None) -> list[tuple[str, Sequence[float]]]:
    if mean is not None:
        return [("--mean", mean)]
    means: list[tuple[str, Sequence[float]]] = []
    if seen.about is not None and seen.about.mean is not None:
        means.append((str(seen.folder / dataset_json.FILE), seen.about.mean))
    file = seen.folder / dataset_json.MEAN_FILE
    if file.is_file():
        means.append((str(file), record_checks.read_mean(file)))
    return means


def _database(pairs: Pairs, database: Database) -> dict[str, Any]:
    """Where a database is, and what its first record is like."""
    known: dict[str, Any] = {"path": str(database.path), "records": len(database)}
    if len(database):
        record = datum.parse(database[0], pairs.locate(database, 0))
        known["encoding"] = datum.describe_encoding(record)
        known["first"] = list(datum.read_shape(record, pairs.locate(database, 0)))
    return known
