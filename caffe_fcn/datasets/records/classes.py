"""Class names, as a number or a file gives them."""

from __future__ import annotations

import os
import re

from caffe_fcn import files
from caffe_fcn.errors import DatasetError, FileError

MOST = 256
"""As many classes as a label of 8 bits can tell apart."""


def parse_names(number_or_path: str) -> list[str]:
    """The names of so many classes, which are their indices, or those that a file gives; as `read_names`.

    Raises `DatasetError` for a number of classes that no label can hold.
    """
    if not re.fullmatch("[0-9]+", number_or_path):
        return read_names(number_or_path)
    number = number_or_path.lstrip("0")
    if not number or len(number) > len(str(MOST)) or int(number) > MOST:
        raise DatasetError("classes", f"cannot be {number_or_path}", f"1 to {MOST} of them, or a file of their names")
    return [str(index) for index in range(int(number))]


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Class names, one a line, with or without their index before them ("0: background").

    Raises `FileError` for a file without names, or whose indices don't count up from 0.
    """
    lines = [line.strip() for line in files.read_bytes(path).decode("utf-8-sig", "replace").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    numbered = [re.fullmatch(r"([0-9]+)\s*:\s*(\S.*)", name) for name in names]
    if all(numbered):
        # As text: what stands before a colon may have any number of digits.
        indices = [match[1].lstrip("0") or "0" for match in numbered if match]
        if indices != [str(index) for index in range(len(names))]:
            raise FileError(path, "the indices of its classes don't count up from 0", "name each class in turn")
        names = [match[2] for match in numbered if match]
    if not 0 < len(names) <= MOST:
        raise FileError(path, f"has {len(names)} class names", f"one a line, 1 to {MOST} of them")
    return names
