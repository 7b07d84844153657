"""The user's cache of models: one folder with weights files, and a small JSON beside each that says what it is.

``NAME.caffemodel.json`` has the model's name, the file's size and SHA-256, and where it came from. A file is renamed to
its final name once all of it has arrived and was checked, so a file with a record needs no second look.

Where a model has no published checksum, the record pins the first file: it stays when the file is removed, and the
next download must match it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError

FOLDER_VARIABLE = "CAFFE_FCN_MODELS"

_SECONDS_BETWEEN_TRIES = 0.2

_check = strict_json.object_of(
    {
        "name": strict_json.text,
        "size": strict_json.whole_number(0, strict_json.MOST),
        "sha256": strict_json.text,
        "origin": strict_json.text,
    },
    required=("name", "size", "sha256", "origin"),
)


@dataclass(frozen=True)
class ModelRecord:
    """What the JSON beside a file says: the model, the file's size in bytes, its SHA-256, and where it came from."""

    name: str
    size: int
    sha256: str
    origin: str


@dataclass(frozen=True)
class Kept:
    """A model whose file is in the cache. ``pinned`` tells that its checksum was pinned just now."""

    name: str
    path: Path
    record: ModelRecord
    pinned: bool = False


def cache_folder() -> Path:
    """Return the folder in which models are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get(FOLDER_VARIABLE) or cache / "caffe-fcn" / "models").expanduser()


def find_kept(name: str, folder: Path | None = None) -> Kept | None:
    """Return the model of that name if its file is in the cache."""
    return next((kept for kept in list_kept(folder) if kept.name == name), None)


def list_kept(folder: Path | None = None) -> list[Kept]:
    """List the models whose files are in the cache, published and added ones, by name."""
    folder = folder or cache_folder()
    kept = [(path, read_record(path)) for path in _list_files(folder)]
    return sorted((Kept(record.name, path, record) for path, record in kept if record), key=lambda each: each.name)


def _list_files(folder: Path) -> list[Path]:
    with files.naming_errors(folder):
        records = list(folder.glob("*.json")) if folder.is_dir() else []
    return [path for path in (record.with_suffix("") for record in records) if path.is_file()]


def read_record(path: Path) -> ModelRecord | None:
    """Return the record of the file ``path``, or None where it has none; raises `FileError` for a damaged one."""
    place = record_path(path)
    if not place.exists():
        return None
    try:
        content = strict_json.parse(files.read_bytes(place))
        _check(content, "record")
    except ValueError as error:
        raise FileError(place, f"is not the record of a model: {error}", "remove it") from error
    return ModelRecord(content["name"], content["size"], content["sha256"], content["origin"])


def write_record(path: Path, record: ModelRecord) -> None:
    """Write the record of the file ``path``."""
    files.write_text(record_path(path), json.dumps(asdict(record), indent=1) + "\n")


def record_path(path: Path) -> Path:
    """Return the path of the JSON beside a file."""
    return path.with_name(f"{path.name}.json")


@contextmanager
def lock_model(path: Path, wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time write the file ``path``; another one waits, and calls ``wait`` now and then.

    The lock is one of the operating system's and ends with its process. On a file system without locks there is none.
    """
    lock = path.with_name(f".{path.name}.lock")
    with files.naming_errors(lock):
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while not _try_lock(descriptor):
            wait()
            time.sleep(_SECONDS_BETWEEN_TRIES)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Lock an open file; return False where another process has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks
        return True
    return True
