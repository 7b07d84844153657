"""The trash of a workspace: what was deleted can be brought back until the trash is emptied.

Each thing has a folder of its own in ``.caffe-fcn/trash``: ``item``, which is what was moved there, and ``trash.json``,
which says where it lay.
"""

from __future__ import annotations

import errno
import json
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn import files, strict_json
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.jobs.job import State
from caffe_fcn.workspace.settings import Settings

if TYPE_CHECKING:
    from caffe_fcn.workspace.web.state import Workspace

_FOLDER = "trash"
_RECORD = "trash.json"
_ITEM = "item"
_KEY = re.compile(r"[0-9]{10,13}-[0-9a-f]{8}")
_check = strict_json.object_of({"name": strict_json.text, "moved": strict_json.number}, required=("name", "moved"))


@dataclass(frozen=True)
class Trashed:
    """A thing in the trash: its key there, the path that it had in the workspace, and when it was moved."""

    key: str
    name: str
    moved: float


def move(settings: Settings, name: str) -> Trashed:
    """Move a folder or file of the workspace to the trash; raises `FileError` where it is none."""
    path = places.resolve(settings, name)
    with files.naming_errors(name):
        path.lstat()
    moved = time.time()
    trashed = Trashed(f"{int(moved):010}-{secrets.token_hex(4)}", places.name_relative(settings, path), moved)
    place = _find(settings, trashed.key)
    with files.make_folder(place):
        files.write_text(place / _RECORD, json.dumps({"name": trashed.name, "moved": moved}))
        try:
            with files.naming_errors(name):
                _rename(path, place / _ITEM)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
    return trashed


def move_finished(workspace: Workspace, name: str) -> Trashed:
    """Move something to the trash; raises `CaffeFcnError` while a job makes it, or something in it."""
    relative = places.name_relative(workspace.settings, places.resolve(workspace.settings, name))
    for each in workspace.jobs.list(states=[state for state in State if not state.is_over]):
        if f"{each.task.makes}/".startswith(f"{relative}/"):
            raise CaffeFcnError(relative, f"is being made by job {each.number}", "wait for it, or stop it")
    return move(workspace.settings, relative)


def list_all(settings: Settings) -> list[Trashed]:
    """List what is in the trash, the newest first; what is damaged is left out."""
    found = []
    folder = settings.own / _FOLDER
    for place in folder.iterdir() if folder.is_dir() else ():
        if _KEY.fullmatch(place.name) and (place / _ITEM).exists():
            try:
                found.append(_read(place))
            except FileError:
                continue
    return sorted(found, key=lambda each: (-each.moved, each.key))


def restore(settings: Settings, key: str) -> Trashed:
    """Bring something back to where it lay; raises `FileError` where another thing is there now."""
    place = _require(settings, key)
    trashed = _read(place)
    target = places.resolve(settings, trashed.name)
    with files.naming_errors(trashed.name):
        if target.exists():
            raise FileError(trashed.name, "is there already", "move that one first")
        target.parent.mkdir(parents=True, exist_ok=True)
        _rename(place / _ITEM, target)
    shutil.rmtree(place, ignore_errors=True)
    return trashed


def delete(settings: Settings, key: str) -> None:
    """Remove something for ever."""
    place = _require(settings, key)
    with files.naming_errors(key):
        shutil.rmtree(place)


def empty(settings: Settings) -> int:
    """Remove everything for ever; returns how many things that were."""
    found = list_all(settings)
    for each in found:
        delete(settings, each.key)
    return len(found)


def _find(settings: Settings, key: str) -> Path:
    return settings.own / _FOLDER / key


def _require(settings: Settings, key: str) -> Path:
    place = _find(settings, key)
    if not _KEY.fullmatch(key) or not place.is_dir():
        raise FileError("the trash", "has nothing of this key", "look at the list again")
    return place


def _read(place: Path) -> Trashed:
    try:
        known = strict_json.parse(files.read_bytes(place / _RECORD))
        _check(known, "")
    except ValueError as error:
        raise FileError("the trash", f"has a record that is damaged: {error}", "remove it by hand") from error
    return Trashed(place.name, known["name"], float(known["moved"]))


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise FileError(source.name, "is on another disk than the trash", "move it by hand") from error
        raise
