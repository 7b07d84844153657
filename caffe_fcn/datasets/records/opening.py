"""Data sets read back: sequences of (image, label) arrays, whoever made their databases.

pairs = open("voc")                # the training set; open("voc", "val") the other
image, label = pairs[0]            # C x H x W, and 1 x H x W: what Caffe's Data layers put into blobs
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Database, is_database
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError, FileError, nearest
from caffe_fcn.files import PathLike

Array = NDArray[Any]
Paths = tuple[Path, Path | None]
"""Where the images of a split lie, and its labels, if it has any."""

# How those who wrote no dataset.json call the databases of a split: ours, and DIGITS'.
_LAYOUTS = (("{}_images", "{}_labels"), ("{}_db/features", "{}_db/labels"))
_SPLITS = ("train", "val", "test")
_ALONE = "all"


class Pairs(Sequence[tuple[Array, Array]]):
    """The (image, label) of each record of a split, decoded when asked for.

    ``images`` and ``labels`` are its databases; without one of labels, the label is the Datum's own number.
    ``about`` is the data set's description, or None where it has none.
    """

    def __init__(
        self, split: str, images: Database, labels: Database | None = None, about: Description | None = None
    ) -> None:
        self.split = split
        self.images = images
        self.labels = labels
        self.about = about
        self._names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> tuple[Array, Array]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Array, Array]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Array, Array] | list[tuple[Array, Array]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.image(index), self.label(index)

    def image(self, index: int) -> Array:
        """The image of a record, C x H x W, blue first; raises `DatasetError`."""
        return self._array(self.images, index)

    def label(self, index: int) -> Array:
        """The label of a record, 1 x H x W, or the one number that an image's record holds."""
        if self.labels is not None:
            if not -len(self.labels) <= index < len(self.labels):
                raise CountMismatchError(self.images, self.labels)
            return self._array(self.labels, index)
        return np.array(datum.parse(self.images[index], self.locate(self.images, index)).label)

    def shape(self, index: int) -> tuple[int, ...]:
        """C x H x W of an image, from its header."""
        where = self.locate(self.images, index)
        return datum.read_shape(datum.parse(self.images[index], where), where)

    @property
    def shapes(self) -> Iterator[tuple[int, ...]]:
        """The shapes of all images."""
        return (self.shape(index) for index in range(len(self)))

    @property
    def names(self) -> list[str]:
        """What the records are called: their sources' names, or else their keys."""
        if self._names is None:
            listed = self.images.path.parent / f"{self.split}.txt"
            lines = _lines(listed) if self.about and listed.is_file() else []
            keys = self.images.keys()
            self._names = lines if len(lines) == len(keys) else [key.decode(errors="replace") for key in keys]
        return self._names

    def locate(self, database: Database, index: int) -> str:
        """How messages call a record of one of the two databases."""
        name = f" ({self.names[index]})" if index < len(self.names) else ""  # databases may be of different lengths
        return f"{database.path}, record {index}{name}"

    def _array(self, database: Database, index: int) -> Array:
        where = self.locate(database, index)
        return datum.to_array(datum.parse(database[index], where), where)


class CountMismatchError(DatasetError):
    """The databases of images and labels of a split hold different numbers of records."""

    def __init__(self, images: Database, labels: Database) -> None:
        what = f"has {len(labels)} records, and {images.path} {len(images)}"
        super().__init__(labels.path, what, "build both from the same list of images")


def open(folder: PathLike, split: str | None = None) -> Pairs:
    """A split of the data set in ``folder`` (the first one, if none is named), or an LMDB by itself.

    Raises `FileError` where there is no data set, `DatasetError` for a split that it has not.
    """
    root = Path(folder)
    found = splits(root)
    if not found:
        raise FileError(root, "holds no data set", "name a folder with dataset.json, or an LMDB")
    split = split or next(iter(found))
    if split not in found:
        raise DatasetError(root, f"has no split {split!r}", nearest(split, found) or f"it has {', '.join(found)}")
    image_path, label_path = found[split]
    labels = None if label_path is None else Database(label_path)
    return Pairs(split, Database(image_path), labels, dataset_json.read(root))


def splits(folder: PathLike) -> dict[str, Paths]:
    """Split -> where its images and its labels lie; empty where there is no data set."""
    root = Path(folder)
    if not root.exists():
        raise FileError(root, "no such folder", "check the path")
    about = dataset_json.read(root)
    if about is not None:
        return locate_databases(root, about)
    if root.is_file() or is_database(root):
        return {_ALONE: (root, None)}
    return {
        split: (root / image.format(split), root / label.format(split))
        for split in _SPLITS
        for image, label in _LAYOUTS
        if is_database(root / image.format(split)) and is_database(root / label.format(split))
    }


def _lines(path: Path) -> list[str]:
    return files.read_bytes(path).decode(errors="replace").removesuffix("\n").split("\n")


def locate_databases(root: Path, about: Description) -> dict[str, Paths]:
    """Where the databases lie that a description tells of."""
    databases = {name: split["databases"] for name, split in about.splits.items()}
    return {
        name: (root / paths["images"], root / paths["labels"] if "labels" in paths else None)
        for name, paths in databases.items()
    }
