"""Weights of one's own in the cache of models, under a name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike, atomic_write, naming_errors, write_together
from caffe_fcn.models.cache import Kept, ModelRecord, cache_folder, find_kept, lock_model, write_record
from caffe_fcn.models.checksums import PIN, compute_checksums, find_difference
from caffe_fcn.models.names import find_model
from caffe_fcn.weights import open_weights

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
_SUFFIXES = (".caffemodel.h5", ".caffemodel", ".h5", ".hdf5", ".npz", ".safetensors")


def add(file: PathLike, name: str = "", folder: Path | None = None) -> Kept:
    """Copy a weights file into the cache; its ``name`` is that of the file without suffix unless another is given.

    A file with the name of a published model is checked, and kept as that model. Raises `FileError` or `WeightsError`
    for what is not a weights file, is not the published file, or has a name that is taken.
    """
    source, folder = Path(file), folder or cache_folder()
    suffix = next((each for each in _SUFFIXES if source.name.endswith(each)), "")
    name = name or source.name.removesuffix(suffix)
    if not _NAME.fullmatch(name):
        raise FileError(source, f"{name!r} is not a name for a model", "give a `name` of letters, digits, - and _")
    with open_weights(source):  # which refuses what is not a weights file
        pass
    model = find_model(name)
    digests = compute_checksums(source, {PIN, *(fact.value.kind for fact in model.checksums)} if model else {PIN})
    with naming_errors(source):
        size = source.stat().st_size
    if model and (difference := find_difference(model, size, digests)):
        raise FileError(source, f"is not the published {model.name}: {difference}", "give another `name`")
    record = ModelRecord(model.name if model else name, size, digests[PIN], str(source.absolute()))
    path = folder / (model.file if model else f"{name}{suffix or '.caffemodel'}")
    return _keep(source, path, record)


def _keep(source: Path, path: Path, record: ModelRecord) -> Kept:
    with naming_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with lock_model(path):
        kept = find_kept(record.name, path.parent)
        if kept and kept.record.sha256 == record.sha256:
            return kept
        if kept:
            raise FileError(kept.path, f"is another file, kept as {record.name}", "give another `name`")
        with naming_errors(source):
            given = source.open("rb")
        with given, write_together():
            with atomic_write(path) as out:
                shutil.copyfileobj(given, out)
            write_record(path, record)
    return Kept(record.name, path, record)
