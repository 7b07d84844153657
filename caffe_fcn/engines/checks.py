"""What can be said of a file before Caffe is asked to read it."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import is_binary


def readable(path: PathLike) -> Path:
    """The path as absolute; raises `FileError` where it is no file that can be read."""
    with files.naming_errors(path), Path(path).open("rb"):
        return Path(path).absolute()


def weights(path: PathLike) -> Path:
    """As `readable`, and `FileError` for a text: Caffe reads many a text as weights without a layer."""
    with files.naming_errors(path), Path(path).open("rb") as file:
        head = file.read(4096)
    if not is_binary(head):
        raise FileError(path, "is text and holds no weights" if head else "is empty", "name a .caffemodel")
    return Path(path).absolute()
