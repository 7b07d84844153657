"""The folder of a net: its prototxts, what describes it, whether it has weights. Reads names, and ``model.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import DEPLOY_FILE, SNAPSHOT_FOLDER, SOLVER_FILE
from caffe_fcn.workspace import contents
from caffe_fcn.workspace.settings import Settings

WEIGHTS = (".caffemodel", ".caffemodel.h5", ".npz", ".safetensors")
LABELS_FILE, CARD_FILE = "labels.txt", "README.md"

_TEXTS = (".prototxt", ".pbtxt")
_ORDER = {"train.prototxt": 0, "val.prototxt": 1, "train_val.prototxt": 2, DEPLOY_FILE: 3, SOLVER_FILE: 9}
_MOST_TEXT = 1 << 20


@dataclass(frozen=True)
class NetFolder:
    """A folder with a net. ``kind`` is net, run or bundle; ``files`` are its prototxts, with the solver last.

    ``weights`` are the names of its weights files, those of snapshots with their folder. ``fault`` says what is wrong
    with its ``model.json``.
    """

    entry: contents.Entry
    kind: str
    files: tuple[str, ...]
    weights: tuple[str, ...]
    model: model_json.Model | None
    fault: CaffeFcnError | None = None

    @property
    def name(self) -> str:
        """Its path from the root of the workspace."""
        return self.entry.name

    @property
    def main_file(self) -> str:
        """The prototxt that is shown first: the deploy net, or else the first one; "" where there is none."""
        return DEPLOY_FILE if DEPLOY_FILE in self.files else (*self.files, "")[0]

    @property
    def solver(self) -> str:
        """The file of its solver; "" where it has none."""
        return SOLVER_FILE if SOLVER_FILE in self.files else ""

    @property
    def can_run(self) -> bool:
        """Whether it has a deploy net and weights."""
        return bool(self.weights) and DEPLOY_FILE in self.files

    def read_text(self, name: str) -> str:
        """Return a text file of the folder, as far as a page shows it; "" where there is none, or a link."""
        path = self.entry.path / name
        if not path.is_file() or path.is_symlink():
            return ""
        with files.naming_errors(path), path.open("rb") as file:
            return file.read(_MOST_TEXT).decode("utf-8", "replace")


def list_folders(settings: Settings) -> list[NetFolder]:
    """Return all folders of a workspace that have a net: nets, bundles, and runs, what changed last first."""
    found = contents.find(settings)
    named = (("net", found.nets), ("bundle", found.bundles), ("run", found.runs))
    return [open_folder(entry, kind) for kind, entries in named for entry in entries]


def find_folder(settings: Settings, name: str) -> NetFolder | None:
    """Return the folder of that name, or None where it is none of a net."""
    found = contents.find(settings)
    for kind, entries in (("net", found.nets), ("bundle", found.bundles), ("run", found.runs)):
        for entry in entries:
            if entry.name == name:
                return open_folder(entry, kind)
    return None


def open_folder(entry: contents.Entry, kind: str) -> NetFolder:
    """Look at a folder with a net."""
    names = _list(entry.path)
    texts = sorted(
        (each for each in names if _is_text(entry.path / each)), key=lambda each: (_ORDER.get(each, 5), each)
    )
    snapshots = [f"{SNAPSHOT_FOLDER}/{each}" for each in _list(entry.path / SNAPSHOT_FOLDER) if each.endswith(WEIGHTS)]
    weights = [each for each in names if each.endswith(WEIGHTS)] + snapshots
    model, fault = None, None
    try:
        model = model_json.read(entry.path)
    except CaffeFcnError as error:
        fault = error
    return NetFolder(entry, kind, tuple(texts), tuple(weights), model, fault)


def _is_text(path: Path) -> bool:
    """Whether a file is a prototxt; a link is none, for it may lead outside."""
    return path.name.endswith(_TEXTS) and not path.is_symlink()


def _list(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError:
        return []
