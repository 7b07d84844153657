"""The names of classes, from a file or by their number."""

from __future__ import annotations

import re

from caffe_fcn import files
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.files import PathLike

MOST = 256
"""The largest number of classes: a label has 8 bits."""


def parse_names(number_or_path: str) -> list[str]:
    """Return class names: those in a file, as `read_names`, or the indices of a number of classes, such as "21".

    Raises `DatasetError` for a number of classes that labels cannot have.
    """
    if not re.fullmatch("[0-9]+", number_or_path):
        return read_names(number_or_path)
    number = number_or_path.lstrip("0")
    if not number or len(number) > len(str(MOST)) or int(number) > MOST:
        raise DatasetError("classes", f"cannot be {number_or_path}", f"1 to {MOST} of them, or a file of their names")
    return [str(index) for index in range(int(number))]


def read_names(path: PathLike) -> list[str]:
    """Read class names, one on each line, all with or all without their index ("0: background").

    Raises `FileError` for a file without names, or with indices that do not count up from 0.
    """
    return split_names(files.read_bytes(path).decode("utf-8-sig", "replace"), path)


def split_names(text: str, path: PathLike) -> list[str]:
    """Return the names in a text, as `read_names`; ``path`` is for errors."""
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    numbered = [re.fullmatch(r"([0-9]+)\s*:\s*(\S.*)", name) for name in names]
    if all(numbered):
        # Compared as text, because an index in a file may have any number of digits.
        indices = [match[1].lstrip("0") or "0" for match in numbered if match]
        if indices != [str(index) for index in range(len(names))]:
            raise FileError(path, "the indices of its classes don't count up from 0", "name each class in turn")
        names = [match[2] for match in numbered if match]
    if not 0 < len(names) <= MOST:
        raise FileError(path, f"has {len(names)} class names", f"one a line, 1 to {MOST} of them")
    return names
