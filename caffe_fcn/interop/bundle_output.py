"""How the files of a bundle appear: as a folder or as one archive, whole or not at all.

The files are gathered in a folder of their own, which becomes the output; an archive is written from it, file by file.
An archive depends on the content of its files alone: members are in the order of their names, without owners and times,
so that the same bundle has the same checksum wherever and whenever it is made.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from caffe_fcn import files, strict_json
from caffe_fcn.description.dataset_fields import file_name
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.progress import TaskProgress

SUFFIXES = (".tar.gz", ".tgz")

INFO_FILE = "info.json"
CHECKSUMS = "sha256"
"""The entry of info.json that has the checksums of all other files."""

_OWN = re.compile(
    r"info\.json|deploy\.prototxt|model\.json|labels\.txt|README\.md|mean(_[0-9]+)?\.binaryproto"
    r"|snapshot_iter_[0-9]+\.caffemodel"
)
_STAGING = "bundle-files"

_BLOCK = 1 << 20
_MEGABYTE = 1_000_000
_LEVEL = 1  # of gzip: higher ones take up to eight times as long, and weights shrink by less than a tenth more
_OTHER_ARCHIVES = (".tar", ".tar.bz2", ".zip", ".tar.xz", ".gz")


def is_archive(output: Path) -> bool:
    """Whether an output is to be one file; raises `FileError` for an archive of another kind."""
    if output.name.endswith(SUFFIXES):
        return True
    if output.name.endswith(_OTHER_ARCHIVES):
        raise FileError(output, "bundles are folders or .tar.gz files", "name a folder, or FILE.tar.gz")
    return False


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with files.naming_errors(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def require_place(output: Path) -> None:
    """Raise `FileError` unless a bundle can be written there: nothing is, an empty folder, or another bundle."""
    if is_archive(output):
        if output.is_dir():
            raise FileError(output, "is a folder", "name a folder without that ending, or another file")
        return
    with files.naming_errors(output):
        if not output.exists():
            return
        if not output.is_dir():
            raise FileError(output, "is a file", "name a folder, or FILE.tar.gz")
        files.remove_leftovers(output / _STAGING)
        names = {each.name for each in output.iterdir()}
    known = {name for name in names if _OWN.fullmatch(name)} if has_checksums(output) else set()
    if others := sorted(names - known):
        what = f"has other files, such as {others[0]}"
        raise FileError(output, what, "name a folder that is new, empty or a bundle")


@contextmanager
def gather_files(output: Path, progress: TaskProgress | None = None) -> Iterator[Path]:
    """Make a folder for the files of the block; when it ends, they become ``output``.

    ``progress`` is called with the megabytes that are in an archive, and those that there will be.

    A new folder appears by one rename. One that is there stays, since it may be the place where a disk is mounted; its
    files are replaced one by one, info.json first: until all are there, a file has not the checksum that it names.
    Where the block fails, nothing has changed. Raises `FileError`, and what the block raises, with names of ``output``
    in place of the folder's.
    """
    place = Path(os.path.realpath(output))
    target = place / _STAGING if place.is_dir() else place.with_name(f"{place.name}.{_STAGING}")
    folder = files.temporary_name(target)
    with files.make_folder(target.parent):
        files.remove_leftovers(target)
        try:
            with files.naming_errors(output):
                folder.mkdir()
            yield folder
            if is_archive(output):
                _write_archive(folder, output, progress)
                return
            with files.naming_errors(output):
                if place.is_dir():
                    _replace_files(folder, place)
                else:
                    folder.rename(place)
        except CaffeFcnError as error:
            for part in ("where", "what", "mend"):
                setattr(error, part, getattr(error, part).replace(str(folder), str(output)))
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def has_checksums(folder: Path) -> bool:
    """Whether a folder has the info.json of a bundle."""
    path = folder / INFO_FILE
    return path.is_file() and CHECKSUMS in read_info(files.read_bytes(path), path)


def read_info(content: bytes, where: object) -> dict[str, Any]:
    """Return the content of an info.json; raises `FileError` at ``where`` unless it is one."""
    try:
        info = strict_json.parse(content)
        _INFO(info, "")
    except ValueError as error:
        raise FileError(where, f"is not the {INFO_FILE} of a net: {error}", "fetch it again") from error
    return dict(info)


_INFO = strict_json.object_of(
    {
        CHECKSUMS: strict_json.map_of(file_name, strict_json.text),
        "deploy file": strict_json.text,
        "snapshot file": strict_json.text,
    },
    required=("deploy file", "snapshot file"),
)


def _replace_files(folder: Path, place: Path) -> None:
    names = sorted((each.name for each in folder.iterdir()), key=lambda name: name != INFO_FILE)
    for name in names:
        (folder / name).replace(place / name)
    for left in place.iterdir():
        if _OWN.fullmatch(left.name) and left.name not in names:
            left.unlink()


def _write_archive(folder: Path, output: Path, progress: TaskProgress | None) -> None:
    paths = sorted(folder.iterdir())
    total, before = sum(path.stat().st_size for path in paths), 0
    with files.atomic_write(output) as out, gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in paths:
                member = tarfile.TarInfo(path.name)
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(member, cast(IO[bytes], _Reported(file, before, total, progress)))
                before += member.size


class _Reported:
    """A file that is read from its beginning, and reports how much of all files has been read."""

    def __init__(self, file: IO[bytes], before: int, total: int, progress: TaskProgress | None) -> None:
        self._file, self._done, self._total, self._progress = file, before, total, progress

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        earlier, self._done = self._done, self._done + len(data)
        if self._progress and earlier // _MEGABYTE != self._done // _MEGABYTE:
            self._progress(self._done // _MEGABYTE, self._total // _MEGABYTE)
        return data
