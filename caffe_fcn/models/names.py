"""The names of models: those of the table, the names of its files, and those that the user added."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn.errors import FileError, nearest
from caffe_fcn.models.cache import find_kept, list_kept
from caffe_fcn.models.table import MODELS, Model

_BY_NAME = {model.stem: model for model in MODELS.values()} | dict(MODELS)


def find_model(name: str) -> Model | None:
    """Return the published model of that name, or of the file of that name; None where there is none.

    >>> find_model("bvlc_alexnet").name
    'alexnet'
    """
    return _BY_NAME.get(name)


def is_known(name: str, folder: Path | None = None) -> bool:
    """Is ``name`` that of a published model, or of one that the user added?"""
    return find_model(name) is not None or find_kept(name, folder) is not None


def suggest_name(name: str, folder: Path | None = None) -> str:
    """Return ``did you mean X?`` with the nearest name of a model, or an empty string."""
    return nearest(name, [*_BY_NAME, *(kept.name for kept in list_kept(folder))])


def unknown_model(name: str, folder: Path | None = None) -> FileError:
    """Make the error for a name that no model has."""
    return FileError(name, "is not a model", suggest_name(name, folder) or f"one of {', '.join(MODELS)}")
