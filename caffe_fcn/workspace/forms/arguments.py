"""From values of fields to arguments of a command, none of which is taken for an option.

OPTIONS = {"classes": "--classes", "size": "--size", "softmax": "--softmax"}
spell_options(OPTIONS, {"classes": 21, "size": (375, 500), "softmax": True})
# ["--classes", "21", "--size", "375x500", "--softmax"]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caffe_fcn.errors import FileError
from caffe_fcn.files import naming_errors
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.fields import FormError, show_value
from caffe_fcn.workspace.settings import Settings


def spell_options(options: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """Return the arguments for all values that are given; ``options`` has the option of each field.

    A flag that is set is its option alone, several values are several options.
    """
    arguments: list[str] = []
    for name, option in options.items():
        value = values.get(name)
        if value is None or value is False or value in ("", ()):
            continue
        if value is True:
            arguments.append(option)
            continue
        several = isinstance(value, tuple) and not all(isinstance(each, int) for each in value)
        for each in value if several else (value,):
            text = show_value(each)
            arguments += [f"{option}={text}"] if text.startswith("-") else [option, text]
    return arguments


def spell_path(settings: Settings, path: Path) -> str:
    """Return a path as an argument: relative to the workspace where it lies inside, and never like an option."""
    return keep_argument(places.name_relative(settings, path))


def keep_argument(text: str) -> str:
    """Return the path ``text`` so that no command takes it for an option."""
    return f"./{text}" if text.startswith("-") else text


def name_new(settings: Settings, group: str, name: str, field: str = "name") -> str:
    """Return the path of something new, relative to the workspace; raises `FormError` for the field of its name."""
    try:
        return places.name_relative(settings, places.name_new(settings, group, name))
    except FileError as error:
        raise FormError({field: f"{error.where} {error.what}" + (f" ({error.mend})." if error.mend else ".")}) from None


def make_parent(settings: Settings, name: str) -> None:
    """Make the folder of a file of the workspace that a command writes."""
    path = settings.root / name
    with naming_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)


def find_free_name(settings: Settings, group: str, name: str) -> str:
    """Return a name in ``group`` that is not taken: ``name``, or with the first number that makes it so."""
    name = re.sub(r"[^\w.+=@-]+", "-", name).strip("-.") or "new"
    number, free = 2, name
    while (settings.root / group / free).exists():
        free, number = f"{name}-{number}", number + 1
    return free


def require_pattern(values: Mapping[str, Any], name: str, pattern: str, sentence: str) -> None:
    """Raise `FormError` with the sentence where a text is given that does not have the pattern."""
    if values.get(name) and not re.fullmatch(pattern, values[name]):
        raise FormError({name: sentence})
