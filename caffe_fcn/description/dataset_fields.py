"""The schema of ``dataset.json``: which fields it has, and what each of them may hold."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from caffe_fcn.strict_json import (
    MOST,
    all_of,
    anything,
    fail,
    list_of,
    map_of,
    number,
    object_of,
    one_of,
    optional,
    text,
    whole_number,
)

_MOST_CLASSES = 256
MOST_CHANNELS = 1 << 16
_LONGEST_NAME = 240  # bytes; file systems allow 255, and endings such as .txt are appended to some names
_UNLISTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def check_description(content: Any) -> None:
    """Raise `strict_json.WrongField` unless ``content`` is the description of a data set."""
    _DESCRIPTION(content, "")


def is_listable(name: str) -> bool:
    """Whether ``name`` can be a line of a text file in UTF-8."""
    return _UNLISTABLE.search(name) is None


def is_file_name(name: str) -> bool:
    """Whether ``name`` can be the name of a file directly inside a folder."""
    return is_listable(name) and name not in ("", ".", "..") and "/" not in name and len(name.encode()) <= _LONGEST_NAME


def file_name(value: Any, path: str) -> None:
    """Check that a value is the name of a file directly inside the folder."""
    if not isinstance(value, str) or not is_file_name(value):
        fail(path, "the name of a file in the folder", value)


def _inner_path(value: Any, path: str) -> None:
    parts = PurePosixPath(value).parts if isinstance(value, str) else ()
    if not parts or not all(map(is_file_name, parts)):
        fail(path, "a path inside the folder", value)


def _label_value(value: Any, path: str) -> None:
    if value not in _LABEL_VALUES:
        fail(path, "a value of a label, 0 to 255", value)


CLASSES = list_of(text, 0, _MOST_CLASSES)
PALETTE = list_of(list_of(whole_number(0, 255), 3, 3), 0, _MOST_CLASSES)
MEAN = list_of(number, 1, MOST_CHANNELS)
LABEL = whole_number(0, _MOST_CLASSES - 1)
_LABEL_VALUES = frozenset(map(str, range(_MOST_CLASSES)))
_COUNT = whole_number(0, MOST)

_STATISTICS = object_of(
    {
        "count": _COUNT,
        "mean": optional(MEAN),
        "sizes": list_of(list_of(_COUNT, 3, 3)),
        "distinct_sizes": _COUNT,
        "pixels": map_of(_label_value, _COUNT),
        "ignored_share": number,
        "extents": map_of(_label_value, number),
        "frequencies": list_of(number, 0, _MOST_CLASSES),
        "weights": list_of(number, 0, _MOST_CLASSES),
    },
    required=("pixels", "ignored_share"),
)

_SPLIT = object_of(
    {
        "count": _COUNT,
        "databases": all_of(map_of(file_name, _inner_path), object_of({}, required=("images",))),
        "skipped": list_of(object_of({"name": text, "why": text})),
        "allowed": map_of(text, list_of(text)),
        "checksum": optional(text),
        "statistics": optional(_STATISTICS),
    },
    required=("databases",),
)

_DESCRIPTION = object_of(
    {
        "version": whole_number(1, MOST),
        "name": text,
        "splits": map_of(file_name, _SPLIT),
        "channels": whole_number(1, MOST_CHANNELS),
        "classes": optional(CLASSES),
        "palette": optional(PALETTE),
        "ignore_label": optional(LABEL),
        "labels": one_of("classes", "grey"),
        "mean": optional(MEAN),
        "mean_file": optional(file_name),
        "infogain_file": optional(file_name),
        "seed": optional(whole_number(-MOST, MOST)),
        "sources": list_of(map_of(anything, anything)),
        "options": map_of(anything, anything),
    },
    required=("name",),
)
