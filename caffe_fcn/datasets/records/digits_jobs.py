"""What the files of a DIGITS data set job say of the data set: no dataset.json describes it.

A segmentation job has train_db/features and train_db/labels, and the mean image train_db/mean.binaryproto; a
classification job has its images in train_db, mean.binaryproto beside it, and the names of the classes in labels.txt.
DIGITS does not write the names of a segmentation; a labels.txt that somebody put into the job is read all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.datasets.records import classes, datum
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.description import dataset_json
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.weights import average_channels, read_mean

LAYOUTS = (("{}_db/features", "{}_db/labels"), ("{}_db/features", None), ("{}_db", None))
"""The databases of a split: images, and labels where they are images too."""

_LABELS_FILE = "labels.txt"
_UNLABELLED = 255


def describe(root: Path, splits: Mapping[str, tuple[Path, Path | None]]) -> Description | None:
    """Return the description of the job in ``root`` with these ``splits``, or None where it is not one of DIGITS.

    Raises `FileError`, `DatasetError` or `WeightsError` for a damaged file.
    """
    if not any(
        name.format(split) == _relative(root, found[0]) for split, found in splits.items() for name, _ in LAYOUTS
    ):
        return None
    about = Description(root.resolve().name, ignore_label=_UNLABELLED)
    for split, (image_path, label_path) in splits.items():
        paths = {"images": image_path, **({} if label_path is None else {"labels": label_path})}
        databases = {kind: _relative(root, path) for kind, path in paths.items()}
        about.splits[split] = {"count": len(Database(image_path)), "databases": databases}
    images = Database(next(iter(splits.values()))[0])
    if len(images):
        where = f"{images.path}, record 0"
        about.channels = datum.read_shape(datum.parse(images[0], where), where)[0]
    about.classes = _read_classes(root / _LABELS_FILE)
    means = (f"{split}_db/{dataset_json.MEAN_FILE}" for split in splits)
    for name in (dataset_json.MEAN_FILE, *means):
        if (root / name).is_file():
            about.mean, about.mean_file = average_channels(read_mean(root / name)), name
            break
    return about


def _read_classes(path: Path) -> list[str] | None:
    """Return the names of the classes; None where there is no file, or one of a classification with too many."""
    if not path.is_file():
        return None
    names = files.read_bytes(path).decode("utf-8-sig", "replace").splitlines()
    return names if 0 < len(names) <= classes.MOST else None


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
