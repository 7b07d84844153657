"""Open a data set, of this package or of others, as sequences of (image, label) arrays.

pairs = open("voc")                # the training set; open("voc", "val") is the validation set
image, label = pairs[0]            # C x H x W and 1 x H x W, as Caffe's Data layers put them into blobs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import datum, digits_jobs
from caffe_fcn.datasets.records.database import Database, is_database
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError, FileError, nearest
from caffe_fcn.files import PathLike

Array = NDArray[Any]
Paths = tuple[Path, Path | None]
"""The databases of a split: images, and labels if it has any."""

# The databases of a split where no dataset.json names them: of this package, and of DIGITS.
_LAYOUTS: tuple[tuple[str, str | None], ...] = (("{}_images", "{}_labels"), *digits_jobs.LAYOUTS)
_SPLITS = ("train", "val", "test")
_ALONE = "all"


class Pairs(Sequence[tuple[Array, Array]]):
    """The (image, label) arrays of a split, each pair decoded when it is asked for.

    ``images`` and ``labels`` are its databases; without ``labels``, a label is the number in the image's Datum.
    ``about`` is the description of the data set, or None where it has none. ``further`` are the paths of databases
    with more for each image, such as depth, by name. ``folder`` is the data set that was opened, where it is one.
    """

    def __init__(
        self,
        split: str,
        images: Database,
        labels: Database | None = None,
        about: Description | None = None,
        further: Mapping[str, Path] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.split = split
        self.folder = folder
        self.images = images
        self.labels = labels
        self.about = about
        self._further = further or {}
        self._opened = {"images": images}
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
        """Return the image of a record, C x H x W, blue first; raises `DatasetError`."""
        return self._array(self.images, index)

    def label(self, index: int) -> Array:
        """Return the label of a record, 1 x H x W, or the number in the image's Datum; raises `DatasetError`."""
        if self.labels is not None:
            if not -len(self.labels) <= index < len(self.labels):
                raise CountMismatchError(self.images, self.labels)
            return self._array(self.labels, index)
        return np.array(datum.parse(self.images[index], self.locate(self.images, index)).label)

    def read(self, database: str, index: int) -> Array:
        """Return what the database of that name has for an image, C x H x W; ``images`` has the image itself.

        Raises `DatasetError` where the split has no such database.
        """
        return self._array(self.find_database(database), index)

    def find_database(self, name: str) -> Database:
        """Return ``images`` or a further database; raises `DatasetError`."""
        if name not in self._opened:
            if name not in self._further:
                known = [*self._opened, *(each for each in self._further if each not in self._opened)]
                what = f"has no database of '{name}' for {self.split}, only of {', '.join(known)}"
                raise DatasetError(self.images.path.parent, what, nearest(name, known) or "build the data set with it")
            found = Database(self._further[name])
            if len(found) != len(self.images):
                raise CountMismatchError(self.images, found)
            self._opened[name] = found
        return self._opened[name]

    def shape(self, index: int) -> tuple[int, ...]:
        """Return C x H x W of an image, from its header."""
        where = self.locate(self.images, index)
        return datum.read_shape(datum.parse(self.images[index], where), where)

    @property
    def shapes(self) -> Iterator[tuple[int, ...]]:
        """The shapes of all images."""
        return (self.shape(index) for index in range(len(self)))

    @property
    def names(self) -> list[str]:
        """The names of the records: those of their sources where these are listed, otherwise their keys."""
        if self._names is None:
            folder = self.images.path.parent
            listed = folder / f"{self.split}.txt"
            lines = _read_lines(listed) if (folder / dataset_json.FILE).is_file() and listed.is_file() else []
            keys = self.images.keys()
            self._names = lines if len(lines) == len(keys) else [key.decode(errors="replace") for key in keys]
        return self._names

    def locate(self, database: Database, index: int) -> str:
        """Return the location of a record in one of the two databases, for messages."""
        name = f" ({self.names[index]})" if index < len(self.names) else ""  # the databases may differ in length
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
    """Open a split of the data set in ``folder``, by default the first one; or a single LMDB.

    Raises `FileError` where there is no data set, `DatasetError` for a split that it does not have.
    """
    root = Path(folder)
    found = require_splits(root)
    split = split or next(iter(found))
    if split not in found:
        raise DatasetError(root, f"has no split {split!r}", nearest(split, found) or f"it has {', '.join(found)}")
    image_path, label_path = found[split]
    labels = None if label_path is None else Database(label_path)
    about = describe(root)
    databases = about.splits.get(split, {}).get("databases", {}) if about else {}
    further = {name: root / path for name, path in databases.items() if name not in ("images", "labels")}
    return Pairs(split, Database(image_path), labels, about, further, root)


def describe(folder: PathLike) -> Description | None:
    """Return the description of the data set in ``folder``, or None where there is none.

    It is that of ``dataset.json``, or for a data set job of DIGITS what its files say. Raises `FileError`,
    `DatasetError` and `WeightsError` for a damaged file.
    """
    root = Path(folder)
    about = dataset_json.read(root)
    if about is not None or not root.is_dir():
        return about
    return digits_jobs.describe(root, splits(root))


def splits(folder: PathLike) -> dict[str, Paths]:
    """Return the databases of each split of the data set in ``folder``; an empty dict where it is not one."""
    root = Path(folder)
    if not root.exists():
        raise FileError(root, "no such folder", "check the path")
    about = dataset_json.read(root)
    if about is not None:
        return locate_databases(root, about)
    if root.is_file() or is_database(root):
        return {_ALONE: (root, None)}
    found = ((split, _find_databases(root, split)) for split in _SPLITS)
    return {split: paths for split, paths in found if paths is not None}


def _find_databases(root: Path, split: str) -> Paths | None:
    """Return the databases of a split, in the first layout of which all are there."""
    for image, label in _LAYOUTS:
        image_path, label_path = root / image.format(split), root / label.format(split) if label else None
        if is_database(image_path) and (label_path is None or is_database(label_path)):
            return image_path, label_path
    return None


def require_splits(folder: PathLike) -> dict[str, Paths]:
    """Return the databases of each split; raises `FileError` where ``folder`` is not a data set."""
    found = splits(folder)
    if not found:
        inside = is_database(Path(folder) / "features")
        mend = "name the job that it is in" if inside else "name a folder with dataset.json, or an LMDB"
        raise FileError(folder, "holds no data set", mend)
    return found


def locate_databases(root: Path, about: Description) -> dict[str, Paths]:
    """Return the databases of each split that a description lists."""
    databases = {name: split["databases"] for name, split in about.splits.items()}
    return {
        name: (root / paths["images"], root / paths["labels"] if "labels" in paths else None)
        for name, paths in databases.items()
    }


def _read_lines(path: Path) -> list[str]:
    return files.read_bytes(path).decode(errors="replace").removesuffix("\n").split("\n")
