"""The file of a model by its name: from the cache, or downloaded into it.

A download is checked by size and by every published checksum before it appears under its name. Where nobody published
a checksum, the file must be a weights file, and its SHA-256 is pinned on first use (see `cache`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.files import naming_errors
from caffe_fcn.models.cache import (
    FOLDER_VARIABLE,
    Kept,
    ModelRecord,
    cache_folder,
    find_kept,
    lock_model,
    read_record,
    record_path,
    write_record,
)
from caffe_fcn.models.checksums import PIN, compute_checksums, find_difference
from caffe_fcn.models.download import discard, download
from caffe_fcn.models.names import find_model, unknown_model
from caffe_fcn.models.table import Checksum, Model
from caffe_fcn.progress import TaskProgress
from caffe_fcn.weights import open_weights

MIRROR_VARIABLE = "CAFFE_FCN_MODELS_URL"


def fetch(
    name: str, folder: Path | None = None, mirror: str = "", progress: TaskProgress | None = None, again: bool = False
) -> Kept:
    """Return the model ``name`` of the cache; download it where it is not there.

    ``mirror`` has addresses, separated by spaces, that are asked in place of the published ones; its default is the
    environment variable CAFFE_FCN_MODELS_URL. With ``again`` a file that is there is checked once more.
    Raises `FileError` for a name that no model has, where no address can be reached, for a file that is not the
    published one, and for a full disk.
    """
    folder = folder or cache_folder()
    model = find_model(name)
    if model is None:
        return _find_added(name, folder, again)
    path = folder / model.file
    if not path.exists():
        with naming_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with lock_model(path, _report_other(model, path, progress)):
            if not path.exists():  # another process may have fetched it meanwhile
                return _download_model(model, path, mirror or os.environ.get(MIRROR_VARIABLE, ""), progress)
    return _find_published(model, path, again)


def _report_other(model: Model, path: Path, progress: TaskProgress | None) -> Callable[[], None]:
    """Return what reports how far another process is with its download of the model."""
    part, size = path.with_name(f"{path.name}.part"), model.size.value if model.size else 0

    def report() -> None:
        with suppress(FileNotFoundError):
            if progress:
                progress(part.stat().st_size, size)

    return report


def _find_added(name: str, folder: Path, again: bool) -> Kept:
    kept = find_kept(name, folder)
    if kept is None:
        raise unknown_model(name, folder)
    if again or kept.path.stat().st_size != kept.record.size:
        found = compute_checksums(kept.path, [PIN])[PIN]
        if found != kept.record.sha256:
            raise _explain_change(kept.path, found, kept.record)
    return kept


def _find_published(model: Model, path: Path, again: bool) -> Kept:
    """Return a file that is there; one that was put there by hand is checked."""
    record = read_record(path)
    with naming_errors(path):
        size = path.stat().st_size
    if record and record.size == size and not again:
        return Kept(model.name, path, record)
    difference, found = _check_file(model, path, record)
    if difference:
        raise FileError(path, f"is not the published {model.name}: {difference}", "remove it, and run again")
    pinned = record is None and not model.checksums
    record = record or ModelRecord(model.name, size, found, "put there by hand")
    write_record(path, record)
    return Kept(model.name, path, record, pinned)


def _download_model(model: Model, path: Path, mirror: str, progress: TaskProgress | None) -> Kept:
    addresses = [f"{each.rstrip('/')}/{model.file}" for each in mirror.split()]
    addresses = addresses or [fact.value for fact in model.addresses]
    part = path.with_name(f"{path.name}.part")
    _check_space(model, part)
    pin = read_record(path)
    reasons = []
    for address in addresses:
        reason, found = _download_checked(model, address, part, pin, progress)
        if not reason:
            record = ModelRecord(model.name, part.stat().st_size, found, address)
            write_record(path, record)
            with naming_errors(path):
                part.replace(path)
            discard(part)
            return Kept(model.name, path, record, pinned=pin is None and not model.checksums)
        reasons.append(reason)
    raise _unreachable(model, path, addresses, reasons)


def _download_checked(
    model: Model, address: str, part: Path, pin: ModelRecord | None, progress: TaskProgress | None
) -> tuple[str, str]:
    """Download and check; return what is wrong with the address, or "" and the file's SHA-256.

    A download that went on from an earlier part, and is wrong, is repeated from the beginning.
    """
    size = model.size.value if model.size else 0
    checked = bool(model.checksums or pin)
    for _ in range(2):
        resumed = part.exists()
        if reason := download(address, part, size, checked, progress):
            return f"cannot be fetched: {reason}", ""
        difference, found = _check_file(model, part, pin)
        if not difference:
            return "", found
        discard(part)
        if not resumed:
            break
    return f"is not the published file: {difference}", ""


def _check_file(model: Model, path: Path, pin: ModelRecord | None) -> tuple[str, str]:
    """Return how a file differs from the model's, "" where it does not, and its SHA-256."""
    kinds = {PIN, *(fact.value.kind for fact in model.checksums)}
    digests = compute_checksums(path, kinds)
    difference = find_difference(model, path.stat().st_size, digests)
    if difference or model.checksums:
        return difference, digests[PIN]
    if pin and pin.sha256 != digests[PIN]:
        return f"it has {Checksum(PIN, digests[PIN])}, the first one had {pin.sha256}", digests[PIN]
    if not pin:
        try:
            with open_weights(path):
                pass
        except CaffeFcnError as error:
            return f"it {error.what}", digests[PIN]
    return "", digests[PIN]


def _check_space(model: Model, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    need = model.size.value - have if model.size else 0
    with naming_errors(part.parent):
        free = shutil.disk_usage(part.parent).free
    if need > free:
        what = f"has {free} bytes free, and {model.name} takes {need}"
        raise FileError(part.parent, what, f"free some space, or name another folder in {FOLDER_VARIABLE}")


def _unreachable(model: Model, path: Path, addresses: Sequence[str], reasons: Sequence[str]) -> FileError:
    what = "; ".join([reasons[0], *map(": ".join, zip(addresses[1:], reasons[1:], strict=True))])
    size = f"{model.size.value} bytes" if model.size else "size unknown"
    checksum = str(model.checksums[0].value) if model.checksums else "no published checksum"
    later = "run again to go on from there, or " if path.with_name(f"{path.name}.part").exists() else ""
    elsewhere = f"fetch {model.file} elsewhere, {size}, {checksum}, and put it at {path}"
    return FileError(addresses[0], what, f"{later}{elsewhere}; or name a mirror in {MIRROR_VARIABLE}")


def _explain_change(path: Path, found: str, record: ModelRecord) -> FileError:
    what = f"is not the file that was added: it has {Checksum(PIN, found)}, that had {Checksum(PIN, record.sha256)}"
    return FileError(path, what, f"remove it and {record_path(path).name}, and add it again")
