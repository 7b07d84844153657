"""Weights taken out of the cache of models."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn.files import naming_errors
from caffe_fcn.models.cache import Kept, cache_folder, find_kept, lock_model, record_path
from caffe_fcn.models.names import find_model, unknown_model


def remove(name: str, folder: Path | None = None) -> Kept:
    """Remove the file of the model ``name`` from the cache; return what it was.

    Of a published model without published checksum the record stays, since it pins what the next download must be.
    Raises `FileError` for a model that is not kept.
    """
    folder = folder or cache_folder()
    model = find_model(name)
    kept = find_kept(model.name if model else name, folder)
    if kept is None:
        raise unknown_model(name, folder)
    with lock_model(kept.path), naming_errors(kept.path):
        kept.path.unlink(missing_ok=True)
        if model is None or model.checksums:
            record_path(kept.path).unlink(missing_ok=True)
    return kept
