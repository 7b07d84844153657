"""The paths of another machine in a prototxt, put right.

DIGITS writes absolute paths into the nets of a job: /home/greg/jobs/20160809-103210-ccbf/train_db/features. On another
machine the same databases lie below another folder. A path that does not exist is looked for below the given folders
by its last parts, the most of them that fit: 20160809-103210-ccbf/train_db/features, then train_db/features, then
features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from caffe_fcn.datasets.records.stores import escape_name
from caffe_fcn.description.dataset_fields import is_listable
from caffe_fcn.errors import FileError
from caffe_fcn.net.file_paths import Field
from caffe_fcn.net.layer_types import origin_of
from caffe_fcn.proto import LayerParameter, NetParameter


def set_path(layer: LayerParameter, field: Field, path: str) -> None:
    """Give a field of a layer another path; raises `FileError` for one that no prototxt can hold."""
    if not is_listable(path):
        raise FileError(escape_name(path), "has a name that is not UTF-8, which no prototxt can hold", "rename it")
    setattr(getattr(layer, field[0]), field[1], path)


def locate_path(path: str, folders: Sequence[Path]) -> Path | None:
    """Return the file or folder that a path names on this machine, or None where it is not found.

    >>> from pathlib import Path
    >>> Path("jobs/1234/train_db").mkdir(parents=True)
    >>> locate_path("/home/greg/jobs/1234/train_db", [Path("jobs")]) == Path("jobs/1234/train_db")
    True
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if "\0" in path or ".." in parts:
        return None
    if Path(path).is_absolute() and Path(path).exists():
        return Path(path)
    relative = [part for part in parts if part != "/"]
    tails = [relative[start:] for start in range(len(relative))]
    return next((found for tail in tails for folder in folders if (found := folder.joinpath(*tail)).exists()), None)


def find_image_layer(net: NetParameter, blob: str) -> LayerParameter | None:
    """Return the data layer that makes the images of a net: ``blob``, or else what is not named label.

    Of two layers, one for each phase, it is the first. Returns None where a net has no data layer.
    """
    layers = [layer for layer in net.layer if (origin := origin_of(layer)) and origin.hides_shapes]
    named = [layer for layer in layers if blob in layer.top]
    others = [layer for layer in layers if not all("label" in top for top in layer.top)]
    return next(iter([*named, *others]), None)
