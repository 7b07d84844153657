"""What is in a workspace: data sets, nets, runs and bundles, found by their files.

    contents.find(settings).runs

A folder is what its files make it, whoever wrote them:

| kind | has |
|---|---|
| data set | ``dataset.json``; or databases of splits, as DIGITS and others leave them; or is one LMDB |
| bundle | ``deploy.prototxt``, ``model.json``, weights beside them, and no solver |
| run | a net folder with snapshots, or any folder with the log of a training, beside it or in ``snapshot/`` |
| net | ``deploy.prototxt``, or a solver with its nets |

Folders are looked for four deep; those of a dot, and those inside a data set or a snapshot folder, are passed over.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn.description import dataset_json
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE, SNAPSHOT_FOLDER, SOLVER_FILE
from caffe_fcn.workspace.settings import Settings

DEPTH = 4
_LMDB = "data.mdb"
_SPLITS = {form.format(split) for form in ("{}_db", "{}_images") for split in ("train", "val", "test")}
WEIGHTS_SUFFIXES = (".caffemodel", ".caffemodel.h5", ".npz", ".safetensors")
_LOGS = {"train.jsonl", "train.log", "caffe_output.log"}
_NETS = (DEPLOY_FILE, "train.prototxt", "train_val.prototxt", "trainval.prototxt")


@dataclass(frozen=True)
class Entry:
    """A folder of the workspace; ``name`` is its path from the root, ``changed`` seconds since 1970."""

    name: str
    path: Path
    changed: float


@dataclass
class Contents:
    """Everything in a workspace, each kind sorted by what changed last."""

    datasets: list[Entry] = field(default_factory=list)
    nets: list[Entry] = field(default_factory=list)
    runs: list[Entry] = field(default_factory=list)
    bundles: list[Entry] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing yet."""
        return not (self.datasets or self.nets or self.runs or self.bundles)


def find(settings: Settings) -> Contents:
    """Find what is in a workspace. Reads names of files, and none of their contents."""
    found = Contents()
    _search(settings.root.resolve(), settings.root.resolve(), found, 0)
    for group in (found.datasets, found.nets, found.runs, found.bundles):
        group.sort(key=lambda entry: (-entry.changed, entry.name))
    return found


def _search(root: Path, folder: Path, found: Contents, depth: int) -> None:
    try:
        with os.scandir(folder) as entries:
            inside = {entry.name: entry for entry in entries}
            folders = sorted(
                name
                for name, entry in inside.items()
                if not name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError:  # removed meanwhile, or not ours to read
        return
    kind = _classify(folder, set(inside)) if depth else None
    if kind is not None:
        changed = max((_read_time(inside[name]) for name in inside), default=0.0)
        group: list[Entry] = getattr(found, kind)
        group.append(Entry(folder.relative_to(root).as_posix(), folder, changed))
    if kind == "datasets" or depth >= DEPTH:
        return
    for name in folders:
        if name != SNAPSHOT_FOLDER:
            _search(root, folder / name, found, depth + 1)


def _classify(folder: Path, names: set[str]) -> str | None:
    """Return the group of `Contents` that a folder with these names belongs to."""
    if dataset_json.FILE in names or _LMDB in names or (names & _SPLITS and _has_databases(folder)):
        return "datasets"
    if names & _LOGS:
        return "runs"
    if SNAPSHOT_FOLDER in names:
        inside = _list_names(folder / SNAPSHOT_FOLDER)
        if inside and (DEPLOY_FILE in names or SOLVER_FILE in names or _LOGS & set(inside)):
            return "runs"
    if DEPLOY_FILE in names and SOLVER_FILE not in names and any(name.endswith(WEIGHTS_SUFFIXES) for name in names):
        return "bundles"
    return "nets" if SOLVER_FILE in names or any(name in names for name in _NETS) else None


def _has_databases(folder: Path) -> bool:
    from caffe_fcn.datasets.records import opening  # imports numpy

    try:
        return bool(opening.splits(folder))
    except CaffeFcnError:
        return False


def _list_names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if not each.name.startswith(".")]
    except OSError:
        return []


def _read_time(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0
