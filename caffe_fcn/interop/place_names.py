"""Paths that may lead to a net with its weights, told from those of a prototxt without opening them.

A module of its own, so that a command that is given files imports no more than this.
"""

from __future__ import annotations

from pathlib import Path

from caffe_fcn.files import PathLike

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip")


def is_model_place(path: PathLike) -> bool:
    """Whether a path is a folder or has the name of an archive: what `model_folders.open_model` takes."""
    return Path(path).is_dir() or str(path).lower().endswith(ARCHIVE_SUFFIXES)
