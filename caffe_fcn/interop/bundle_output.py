"""How the files of a bundle appear: as a folder or as one archive, whole or not at all.

The files are gathered in a folder beside the output. A rename makes that folder the output; an archive is written from
it, file by file. An archive depends on the content of its files alone: members are in the order of their names, without
owners and times, so that the same bundle has the same checksum wherever and whenever it is made.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.errors import CaffeFcnError, FileError

SUFFIXES = (".tar.gz", ".tgz")

_BLOCK = 1 << 20
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


@contextmanager
def gather_files(output: Path) -> Iterator[Path]:
    """Make a folder beside ``output`` for the files of the block; when it ends, they become ``output``.

    A folder that is there already is replaced. Where the block fails, nothing is left of it. Raises `FileError`, and
    what the block raises, with names of ``output`` in place of the folder's.
    """
    place = Path(os.path.realpath(output))
    folder = files.temporary_name(place.with_name(f"{place.name}.files"))
    with files.make_folder(place.parent):
        files.remove_leftovers(place.with_name(f"{place.name}.files"))
        try:
            with files.naming_errors(output):
                folder.mkdir()
            yield folder
            if is_archive(output):
                _write_archive(folder, output)
            else:
                with files.naming_errors(output):
                    _move_folder(folder, place)
        except CaffeFcnError as error:
            for part in ("where", "what", "mend"):
                setattr(error, part, getattr(error, part).replace(str(folder), str(output)))
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _move_folder(folder: Path, place: Path) -> None:
    """Rename a folder to ``place``; one that is there goes away once the new one has its name."""
    if not place.exists():
        folder.rename(place)
        return
    old = place.with_name(f"{folder.name}-old")
    place.rename(old)
    try:
        folder.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_archive(folder: Path, output: Path) -> None:
    with files.atomic_write(output) as out, gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(folder.iterdir()):
                member = tarfile.TarInfo(path.name)
                member.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(member, file)
