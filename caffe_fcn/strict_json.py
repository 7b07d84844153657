"""JSON read strictly, and a small language for schemas.

    position = object_of({"seed": whole_number(0, 1 << 32), "name": text}, required=("seed",))
    content = parse(source)
    position(content, "position")       # raises WrongField: position.seed must be a whole number ..., not "x"

A check is a function of a value and of the path to it; it returns nothing and raises `WrongField`. `text` and
`number` are checks; `list_of`, `object_of` and the like make checks. Names that a schema does not list pass, so
that a file of a later version can still be read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any, str], None]

MOST = (1 << 63) - 1
"""The largest whole number, and the longest list, that a schema takes unless it says otherwise."""

_LONGEST_INTEGER = 100  # digits; reading one takes the square of their number
_LONGEST_SHOWN = 40
_SURROGATES = re.compile("[\ud800-\udfff]")  # how Python keeps bytes that are not UTF-8


class WrongField(ValueError):
    """A value breaks the schema; the message gives the path to it."""


def parse(source: bytes) -> Any:
    """Return the value of ``source``, JSON in UTF-8; raises ValueError for anything else.

    Unlike `json.loads`, this refuses NaN, infinite numbers, overlong integers and duplicate names.
    """
    try:
        return json.loads(
            source.decode("utf-8-sig"),
            object_pairs_hook=_make_object,
            parse_int=_parse_integer,
            parse_float=_parse_finite,
            parse_constant=_parse_finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def text(value: Any, path: str) -> None:
    """Check that a value is a string that can be written as UTF-8."""
    if not isinstance(value, str) or _SURROGATES.search(value):
        fail(path, "a text", value)


def number(value: Any, path: str) -> None:
    """Check that a value is a number."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        fail(path, "a number", value)


def anything(value: Any, path: str) -> None:
    """Accept every value."""


def whole_number(least: int, most: int) -> Check:
    """Make a check for an integer from ``least`` to ``most``."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            fail(path, f"a whole number from {least} to {most}", value)

    return check


def one_of(*texts: str) -> Check:
    """Make a check for one of some strings."""

    def check(value: Any, path: str) -> None:
        if value not in texts:
            fail(path, " or ".join(map(_abbreviate, texts)), value)

    return check


def flag(value: Any, path: str) -> None:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        fail(path, "true or false", value)


def optional(check: Check) -> Check:
    """Make a check that also accepts null."""

    def check_unless_null(value: Any, path: str) -> None:
        if value is not None:
            check(value, path)

    return check_unless_null


def all_of(*checks: Check) -> Check:
    """Make a check that applies several, in this order."""

    def check_all(value: Any, path: str) -> None:
        for check in checks:
            check(value, path)

    return check_all


def list_of(check: Check, least: int = 0, most: int = MOST) -> Check:
    """Make a check for a list of ``least`` to ``most`` values that each pass ``check``."""
    wanted = "a list" if (least, most) == (0, MOST) else f"a list of {least} to {most}"

    def check_list(value: Any, path: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            fail(path, wanted if least != most else f"a list of {least}", value)
        for index, each in enumerate(value):
            check(each, f"{path}[{index}]")

    return check_list


def map_of(check_name: Check, check: Check) -> Check:
    """Make a check for an object of any names, each of which passes ``check_name``, and its value ``check``."""

    def check_map(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            fail(path, "an object", value)
        for name, each in value.items():
            check_name(name, f"a name in {path}")
            check(each, f"{path}.{name}")

    return check_map


def object_of(known: Mapping[str, Check], required: Iterable[str] = ()) -> Check:
    """Make a check for an object that has the ``required`` names, and whose ``known`` names pass their checks."""

    def check_object(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            fail(path, "an object", value)
        for name in required:
            if name not in value:
                raise WrongField(f"{path or 'it'} has no {name!r}")
        for name, check in known.items():
            if name in value:
                check(value[name], f"{path}.{name}".lstrip("."))

    return check_object


def fail(path: str, wanted: str, value: Any) -> None:
    """Raise `WrongField` for the value at ``path``."""
    raise WrongField(f"{path or 'it'} must be {wanted}, not {_abbreviate(value)}")


def _abbreviate(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    shown = json.dumps(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _make_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{_abbreviate(twice)} appears twice")
    return found


def _parse_integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _parse_finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:_LONGEST_SHOWN]} is not a finite number")
    return value
