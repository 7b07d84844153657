"""Uploads put into place: an archive is unpacked into ``uploads/NAME``, single files are moved there.

A form has the fields ``archive``, ``images`` and ``labels``; files of the last two lie in folders of these names.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_fcn import files
from caffe_fcn.errors import FileError
from caffe_fcn.workspace import places, uploads
from caffe_fcn.workspace.settings import Settings

GROUP = "uploads"
"""The folder of the workspace that uploads are put into."""

FIELDS = ("images", "labels")
"""The fields of the form whose files go into folders of their own."""

_IMAGE_NAMES = ("images", "image", "jpegimages", "rgb", "img", "imgs", "photos", "inputs", "x")
_LABEL_NAMES = ("labels", "label", "segmentationclass", "masks", "mask", "gt", "annotations", "targets", "y")
_MOST_LOOKED_AT = 2000


@dataclass(frozen=True)
class Upload:
    """What was uploaded: its folder in the workspace, and how much came."""

    folder: Path
    name: str
    made: uploads.Unpacked

    def guess_fields(self) -> dict[str, str]:
        """Return the folders of images and of labels, where their names tell."""
        found: dict[str, str] = {}
        for folder in _list_folders(self.folder):
            inside = f"{self.name}/{folder.relative_to(self.folder).as_posix()}".removesuffix("/.")
            for field, names in (("images", _IMAGE_NAMES), ("labels", _LABEL_NAMES)):
                if folder.name.lower() in names:
                    found.setdefault(field, inside)
        return found

    def describe(self) -> dict[str, Any]:
        """Return what a program is told."""
        return {"folder": self.name, "files": self.made.files, "bytes": self.made.bytes, **self.guess_fields()}


@contextmanager
def receiving_folder(settings: Settings) -> Iterator[Path]:
    """Make a folder of the server's own, in which an upload arrives; it is removed in the end."""
    own = settings.own / GROUP
    with files.naming_errors(own):
        own.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=own))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def place(settings: Settings, folder: Path, received: Sequence[str], name: str) -> Upload:
    """Put what arrived in ``folder`` into ``uploads/NAME``; raises `FileError`, and leaves nothing then."""
    if not received:
        raise FileError("the upload", "has no file", "choose an archive, or images and labels")
    archives = [each for each in received if "/" not in each]
    if archives and len(received) > 1:
        raise FileError("the upload", "has an archive and other files", "send one archive, or images and labels")
    chosen = name.strip() or _suggest_name(settings, archives[0] if archives else "upload")
    target = places.name_new(settings, GROUP, chosen)
    relative = places.name_relative(settings, target)
    if archives:
        if not uploads.is_archive(archives[0]):
            raise FileError(archives[0], "is not an archive", f"send one of {', '.join(uploads.ENDINGS)}")
        made = uploads.unpack(folder / archives[0], target, uploads.Bounds(settings.most_uploaded))
        return Upload(target, relative, made)
    size = 0
    with uploads.growing_folder(target) as growing:
        for each in received:
            size += (folder / each).stat().st_size
            (growing / each).parent.mkdir(exist_ok=True)
            (folder / each).rename(growing / each)
    return Upload(target, relative, uploads.Unpacked(len(received), size))


def _suggest_name(settings: Settings, archive: str) -> str:
    stem = next((archive[: -len(end)] for end in uploads.ENDINGS if archive.lower().endswith(end)), archive)
    base = re.sub(r"[^\w.+=@-]", "_", stem).strip("._-") or "upload"
    taken = settings.root / GROUP
    number = 1
    while (taken / (base if number == 1 else f"{base}-{number}")).exists():
        number += 1
    return base if number == 1 else f"{base}-{number}"


def _list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, those nearest to it first; of very many only some."""
    found: list[Path] = []
    waiting = [folder]
    while waiting and len(found) < _MOST_LOOKED_AT:
        here = waiting.pop(0)
        inside = sorted(each for each in here.iterdir() if each.is_dir() and not each.is_symlink())
        found += inside
        waiting += inside
    return found
