"""What the harness knows of a format: sound inputs, how they are damaged, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

Files = dict[str, bytes]
"""An input: the files of a folder by their paths in it."""


class ValueChanged(AssertionError):
    """An input was accepted and came out as something else, or only one of two parsers takes it."""


@dataclass(frozen=True)
class Format:
    """A row of the table.

    ``parse(inputs)`` is the library's own parser: where it raises a `CaffeFcnError` the input went no further.
    ``commands`` are those that read the format, {i} being the folder of inputs, {o} an empty one for outputs, {c} a
    copy of the inputs for what writes beside them. ``checks(inputs, outputs)`` raise `ValueChanged`.
    """

    name: str
    seeds: Callable[[], Sequence[Files]]
    damage: Callable[[Random, Files], Files]
    parse: Callable[[Path], object]
    commands: Sequence[str] = ()
    checks: Sequence[Callable[[Path, Path], None]] = ()


def one_of_its_files(damage: Callable[[Random, bytes], bytes], *suffixes: str) -> Callable[[Random, Files], Files]:
    """Damage to one of the files whose names end so."""

    def damaged_files(random: Random, files: Files) -> Files:
        name = random.choice([name for name in sorted(files) if name.endswith(suffixes)])
        return {**files, name: damage(random, files[name])}

    return damaged_files


def either(*ways: tuple[float, Callable[[Random, bytes], bytes]]) -> Callable[[Random, bytes], bytes]:
    """One of several ways to damage, each as often as its number says."""

    def chosen(random: Random, data: bytes) -> bytes:
        (way,) = random.choices([way for _, way in ways], [share for share, _ in ways])
        return way(random, data)

    return chosen


def tree(folder: Path) -> Files:
    """The files below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def plant(files: Files, folder: Path) -> Path:
    """Write an input into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
