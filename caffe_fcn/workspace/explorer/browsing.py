"""Folders on the server, for choosing one: names and kinds, and nothing of what is in files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.settings import Settings

PER_PAGE = 200
_MOST = 100_000  # names of a folder that are looked at


@dataclass(frozen=True)
class Listed:
    """A name in a folder, and the path that a field takes for it."""

    name: str
    path: str
    is_folder: bool


@dataclass(frozen=True)
class Listing:
    """One page of a folder: folders first, each kind by name. ``path`` is "" for the list of roots."""

    path: str
    parent: str | None
    entries: list[Listed]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PER_PAGE))


def browse(settings: Settings, text: str = "", page: int = 0) -> Listing:
    """List a folder of the workspace or of an allowed folder; without a path, the folders to begin at.

    Raises `FileError` elsewhere, and where there is no folder.
    """
    roots = [settings.root.resolve(), *(each.resolve() for each in settings.allowed)]
    if not text:
        entries = [Listed("This workspace", ".", True), *(Listed(str(each), str(each), True) for each in roots[1:])]
        return Listing("", None, entries, len(entries), 0)
    folder = places.resolve_source(settings, text)
    if not folder.is_dir():
        raise FileError(text, "is not a folder", "choose another one")
    with files.naming_errors(text), os.scandir(folder) as scanned:
        names = [
            (not entry.is_dir(), entry.name)
            for entry in islice(scanned, _MOST)
            if not entry.name.startswith(".") and _is_text(entry.name)
        ]
    names.sort()
    page = max(0, min(page, (len(names) - 1) // PER_PAGE))
    shown = names[page * PER_PAGE : (page + 1) * PER_PAGE]
    entries = [Listed(name, _name(settings, folder / name), not is_file) for is_file, name in shown]
    parent = "" if folder in roots else _name(settings, folder.parent)
    return Listing(_name(settings, folder), parent, entries, len(names), page)


def _name(settings: Settings, path: Path) -> str:
    """Return the path of a field, relative in the workspace; links are not followed here, but where it is used."""
    root = settings.root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable()
