"""The first step: photos and labels as a data set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from caffe_fcn import files
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.build.pairing import pair_up
from caffe_fcn.datasets.build.record_format import Channels, RecordFormat
from caffe_fcn.datasets.build.staging import STAGING
from caffe_fcn.datasets.formats import folder
from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.listed_files import open_files, require_listed
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.description import dataset_json
from caffe_fcn.errors import FileError
from caffe_fcn.journey.fingerprints import FileHashes, combine
from caffe_fcn.journey.step import Observer, Step
from caffe_fcn.progress import name_task


@dataclass(frozen=True)
class BuildDataSet(Step):
    """The data set in ``output`` from a folder (or list) of photos and one of labels, as `folder.build` makes it.

    All photos get the ``channels`` that the net takes: among colour photos there are often some in grey.
    """

    name: ClassVar[str] = "data"

    photos: Path
    labels: Path
    output: Path
    channels: int
    classes: Sequence[str] | None = None
    colours: Mapping[int, Colour] | None = None
    size: tuple[int, int] | None = None
    val_percent: float | None = None

    @property
    def channel_names(self) -> Channels:
        """What `RecordFormat` calls these channels."""
        return _CHANNELS.get(self.channels, "keep")

    def find_inputs(self, hashes: FileHashes, observer: Observer) -> Mapping[str, str]:
        stores = open_files(self.photos), open_files(self.labels)
        require_listed(stores)
        pairs = pair_up(*stores)
        workers = os.cpu_count() or 1
        found = {}
        for what, store, names in (
            ("photos", stores[0], [pair.image for pair in pairs if pair.image]),
            ("labels", stores[1], [pair.label for pair in pairs if pair.label]),
        ):
            paths = [store.find_path(name) for name in names]
            task = name_task(observer.progress, f"comparing {what}")
            digests = hashes.hash_files(paths, workers, task)
            found[what] = combine(f"{name} {digest}" for name, digest in zip(names, digests, strict=True))
        settings = (self.channels, self.classes, self.colours, self.size, self.val_percent)
        return {**found, "settings of the data set": repr(settings)}

    def list_outputs(self) -> list[Path]:
        return list_files(self.output)

    def clear(self, observer: Observer) -> None:
        with files.naming_errors(self.output):
            shutil.rmtree(self.output / STAGING, ignore_errors=True)

    def run(self, observer: Observer, resume: bool) -> None:
        options = ImportOptions(
            format=RecordFormat(self.channel_names, self.size),
            workers=os.cpu_count() or 1,
            resume=resume,
            progress=observer.progress,
        )
        folder.build(
            self.output,
            self.photos,
            self.labels,
            val_percent=self.val_percent,
            classes=self.classes,
            colours=self.colours,
            options=options,
        )


def list_files(data: Path) -> list[Path]:
    """Return the files that make up a data set: its description, and its databases."""
    described = data / dataset_json.FILE
    databases = [path for paths in opening.splits(data).values() for path in paths if path is not None]
    return [*([described] if described.is_file() else []), *(path / _DATABASE for path in databases)]


def fingerprint_dataset(data: Path, hashes: FileHashes, observer: Observer) -> str:
    """Return one fingerprint for a data set, whoever made it; raises `FileError` where there is none."""
    opening.require_splits(data)
    paths = list_files(data)
    digests = hashes.hash_files(paths, os.cpu_count() or 1, name_task(observer.progress, "comparing the data set"))
    names = [os.path.relpath(path, data) for path in paths]
    described = repr(opening.describe(data))  # what the files of a DIGITS job say
    return combine([described, *(f"{name} {digest}" for name, digest in zip(names, digests, strict=True))])


_CHANNELS: Mapping[int, Channels] = {1: "grey", 3: "rgb"}
_DATABASE = "data.mdb"


def find_splits(data: Path) -> tuple[str, str]:
    """Return the splits of a data set to train and to score on; they are the same where there is only one."""
    names = list(opening.require_splits(data))
    train = "train" if "train" in names else names[0]
    others = [name for name in names if name != train]
    return train, "val" if "val" in others else next(iter(others), train)


def count_images(data: Path) -> tuple[int, int]:
    """Return the numbers of images to train and to score on; raises `FileError` where there is none to train on."""
    train, val = find_splits(data)
    counts = len(opening.open(data, train)), len(opening.open(data, val))
    if not counts[0]:
        raise FileError(data, "has no image to train on", "build it again")
    return counts
