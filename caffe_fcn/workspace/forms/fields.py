"""Fields of a form as a table, which the page shows, the API describes, and both are parsed by.

    FIELDS = (
        Field("name", "Name", required=True, hint="The folder that is made"),
        Field("count", "Pairs", Kind.INTEGER, default=10_000, least=1, most=1_000_000),
        Field("order", "Order", Kind.CHOICE, default="shuffle", choices=(Choice("shuffle"), Choice("keep"))),
    )
    values = parse(FIELDS, {"name": "roads", "count": "200"})   # {"name": "roads", "count": 200, "order": "shuffle"}
    form = Form(FIELDS, given, error)                           # what templates/form.html shows
    schema = describe(FIELDS)                                   # the same as JSON schema

A value comes as text from a page, or as JSON from a program; both mean the same. What is not given has its default.
`FormError` has a sentence for each field that is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from caffe_fcn.errors import CaffeFcnError, nearest

_MOST_SIGNS = 500
_MOST_TEXT = 1 << 20
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_WORDS = {
    "on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False, "": False,
}  # fmt: skip


class Kind(str, Enum):
    """What a field takes. A size is ``(height, width)``, written HxW; a path is of a file or folder on the server."""

    TEXT = "text"
    LINES = "lines"
    INTEGER = "integer"
    NUMBER = "number"
    SIZE = "size"
    CHOICE = "choice"
    SEVERAL = "several"
    FLAG = "flag"
    PATH = "path"


@dataclass(frozen=True)
class Choice:
    """One value that a field may have, and how a page calls it."""

    value: str
    label: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        """What a page shows."""
        return self.label or self.value


@dataclass(frozen=True)
class Field:
    """A field. ``least`` and ``most`` bound numbers; ``most_signs`` bounds texts.

    ``group`` is the heading under which a page shows it; groups that are ``folded`` open by a click. ``when`` is
    ``(name, values)`` of another field: a page shows this one only where that one has such a value.
    ``is_folder``: a path has to be that of a folder.
    ``default`` None: nothing is given, and `parse` returns None, unless the field is ``required``.
    """

    name: str
    label: str
    kind: Kind = Kind.TEXT
    default: Any = None
    hint: str = ""
    choices: tuple[Choice, ...] = ()
    least: float | None = None
    most: float | None = None
    most_signs: int = 0
    required: bool = False
    group: str = ""
    folded: bool = False
    when: tuple[str, tuple[str, ...]] | None = None
    unit: str = ""
    is_folder: bool = False


class FormError(CaffeFcnError):
    """Fields that cannot be taken; ``fields`` has a sentence for each of them by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        name, sentence = next(iter(self.fields.items()))
        more = len(self.fields) - 1
        super().__init__(name, sentence.rstrip("."), f"and {more} more" if more else "")


class FieldError(ValueError):
    """What is wrong with one value, as a sentence."""


def parse(table: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every field of ``table``; raises `FormError` with all that is wrong.

    ``given`` has texts, or what JSON has. An empty text counts as not given. A name that the table does not have is
    an error, since it is misspelt.
    """
    known = {each.name for each in table}
    errors = {
        str(name)[:_MOST_SIGNS]: f"There is no such field{_suggest(str(name), known)}."
        for name in given
        if name not in known
    }
    values: dict[str, Any] = {}
    for each in table:
        try:
            values[each.name] = parse_value(each, given.get(each.name))
        except FieldError as error:
            errors[each.name] = str(error)
    if errors:
        raise FormError(errors)
    return values


def parse_value(asked: Field, value: Any) -> Any:
    """Return the value of one field; raises `FieldError`."""
    if isinstance(value, str):
        value = value.replace("\r\n", "\n").replace("\r", "\n")
        value = value if asked.kind is Kind.LINES else value.strip()
    if (
        value is None
        or (value == "" and asked.kind is not Kind.FLAG)
        or (value == [] and asked.kind is not Kind.SEVERAL)
    ):
        if asked.required:
            raise FieldError("This has to be given.")
        return asked.default
    return _PARSERS[asked.kind](asked, value)


def gather(table: Sequence[Field], pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Gather what a page sent, as `parse` takes it: names that are no fields are left out, the last value counts."""
    by_name = {each.name: each for each in table}
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in by_name or not isinstance(value, str):
            continue
        if by_name[name].kind is Kind.SEVERAL:
            given.setdefault(name, []).extend([value] if value else [])
        else:
            given[name] = value
    return given


def fill(table: Sequence[Field], defaults: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the table with other defaults, such as the values of what is cloned."""
    return tuple(replace(each, default=defaults[each.name]) if each.name in defaults else each for each in table)


def offer(table: Sequence[Field], name: str, choices: Iterable[Choice]) -> tuple[Field, ...]:
    """Return the table with other choices for one field, such as the data sets that there are."""
    offered = tuple(choices)
    return tuple(replace(each, choices=offered) if each.name == name else each for each in table)


def describe(table: Sequence[Field]) -> dict[str, Any]:
    """Describe what `parse` takes as a JSON schema."""
    return {
        "type": "object",
        "properties": {each.name: _describe_field(each) for each in table},
        "required": [each.name for each in table if each.required],
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Group:
    """Fields under one heading."""

    name: str
    fields: tuple[Field, ...]
    is_open: bool
    """Whether its fields are seen at once: it is not folded, or something in it was given or is wrong."""
    folds: bool


@dataclass(frozen=True)
class Form:
    """A table with what was typed into it, and what is wrong with that; ``notes`` are said beside fields."""

    table: Sequence[Field]
    given: Mapping[str, Any] = field(default_factory=dict)
    error: FormError | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> list[Group]:
        """The fields by their headings, in order."""
        names = list(dict.fromkeys(each.group for each in self.table))
        return [self._group(name) for name in names]

    @property
    def errors(self) -> Mapping[str, str]:
        """The sentences by fields."""
        return self.error.fields if self.error else {}

    @property
    def other_errors(self) -> list[str]:
        """The sentences that belong to no field of the table."""
        names = {each.name for each in self.table}
        return [
            f"{name}: {sentence}" if name else sentence for name, sentence in self.errors.items() if name not in names
        ]

    def show(self, asked: Field) -> str:
        """Return the text that a field shows: what was typed, or its default."""
        return show_value(self.given.get(asked.name, asked.default))

    def has(self, asked: Field, choice: str = "on") -> bool:
        """Whether a flag is set, or a choice is taken."""
        value = self.given.get(asked.name, asked.default)
        if asked.kind is Kind.FLAG:
            return _WORDS.get(value.strip().lower(), True) if isinstance(value, str) else bool(value)
        return choice in value if isinstance(value, (list, tuple)) else choice == show_value(value)

    def _group(self, name: str) -> Group:
        members = tuple(each for each in self.table if each.group == name)
        folds = bool(name) and all(each.folded for each in members)
        return Group(name, members, not folds or any(map(self._is_touched, members)), folds)

    def _is_touched(self, asked: Field) -> bool:
        """Whether a field is wrong, or has another value than its default."""
        if asked.name in self.errors:
            return True
        if asked.kind is Kind.FLAG:
            return self.has(asked) != bool(asked.default)
        value = self.given.get(asked.name)
        return value not in (None, "", []) and show_value(value) != show_value(asked.default)


def show_value(value: Any) -> str:
    """Return a value as one types it: HxW for a size, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value)) if all(isinstance(each, int) for each in value) else ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) and f"{value:g}" == str(value).removesuffix(".0") else str(value)


def _suggest(name: str, known: Iterable[str]) -> str:
    hint = nearest(name, known)
    return f"; {hint.rstrip('?')}" if hint else ""


def _parse_text(asked: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise FieldError("Give a text.")
    most = asked.most_signs or (_MOST_TEXT if asked.kind is Kind.LINES else _MOST_SIGNS)
    if len(value) > most:
        raise FieldError(f"Give at most {most:,} signs.")
    if _CONTROLS.search(value) or (asked.kind is not Kind.LINES and ("\n" in value or "\t" in value)):
        raise FieldError("Give text without control characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FieldError("Give text that is Unicode.") from None
    return value


def _parse_integer(asked: Field, value: Any) -> int:
    number = value
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        number = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise FieldError("Give a whole number.")
    _check_bounds(asked, number)
    return number


def _parse_number(asked: Field, value: Any) -> float:
    number = value
    if isinstance(value, str) and len(value) < 50:
        try:
            number = float(value.replace(",", ".") if value.count(",") == 1 and "." not in value else value)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise FieldError("Give a number.")
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FieldError("Give a number that is finite.")
    _check_bounds(asked, number)
    return number


def _check_bounds(asked: Field, number: float) -> None:
    low, high = (None if each is None else f"{each:.15g}" for each in (asked.least, asked.most))
    if (asked.least is None or number >= asked.least) and (asked.most is None or number <= asked.most):
        return
    if low is not None and high is not None:
        raise FieldError(f"Give a number from {low} to {high}.")
    raise FieldError(f"Give a number of at least {low}." if low is not None else f"Give a number of at most {high}.")


def _parse_size(asked: Field, value: Any) -> tuple[int, int]:
    sides = value
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,6})(?: *[xX×] *([0-9]{1,6}))?", value)
        sides = [int(match[1]), int(match[2] or match[1])] if match else None
    is_pair = isinstance(sides, (list, tuple)) and len(sides) == 2
    if not is_pair or any(isinstance(side, bool) or not isinstance(side, int) for side in sides):
        raise FieldError("Give a size as HEIGHTxWIDTH, such as 375x500.")
    for side in sides:
        _check_bounds(replace(asked, least=asked.least or 1, most=asked.most or 65535), side)
    return sides[0], sides[1]


def _parse_choice(asked: Field, value: Any) -> str:
    text = show_value(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    known = [each.value for each in asked.choices]
    if text not in known:
        named = ", ".join(each or "nothing" for each in known[:12]) + (", ..." if len(known) > 12 else "")
        raise FieldError(f"Choose one of: {named}." if known else "There is nothing to choose from yet.")
    return text


def _parse_several(asked: Field, value: Any) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)):
        raise FieldError("Give a list.")
    return tuple(dict.fromkeys(_parse_choice(asked, each) for each in given))


def _parse_flag(asked: Field, value: Any) -> bool:
    found = value if isinstance(value, bool) else _WORDS.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise FieldError("Give true or false.")
    return found


_PARSERS: dict[Kind, Callable[[Field, Any], Any]] = {
    Kind.TEXT: _parse_text,
    Kind.LINES: _parse_text,
    Kind.PATH: _parse_text,
    Kind.INTEGER: _parse_integer,
    Kind.NUMBER: _parse_number,
    Kind.SIZE: _parse_size,
    Kind.CHOICE: _parse_choice,
    Kind.SEVERAL: _parse_several,
    Kind.FLAG: _parse_flag,
}

_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.LINES: {"type": "string"},
    Kind.PATH: {"type": "string"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.SIZE: {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
    Kind.CHOICE: {"type": "string"},
    Kind.SEVERAL: {"type": "array", "items": {"type": "string"}},
    Kind.FLAG: {"type": "boolean"},
}


def _describe_field(asked: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {**_TYPES[asked.kind], "title": asked.label}
    if asked.hint:
        schema["description"] = asked.hint
    if asked.kind in (Kind.INTEGER, Kind.NUMBER):
        bounds = {"minimum": asked.least, "maximum": asked.most}
        schema.update({name: bound for name, bound in bounds.items() if bound is not None})
    if asked.kind in (Kind.TEXT, Kind.PATH, Kind.LINES):
        schema["maxLength"] = asked.most_signs or (_MOST_TEXT if asked.kind is Kind.LINES else _MOST_SIGNS)
    values = [each.value for each in asked.choices]
    if values and asked.kind is Kind.CHOICE:
        schema["enum"] = values
    if values and asked.kind is Kind.SEVERAL:
        schema["items"] = {"type": "string", "enum": values}
    if asked.default is not None:
        schema["default"] = list(asked.default) if isinstance(asked.default, tuple) else asked.default
    return schema
