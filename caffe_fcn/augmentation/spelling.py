"""Transforms as text: ``flip,scale=0.75:1.25,rotate=10,crop=320x320,colour=0.2``.

A transform without a value has its usual one. ``default`` stands for all that have one, and may be followed by others
and by other values: ``default,rotate=0,crop=320x320``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from caffe_fcn.errors import NetError, nearest

DEFAULT = "default"
WHERE = "`augment`"


def parse_transforms(text: str) -> dict[str, Any]:
    """The values of the transforms by name; raises `NetError` for what is not a list of transforms.

    >>> parse_transforms("flip,rotate=5,crop=320")
    {'flip': 0.5, 'rotate': 5, 'crop': (320, 320)}
    """
    from caffe_fcn.augmentation.joint_augmentation import TRANSFORMS, check_transforms  # loads numpy

    values: dict[str, Any] = {}
    named: set[str] = set()
    for name, value in _split(text):
        if name in named:
            raise NetError(WHERE, f"has {name!r} twice", "keep one")
        named.add(name)
        if name == DEFAULT and value is None:
            values |= {each: row.usual for each, row in TRANSFORMS.items() if row.usual is not None}
            continue
        if name not in TRANSFORMS:
            known = [DEFAULT, *TRANSFORMS]
            raise NetError(WHERE, f"has no transform {name!r}", nearest(name, known) or f"one of {', '.join(known)}")
        row = TRANSFORMS[name]
        if value is None and row.usual is None:
            raise NetError(WHERE, f"{name} has no value", f"it takes {row.takes}")
        try:
            values[name] = row.usual if value is None else _read_value(value, row.separator)
            values |= check_transforms({name: values[name]})
        except ValueError as error:
            raise NetError(WHERE, f"{name} cannot be {value!r}", f"it takes {row.takes}") from error
    return values


def _split(text: str) -> Iterator[tuple[str, str | None]]:
    """Each name with its value, None where it has none; ``color`` is ``colour``, too."""
    for part in text.split(","):
        name, equals, value = (piece.strip().lower() for piece in part.partition("="))
        yield "colour" if name == "color" else name, value if equals else None


def _read_value(text: str, separator: str) -> Any:
    """The number or the numbers of a text; one that stands alone where two are wanted is both."""
    numbers = tuple(map(_read_number, text.split(separator) if separator else [text]))
    return numbers[0] if not separator else numbers * 2 if len(numbers) == 1 else numbers


def _read_number(text: str) -> float:
    return int(text) if text.strip().isascii() and text.strip().isdigit() else float(text)
