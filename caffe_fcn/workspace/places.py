"""Paths that come from a request: inside the workspace or an allowed folder, or refused.

    places.resolve(settings, "data/roads")          # inside the workspace
    places.resolve_source(settings, "/photos/2024") # there, or inside a folder of `--allow`

Links are followed before a path is judged, so that none leads outside.
"""

from __future__ import annotations

import re
from pathlib import Path

from caffe_fcn.errors import FileError
from caffe_fcn.workspace.settings import Settings

_NAME = re.compile(r"[\w][\w .+=@-]{0,99}")
_DEPTH = 4
_LONGEST, _LONGEST_NAME = 2000, 255
_SHOWN = 100


def resolve(settings: Settings, text: str) -> Path:
    """Return the path inside the workspace that ``text`` names, relative to it.

    Raises `FileError` where it leads outside, or into the server's own folder.
    """
    root = settings.root.resolve()
    path = _resolve(root, text)
    if not path.is_relative_to(root) or path == root:
        raise FileError(text, "is not inside the workspace", "name a folder of the workspace")
    _refuse_own(settings, path, text)
    return path


def resolve_source(settings: Settings, text: str) -> Path:
    """Return the path that ``text`` names in the workspace or in an allowed folder; raises `FileError` elsewhere."""
    path = _resolve(settings.root.resolve(), text)
    if not any(path.is_relative_to(each.resolve()) for each in (settings.root, *settings.allowed)):
        raise FileError(text, "is not in a folder that the server may read", "start it with `allow` for that folder")
    _refuse_own(settings, path, text)
    return path


def name_new(settings: Settings, group: str, name: str) -> Path:
    """Return the path of something new, ``group/name``, and refuse names that no folder should have.

    Raises `FileError` where the name has other signs than letters, digits, space and ``. _ + = @ -``, or is taken.
    """
    name = name.strip()
    parts = name.split("/")
    if not name or len(parts) > _DEPTH - 1 or not all(_NAME.fullmatch(part) for part in parts):
        raise FileError(name or "the name", "is not a name for a folder", "use letters, digits, '-', '_' and '.'")
    path = resolve(settings, f"{group}/{name}")
    if path.exists():
        raise FileError(f"{group}/{name}", "is there already", "choose another name")
    return path


def name_relative(settings: Settings, path: Path) -> str:
    """Return ``path`` as it is written in the workspace's commands: relative to the root where it lies inside."""
    root = settings.root.resolve()
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else str(resolved)


def spell(name: str) -> str:
    """Return a path as a command takes it, which is never read as an option."""
    return f"./{name}" if name.startswith("-") else name


def _resolve(root: Path, text: str) -> Path:
    if (
        not text
        or "\0" in text
        or len(text) > _LONGEST
        or any(len(part.encode()) > _LONGEST_NAME for part in text.split("/"))
    ):
        raise FileError(repr(text[:_SHOWN]), "is not a path")
    try:
        return (root / text).resolve()
    except (OSError, RuntimeError) as error:  # a name that is too long, links in a circle
        raise FileError(text[:100], "is not a path that can be followed") from error


def _refuse_own(settings: Settings, path: Path, text: str) -> None:
    if path.is_relative_to(settings.own.resolve()):
        raise FileError(text, "belongs to the server", "name another folder")
