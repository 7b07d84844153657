"""A data set as image files and lists of them, which Caffe's ImageData layers read.

Caffe decodes a label with a palette to colours. Therefore the files are made from the databases, where labels are grey,
and are no links to the files that the data set was built from. Images keep their bytes. The lists lie beside the
databases and have their names: ``train_images.txt``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.datasets.records import datum, opening, png
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.datasets.records.stores import escape_name
from caffe_fcn.description import dataset_json
from caffe_fcn.errors import DatasetError, FileError

FOLDER = "files"
_ENDINGS = {"jpeg": ".jpg", "png": ".png", "raw": ".png"}


def write(folder: str | os.PathLike[str], progress: Callable[[str, int, int], None] | None = None) -> dict[Path, int]:
    """Write ``folder/files`` and the lists; returns the path of each list with the number of files that it names.

    Raises `DatasetError` for records that no image file can hold (float_data), `FileError` where ``folder`` holds
    no data set, or files already.
    """
    root = Path(folder).resolve()
    if "\n" in str(root):
        raise FileError(escape_name(str(root)), "has a line break in its path, which no list can hold", "rename it")
    databases = _list_databases(root)
    place = root / FOLDER
    if place.exists():
        raise FileError(place, "is there already", "remove it to have it written anew")
    files.remove_leftovers(place)
    growing = files.temporary_name(place)
    try:
        with files.naming_errors(place), files.write_together():
            lists = {path: _unpack(path, growing / path.relative_to(root), progress) for path in databases}
            for path, names in lists.items():
                inside = place / path.relative_to(root)
                # ImageData wants a number behind each name, the image's class: a segmentation net silences it.
                files.write_text(path.with_name(f"{path.name}.txt"), "".join(f"{inside / name} 0\n" for name in names))
            growing.rename(place)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise
    return {path.with_name(f"{path.name}.txt"): len(names) for path, names in lists.items()}


def remove(root: Path, database: str) -> None:
    """Remove the files and the list that `write` made of a database of the data set in ``root``."""
    (root / f"{database}.txt").unlink(missing_ok=True)
    shutil.rmtree(root / FOLDER / database, ignore_errors=True)
    with suppress(OSError):  # other files are in it, or there is none
        (root / FOLDER).rmdir()


def _list_databases(root: Path) -> list[Path]:
    about = dataset_json.read(root)
    if about is not None:
        return [root / path for split in about.splits.values() for path in split["databases"].values()]
    found = [path for pair in opening.splits(root).values() for path in pair if path is not None]
    if not found or root in found:
        raise FileError(root, "holds no data set", "name a folder with dataset.json, or with databases by split")
    return found


def _unpack(path: Path, into: Path, progress: Callable[[str, int, int], None] | None) -> list[str]:
    """Write the records of a database as files into a folder; returns their names in order."""
    database = Database(path)
    into.mkdir(parents=True)
    names = []
    for index, record in enumerate(database):
        where = f"{path}, record {index}"
        held = datum.parse(record, where)
        ending = _ENDINGS.get(datum.describe_encoding(held))
        if ending is None:
            raise DatasetError(where, "holds no 8-bit image", "a list of images cannot have it: train from the LMDB")
        names.append(f"{index:08}{ending}")
        (into / names[-1]).write_bytes(held.data if held.encoded else png.encode(datum.to_array(held, where)))
        if progress:
            progress(f"unpacking {path.name}", index + 1, len(database))
    return names
