"""Small inputs that were badly handled once: a format, the files that differ from its first sound input, and why."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from fuzz.formats.format import Files

SEED = "regression"


class Regression(NamedTuple):
    """What was wrong, and the input of a format that showed it."""

    format: str
    change: Callable[[Files], Files]


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    """A sound input in one of whose files ``new`` stands for ``old``."""

    def change(files: Files) -> Files:
        assert old in files[name], f"{name} has no {old!r}"
        return {**files, name: files[name].replace(old, new, 1)}

    return change


def whole(name: str, content: bytes) -> Callable[[Files], Files]:
    """A sound input one of whose files has another content."""
    return lambda files: {**files, name: content}


REGRESSIONS: dict[str, Regression] = {
    "an octal zero is no float": Regression("solver text", replaced("solver.prototxt", b"1e-4", b"00")),
    "an enum of thousands of digits": Regression(
        "net text", whole("net.prototxt", b"layer { phase: " + b"1" * 5000 + b" }")
    ),
    "an .npy with an open bracket": Regression("mean npy", replaced("m.npy", b"(3, 4, 5), }", b"(3, 4, 5,   ")),
    "a description of 60,000 brackets": Regression("dataset.json", whole("set/dataset.json", b"[" * 60_000)),
    "four classes as a number": Regression("dataset.json", whole("set/dataset.json", b'{"name": "x", "classes": 4}')),
}


def drawn(form: str, number: str) -> tuple[Random, Files]:
    """The input of a regression, ``number`` being its place among those of its format and the draw of commands."""
    from fuzz.formats import FORMATS

    place, _, draw = number.partition(".")
    found = [each for each in REGRESSIONS.values() if each.format == form][int(place)]
    return Random(f"{form}:{place}:{draw}"), found.change(dict(FORMATS[form].seeds()[0]))


def names(draws: int = 4) -> list[str]:
    """Every regression as a case, given several draws of the commands that read it."""
    places: dict[str, int] = {}
    listed = []
    for each in REGRESSIONS.values():
        place = places[each.format] = places.get(each.format, -1) + 1
        listed += [f"{SEED}:{each.format}:{place}.{draw}" for draw in range(draws)]
    return listed
