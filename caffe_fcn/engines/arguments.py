"""Checks of what an engine is given, made before anything starts.

Files come back as absolute paths, because a child process may run in another folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import EngineError, FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import is_binary

_HEAD = 4096  # bytes that tell text from a binary message
_STATES = (".solverstate", ".h5")


def require_file(path: PathLike) -> Path:
    """Return the absolute path; raise `FileError` if the file cannot be read."""
    with files.naming_errors(path), Path(path).open("rb"):
        return Path(path).absolute()


def require_weights(path: PathLike) -> Path:
    """Return the absolute path; raise `FileError` if the file cannot be read, is empty or is text.

    Text is refused here because Caffe reads many a text without complaint, as weights that have no layers.
    """
    with files.naming_errors(path), Path(path).open("rb") as file:
        head = file.read(_HEAD)
    if not is_binary(head):
        raise FileError(path, "is text and holds no weights" if head else "is empty", "name a .caffemodel")
    return Path(path).absolute()


def require_start(weights: Sequence[PathLike], snapshot: PathLike | None) -> tuple[list[str], str]:
    """Return the absolute paths of the weights and of the snapshot that a training starts from.

    Raises `EngineError` if both are given, and `FileError` if a file is missing or of another kind.
    """
    if weights and snapshot:
        raise EngineError("`snapshot`", "a snapshot brings its own weights", "give either `snapshot` or `weights`")
    if snapshot and Path(snapshot).suffix not in _STATES:
        raise FileError(snapshot, "is not a solver state", "name a .solverstate; a .caffemodel goes to `weights`")
    return [str(require_weights(path)) for path in weights], str(require_file(snapshot)) if snapshot else ""


def check_gpus(gpu: str) -> None:
    """Raise `EngineError` if ``gpu`` is neither empty, nor "all", nor a list of numbers such as "0,1"."""
    if gpu and not re.fullmatch(r"all|\d+(,\d+)*", gpu):
        raise EngineError("`gpu`", f"{gpu!r} is not a list of GPUs", "such as 0, or 0,1, or all")
