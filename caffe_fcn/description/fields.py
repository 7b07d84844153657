"""The fields of ``dataset.json`` and what each may hold, as a table; and JSON read strictly.

A check is a function of a value and of the field's name; it raises `WrongField`. Fields that the table does not name
pass, so that a file which a later version wrote is still read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any, str], None]

_MOST_CLASSES = 256
_MOST_CHANNELS = 1 << 16
_MOST = (1 << 63) - 1
_LONGEST_INTEGER = 20  # digits, of 64 bits
_LONGEST_NAME = 240  # bytes; a file system takes 255, and endings such as .txt come behind some names
_SHOWN = 40
_SURROGATES = re.compile("[\ud800-\udfff]")  # how Python keeps bytes that are not UTF-8
_UNLISTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class WrongField(ValueError):
    """A field holds what it must not; the message names it."""


def load(source: bytes) -> Any:
    """The value that ``source`` holds; raises ValueError for what is no JSON in UTF-8.

    Python's own reader also takes NaN, numbers beyond all bounds, and a name that stands twice.
    """
    try:
        return json.loads(
            source.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_description(content: Any) -> None:
    """Raise `WrongField` unless ``content`` is a description of a data set."""
    _DESCRIPTION(content, "")


def is_listable(name: str) -> bool:
    """Whether ``name`` can be a line of a text file in UTF-8."""
    return _UNLISTABLE.search(name) is None


def is_file_name(name: str) -> bool:
    """Whether ``name`` names a file in the folder itself."""
    return is_listable(name) and name not in ("", ".", "..") and "/" not in name and len(name.encode()) <= _LONGEST_NAME


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_abbreviate(twice)} stands twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:_SHOWN]} is no finite number")
    return value


def _fail(where: str, wanted: str, value: Any) -> None:
    raise WrongField(f"{where or 'it'} must be {wanted}, not {_abbreviate(value)}")


def _abbreviate(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _anything(value: Any, where: str) -> None:
    pass


def text(value: Any, where: str) -> None:
    if not isinstance(value, str) or _SURROGATES.search(value):
        _fail(where, "a text", value)


def _file(value: Any, where: str) -> None:
    if not isinstance(value, str) or not is_file_name(value):
        _fail(where, "the name of a file in the folder", value)


def _path(value: Any, where: str) -> None:
    parts = PurePosixPath(value).parts if isinstance(value, str) else ()
    if not parts or not all(map(is_file_name, parts)):
        _fail(where, "a path inside the folder", value)


def _one_of(*texts: str) -> Check:
    def check(value: Any, where: str) -> None:
        if value not in texts:
            _fail(where, " or ".join(map(_abbreviate, texts)), value)

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            _fail(where, f"a whole number from {least} to {most}", value)

    return check


def _number(value: Any, where: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        _fail(where, "a number", value)


def _optional(check: Check) -> Check:
    def check_unless_null(value: Any, where: str) -> None:
        if value is not None:
            check(value, where)

    return check_unless_null


def list_of(check: Check, least: int = 0, most: int = _MOST) -> Check:
    wanted = "a list" if (least, most) == (0, _MOST) else f"a list of {least} to {most}"

    def check_list(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            _fail(where, wanted if least != most else f"a list of {least}", value)
        for place, each in enumerate(value):
            check(each, f"{where}[{place}]")

    return check_list


def _map(check_name: Check, check: Check) -> Check:
    def check_map(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _fail(where, "an object", value)
        for name, each in value.items():
            check_name(name, f"a name in {where}")
            check(each, f"{where}.{name}")

    return check_map


def object_of(known: Mapping[str, Check], required: Iterable[str] = ()) -> Check:
    def check_object(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _fail(where, "an object", value)
        for name in required:
            if name not in value:
                raise WrongField(f"{where or 'it'} has no {name!r}")
        for name, check in known.items():
            if name in value:
                check(value[name], f"{where}.{name}".lstrip("."))

    return check_object


def _all(*checks: Check) -> Check:
    def check_all(value: Any, where: str) -> None:
        for check in checks:
            check(value, where)

    return check_all


def _label_value(name: Any, where: str) -> None:
    if name not in _VALUES:
        _fail(where, "a value of a label, 0 to 255", name)


_VALUES = frozenset(map(str, range(_MOST_CLASSES)))
_COUNT = _whole(0, _MOST)

_STATISTICS = object_of(
    {
        "count": _COUNT,
        "mean": _optional(list_of(_number, 1, _MOST_CHANNELS)),
        "sizes": list_of(list_of(_COUNT, 3, 3)),
        "distinct_sizes": _COUNT,
        "pixels": _map(_label_value, _COUNT),
        "ignored_share": _number,
        "frequencies": list_of(_number, 0, _MOST_CLASSES),
        "weights": list_of(_number, 0, _MOST_CLASSES),
    },
    required=("pixels", "ignored_share"),
)

_SPLIT = object_of(
    {
        "count": _COUNT,
        "databases": _all(_map(_file, _path), object_of({}, required=("images",))),
        "skipped": list_of(object_of({"name": text, "why": text})),
        "allowed": _map(text, list_of(text)),
        "checksum": _optional(text),
        "statistics": _optional(_STATISTICS),
    },
    required=("databases",),
)

_DESCRIPTION = object_of(
    {
        "version": _whole(1, _MOST),
        "name": text,
        "splits": _map(_file, _SPLIT),
        "channels": _whole(1, _MOST_CHANNELS),
        "classes": _optional(list_of(text, 0, _MOST_CLASSES)),
        "palette": _optional(list_of(list_of(_whole(0, 255), 3, 3), 0, _MOST_CLASSES)),
        "ignore_label": _optional(_whole(0, 255)),
        "labels": _one_of("classes", "grey"),
        "mean": _optional(list_of(_number, 1, _MOST_CHANNELS)),
        "mean_file": _optional(_file),
        "infogain_file": _optional(_file),
        "seed": _optional(_whole(-_MOST, _MOST)),
        "sources": list_of(_map(_anything, _anything)),
        "options": _map(_anything, _anything),
    },
    required=("name",),
)
