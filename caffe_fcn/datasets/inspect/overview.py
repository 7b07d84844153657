"""The overview of a data set: its splits, the kind of their records, and what the checks found."""

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
from caffe_fcn.progress import Progress, name_task


@dataclass
class SplitOverview:
    """A split, with its statistics where they are known, and the findings once it has been checked."""

    pairs: Pairs
    statistics: dict[str, Any] | None = None
    findings: Findings | None = None
    skipped: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the split as a JSON object: records, databases, statistics, and the number of faults by check."""
        known: dict[str, Any] = {
            "records": len(self.pairs),
            "images": _describe_database(self.pairs, self.pairs.images),
        }
        if self.pairs.labels is not None:
            known["labels"] = _describe_database(self.pairs, self.pairs.labels)
        known |= {"skipped": self.skipped, "statistics": self.statistics}
        if self.findings is not None:
            known["faults"] = dict(self.findings.counts)
        return known


@dataclass
class Overview:
    """A data set; ``about`` is its description, or None where there is none."""

    folder: Path
    about: Description | None
    splits: dict[str, SplitOverview]
    mean_findings: Findings = field(default_factory=Findings)

    @property
    def faults(self) -> list[Fault]:
        """The first faults of each check."""
        found = [split.findings for split in self.splits.values() if split.findings is not None]
        return [fault for findings in [*found, self.mean_findings] for fault in findings.faults]

    def to_json(self) -> dict[str, Any]:
        """Return the data set as a JSON object: its description, its splits, and the faults found."""
        about = self.about or Description("unknown")
        return {
            "folder": str(self.folder),
            "name": about.name,
            "classes": about.classes,
            "palette": about.palette,
            "ignore_label": about.ignore_label,
            "mean": about.mean,
            "seed": about.seed,
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "faults": [{"check": fault.check, "where": fault.where, "what": fault.what} for fault in self.faults],
        }


def summarize(folder: Path) -> Overview:
    """Return the overview of a data set, or of a single LMDB; raises `FileError` and `DatasetError`."""
    found = opening.require_splits(folder)
    about = opening.describe(folder)
    splits = {name: SplitOverview(opening.open(folder, name)) for name in found}
    for name, split in about.splits.items() if about else ():
        splits[name].statistics = split.get("statistics")
        splits[name].skipped = len(split.get("skipped", ()))
    return Overview(folder, about, splits)


def make_rules(
    overview: Overview, classes: int | None = None, ignore: int | None = None, allow: Iterable[str] = ()
) -> Rules:
    """Return what the checks accept.

    ``classes`` and ``ignore`` (-1: no value is ignored) default to those of the description; without one, a label
    may hold any value, and 255 is ignored.
    """
    about = overview.about
    if classes is None and about is not None and about.classes:
        classes = len(about.classes)
    if ignore is None:
        return Rules(classes, about.ignore_label if about else 255, frozenset(allow))
    return Rules(classes, None if ignore < 0 else ignore, frozenset(allow))


def check(
    overview: Overview,
    rules: Rules,
    mean: Sequence[float] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> None:
    """Check and measure every split, and check the mean used for training (None: the means in the data set's files)."""
    for place, (name, split) in enumerate(overview.splits.items()):
        statistics, split.findings = record_checks.check_records(
            split.pairs, rules, workers, name_task(progress, f"checking {name}")
        )
        split.statistics = statistics.summarize(rules.classes, rules.ignore)
        if place == 0:
            for where, values in _collect_means(overview, mean):
                overview.mean_findings.add(record_checks.check_mean(values, statistics.mean, where))


def _collect_means(overview: Overview, mean: Sequence[float] | None) -> list[tuple[str, Sequence[float]]]:
    if mean is not None:
        return [("`mean`", mean)]
    means: list[tuple[str, Sequence[float]]] = []
    about, described = overview.about, overview.folder / dataset_json.FILE
    if about is not None and about.mean is not None and described.is_file():
        means.append((str(described), about.mean))
    file = overview.folder / ((about.mean_file if about else None) or dataset_json.MEAN_FILE)
    if file.is_file():
        means.append((str(file), record_checks.read_mean(file)))
    return means


def _describe_database(pairs: Pairs, database: Database) -> dict[str, Any]:
    """Return the path of a database, the number of its records, and encoding and shape of the first."""
    known: dict[str, Any] = {"path": str(database.path), "records": len(database)}
    if len(database):
        record = datum.parse(database[0], pairs.locate(database, 0))
        known["encoding"] = datum.describe_encoding(record)
        known["first"] = list(datum.read_shape(record, pairs.locate(database, 0)))
    return known
