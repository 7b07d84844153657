"""A model job of DIGITS while it is read: its prototxts, its snapshot, and the data set job beside it.

The folder of a model job has deploy.prototxt, train_val.prototxt, solver.prototxt, original.prototxt (the net before
DIGITS split it) and snapshot_iter_N.caffemodel; that of a data set job has train_db, val_db, labels.txt and
mean.binaryproto. All jobs lie in one folder. An archive that DIGITS gives for download has the files of a model job,
mean.binaryproto and labels.txt of its data set job, and info.json, which names them.

DIGITS keeps the rest of what it knows in status.pickle. That file is not read: unpickling runs code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError, PrototxtError
from caffe_fcn.file_names import DEPLOY_FILE, SOLVER_FILE, TRAIN_VAL_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.job_files import JobFiles
from caffe_fcn.interop.job_paths import locate_path
from caffe_fcn.net.file_paths import find_paths
from caffe_fcn.proto import NetParameter, SolverParameter, UnknownField, parse, read_net, upgrade_message

LABELS_FILE, MEAN_FILE = "labels.txt", "mean.binaryproto"
MOST_TEXT = 16 << 20
"""The largest text file that is read."""

_INFO_FILE = "info.json"
_DATABASES = ("train_db", "val_db", "test_db")
_SNAPSHOT = re.compile(r".*_iter_(?P<iteration>[0-9]{1,18})\.caffemodel(\.h5)?")
MOST_MEAN = 1 << 28

_Message = TypeVar("_Message", NetParameter, SolverParameter)


def find_data_folder(job: PathLike) -> Path | None:
    """Return the folder of the data set job of the model job in the folder ``job``, trained or not.

    Returns None where ``job`` has no net to train. Raises `FileError` where the databases of that net are not here.
    """
    folder = Path(job)
    path = folder / TRAIN_VAL_FILE
    if not path.is_file():
        return None
    found = _find_data_folder(read_net(path, allow_unknown=True), [folder, folder.absolute().parent])
    if found is None:
        what = f"is a model job, and the databases of its {TRAIN_VAL_FILE} are not here"
        raise FileError(folder, what, "name the folder of its data set job")
    return found


def _find_data_folder(net: NetParameter, folders: Sequence[Path]) -> Path | None:
    """Return the folder that has one of the databases that a net reads, looked for below ``folders``."""
    for _, _, path in find_paths(net):
        place = locate_path(path, folders)
        for each in (place, *place.parents) if place is not None else ():
            if each.name in _DATABASES:
                return each.parent
    return None


class ModelJob:
    """The files of a model job, under the names that info.json or DIGITS itself gives them.

    ``data`` is the folder of its data set job, or None where it lies beside the model job or is not here.
    Raises `FileError` for what is no model job of Caffe, `PrototxtError` and `NetError` for a damaged prototxt.
    """

    def __init__(self, source: JobFiles, data: Path | None, allow_unknown: bool) -> None:
        self.source = source
        self.unknown_fields: list[UnknownField] = []
        self._allow_unknown = allow_unknown
        self._info = self._read_info()
        self._require_caffe()
        self.deploy = self._read_prototxt(self._find("deploy file", DEPLOY_FILE), NetParameter)
        self.train_val = self._read_optional("train_val file", TRAIN_VAL_FILE, NetParameter)
        self.solver = self._read_optional("solver file", SOLVER_FILE, SolverParameter)
        self.snapshot = self._find_snapshot()
        folders = [data, data and data.parent, source.folder, source.folder and source.folder.absolute().parent]
        self._folders = [folder for folder in folders if folder is not None]
        self.data = data or self._find_data()

    def locate(self, path: str) -> Path | None:
        """Return what a path of the job's prototxts names on this machine, or None where it is not here."""
        return locate_path(path, self._folders)

    def read_labels(self) -> bytes | None:
        """Return labels.txt, of the job or of its data set job; None where neither has one."""
        name = self._find("labels file", LABELS_FILE)
        if name in self.source.names:
            return self.source.read(name, MOST_TEXT)
        return files.read_bytes(found) if (found := self._find_in_data(LABELS_FILE)) else None

    def read_mean(self, path: str) -> tuple[bytes, str] | None:
        """Return the mean image of the job, or of its data set job, and its location; None where there is none.

        ``path`` is where the prototxts say that it lies.
        """
        name = self._find("mean file", MEAN_FILE)
        if name in self.source.names:
            return self.source.read(name, MOST_MEAN), self.source.locate(name)
        found = (self.locate(path) if path else None) or self._find_in_data(MEAN_FILE, f"train_db/{MEAN_FILE}")
        return (files.read_bytes(found), str(found)) if found is not None and found.is_file() else None

    def _find(self, entry: str, usual: str) -> str:
        """Return the name of a file of the job: the one in info.json if it is here, or else the usual one."""
        name = self._info.get(entry)
        return name if isinstance(name, str) and name in self.source.names else usual

    def _find_data(self) -> Path | None:
        """Return the folder of the data set job: it has one of the databases that the net reads."""
        return None if self.train_val is None else _find_data_folder(self.train_val, self._folders)

    def _find_in_data(self, *names: str) -> Path | None:
        return next((path for name in names if self.data and (path := self.data / name).is_file()), None)

    def _read_info(self) -> dict[str, Any]:
        if _INFO_FILE not in self.source.names:
            return {}
        try:
            info = strict_json.parse(self.source.read(_INFO_FILE, MOST_TEXT))
        except ValueError as error:
            raise FileError(self.source.locate(_INFO_FILE), f"is not JSON: {error}", "fetch it again") from error
        return info if isinstance(info, dict) else {}

    def _require_caffe(self) -> None:
        framework = self._info.get("framework", "caffe")
        if framework != "caffe":
            raise FileError(self.source.path, f"has a net of {str(framework)[:40]}", "export it as a net of Caffe")
        if self._find("deploy file", DEPLOY_FILE) in self.source.names:
            return
        folder = self.source.folder
        if folder is not None and any((folder / name).is_dir() for name in _DATABASES):
            mend = "name a model job; data sets of DIGITS are read as they are"
            raise FileError(folder, "is a data set job", mend)
        raise FileError(self.source.path, f"has no {DEPLOY_FILE}", "name a model job of DIGITS, or its archive")

    def _read_optional(self, entry: str, usual: str, kind: type[_Message]) -> _Message | None:
        name = self._find(entry, usual)
        return self._read_prototxt(name, kind) if name in self.source.names else None

    def _read_prototxt(self, name: str, kind: type[_Message]) -> _Message:
        where = self.source.locate(name)
        try:
            text = self.source.read(name, MOST_TEXT).decode()
        except UnicodeDecodeError as error:
            raise PrototxtError(where, "is not text in UTF-8", "fetch it again") from error
        message = kind()
        self.unknown_fields += parse(text, message, where, self._allow_unknown)
        upgrade_message(message)
        return message

    def _find_snapshot(self) -> str:
        """Return the name of the snapshot in info.json, or else of the last one."""
        found = {name: match for name in self.source.names if (match := _SNAPSHOT.fullmatch(name))}
        if not found:
            raise FileError(self.source.path, "has no snapshot_iter_N.caffemodel", "name a job that has been trained")
        last = max(found, key=lambda name: (int(found[name]["iteration"]), name))
        named = self._find("snapshot file", last)
        return named if named in found else last
