"""The staging folder in which a data set is built, and from which it gets into place.

All files are written into ``DIR/.building``; when all is done they are renamed into ``DIR``, ``dataset.json`` last. A
run that fails removes its staging folder; one that is interrupted or killed leaves it, for a run that resumes.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.datasets.records.database import is_database
from caffe_fcn.description import dataset_json
from caffe_fcn.errors import FileError

STAGING = ".building"
_IDENTITY = "plan.json"


class ResumeError(FileError):
    """What an earlier run left cannot be resumed; it stays as it is."""


@contextmanager
def staging_folder(folder: Path, databases: Iterable[str], identity: str, resume: bool) -> Iterator[Path]:
    """The folder to build in, whose content replaces that of the data set in ``folder`` when the block ends.

    It is removed when the block fails. It stays when the block is interrupted, when its content cannot be resumed, and
    when the data set cannot be put into place. ``databases`` are those that will be built, and ``identity`` is a text
    that is the same for two builds that make the same.

    Raises `FileError` where another run builds, where the build that was begun has another identity, where databases
    would be replaced that no description names, or where that description is damaged.
    """
    _check_free(folder, databases)
    place = folder / STAGING
    with files.make_folder(place), files.naming_errors(place), (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileError(folder, "another run is building there", "wait for it, or name another folder") from error
        resumes = resume and _is_begun(place, identity)
        try:
            if not resumes:
                _empty(place)
                files.write_text(place / _IDENTITY, identity)
            yield place
        except ResumeError:
            raise
        except Exception:  # whatever failed is raised again; only what interrupts a build leaves it to be resumed
            shutil.rmtree(place, ignore_errors=True)
            raise
        _move_into_place(place, folder)
    shutil.rmtree(place)


def _is_begun(staging: Path, identity: str) -> bool:
    """Whether there is a build to resume; raises `FileError` where that has another identity."""
    written = staging / _IDENTITY
    if written.exists() and files.read_bytes(written) != identity.encode():
        raise FileError(
            staging, "what was begun there has other options or files", "name the same ones, or drop `resume`"
        )
    return written.exists()


def _empty(staging: Path) -> None:
    for left in staging.iterdir():
        if left.name != "lock":
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _check_free(folder: Path, names: Iterable[str]) -> None:
    """Raise `FileError` where ``names`` would replace what is not part of the data set in ``folder``, if any."""
    old = _old_names(folder)
    for name in names:
        path = folder / name
        if path.exists() and (name not in old or (path.is_dir() and not is_database(path))):
            what = "is there, and belongs to no data set"
            raise FileError(path, what, "name another folder, or remove it")


def _move_into_place(staging: Path, folder: Path) -> None:
    """Rename what was built into its folder, in place of what was built there before, ``dataset.json`` last."""
    private = {"lock", _IDENTITY, dataset_json.FILE}
    built = [path for path in staging.iterdir() if path.name not in private and path.suffix != ".journal"]
    _check_free(folder, [path.name for path in built if path.is_dir()])
    _remove_old(folder)
    for path in [*built, staging / dataset_json.FILE]:
        path.replace(folder / path.name)


def _old_names(folder: Path) -> set[str]:
    """The files and databases of the data set in ``folder``; raises `FileError` where its description is damaged."""
    try:
        old = dataset_json.read(folder)
    except FileError as error:
        raise FileError(error.where, error.what, "remove it, or name another folder") from error
    if old is None:
        return set()
    names = {old.mean_file, old.infogain_file, *(f"{name}.txt" for name in old.splits)}
    for split in old.splits.values():
        names |= set(split["databases"].values())
    return {name for name in names if name is not None and "/" not in name}


def _remove_old(folder: Path) -> None:
    from caffe_fcn.datasets.build import image_lists

    paths = [folder / name for name in _old_names(folder)]
    old = [path for path in paths if path.is_symlink() or path.is_file()]
    databases = [path for path in paths if path not in old and is_database(path)]
    (folder / dataset_json.FILE).unlink(missing_ok=True)
    for path in old:
        path.unlink()
    for path in databases:
        image_lists.remove(folder, path.name)
        shutil.rmtree(path)
