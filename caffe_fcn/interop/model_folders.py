"""A net with its weights, wherever they lie: a net folder, a run, a bundle, a job of DIGITS, or an archive.

with open_model("runs/roads") as model:         # or a .tar.gz, .tgz, .tar.bz2, .tar, .zip
    engine = engines.load(model.net, model.weights)

| place | what is taken |
|---|---|
| net folder, bundle | its deploy.prototxt and its one weights file |
| run | its deploy.prototxt and a snapshot: the chosen one, or else the newest that is whole |
| archive of a bundle | the same, unpacked into a temporary folder; it has a ``model.json`` |
| job or archive of DIGITS | its deploy net and its last snapshot, described as `digits` does |

What describes the net (``model.json``, the mean image) lies beside the net.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from caffe_fcn import files
from caffe_fcn.description import dataset_json, model_json
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.file_names import DEPLOY_FILE, SNAPSHOT_FOLDER
from caffe_fcn.files import PathLike
from caffe_fcn.interop import digits
from caffe_fcn.interop.job_files import MOST_BYTES, JobFiles, open_job
from caffe_fcn.training.snapshots import CHOSEN_FILE
from caffe_fcn.weights import open_weights

_WEIGHTS_SUFFIXES = (".caffemodel", ".caffemodel.h5", ".npz", ".safetensors")
_SNAPSHOT = re.compile(r".+_iter_(?P<iteration>[0-9]{1,18})\.caffemodel(\.h5)?")
_OF_DIGITS = re.compile(r"info\.json|status\.pickle|snapshot_iter_[0-9]+\.caffemodel(\.h5)?")
_MOST_OTHERS = 1 << 28  # bytes of a file that is not weights; the largest are mean images
_MOST_NAMED = 5


@dataclass(frozen=True)
class ModelFolder:
    """A deploy net, and the weights that it runs with; ``notes`` say what was chosen or passed over.

    ``place`` is what the caller named: the net may lie in a temporary folder.
    """

    net: Path
    weights: Path
    notes: tuple[str, ...] = ()
    place: Path = Path()

    def name_place(self, text: str) -> str:
        """Return a message about the net with the place in it that the user knows, not the temporary folder."""
        return _rename(text, self.net.parent, self.place)


@contextmanager
def open_model(path: PathLike) -> Iterator[ModelFolder]:
    """Find the net and the weights at ``path``; files of an archive are removed when the block ends.

    Raises `FileError` where there is no deploy.prototxt, no weights file or more than one, and where an archive is
    damaged or not to be trusted; errors in a job of DIGITS are those of `import_job`.
    """
    place = Path(path)
    with files.naming_errors(path):
        is_folder = place.is_dir()
    if is_folder and not _is_job(place):
        yield _open_folder(place, place)
        return
    with TemporaryDirectory(prefix="caffe-fcn-") as temporary:
        folder = Path(temporary)
        try:
            with open_job(path) as source:
                yield _unpack(source, folder, place)
        except CaffeFcnError as error:
            for part in ("where", "what", "mend"):
                setattr(error, part, _rename(getattr(error, part), folder, place))
            raise


@contextmanager
def open_deploy_net(path: PathLike) -> Iterator[Path]:
    """Find the deploy net at ``path``, as `open_model` does; the folder of a net that is not trained yet will do."""
    net = Path(path) / DEPLOY_FILE
    if net.is_file():
        yield net
        return
    with open_model(path) as model:
        yield model.net


def find_weights(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the weights in the folder of a net or a run, and notes on the choice; raises `FileError`."""
    notes: list[str] = []
    for snapshot in _order_snapshots(folder / SNAPSHOT_FOLDER):
        fault = _find_fault(snapshot)
        if not fault:
            return snapshot, (*notes, f"the weights are {snapshot}")
        notes.append(f"{fault}: it is passed over")
    beside = sorted(each for each in _list(folder) if each.name.endswith(_WEIGHTS_SUFFIXES))
    if len(beside) == 1:
        return beside[0], tuple(notes)
    if not beside:
        what = "has no whole snapshot" if notes else f"has no weights, neither beside {DEPLOY_FILE} nor in snapshot/"
        raise FileError(folder, what, "train the net, or give the `net` and its `weights`")
    names = ", ".join([each.name for each in beside[:_MOST_NAMED]] + ["..."] * (len(beside) > _MOST_NAMED))
    mend = f"give `net` and `weights`: {DEPLOY_FILE} and one of them"
    raise FileError(folder, f"has several weights files: {names}", mend)


def _open_folder(folder: Path, place: Path) -> ModelFolder:
    net = folder / DEPLOY_FILE
    if not net.is_file():
        if (folder / dataset_json.FILE).exists():
            raise FileError(folder, "is a data set, and has no net", "name the folder of a net, a run or a bundle")
        above = (folder / "..").resolve()
        mend = f"name {above}" if (above / DEPLOY_FILE).is_file() else "name the folder of a net, a run or a bundle"
        raise FileError(folder, f"has no {DEPLOY_FILE}", mend)
    return ModelFolder(net, *find_weights(folder), place)


def _unpack(source: JobFiles, folder: Path, place: Path) -> ModelFolder:
    """Write the net of an archive, or of a job of DIGITS, into ``folder``."""
    if model_json.FILE not in source.names:
        found = digits.unpack_job(source, folder)
        return ModelFolder(folder / DEPLOY_FILE, found.weights, tuple(found.notes), place)
    left = MOST_BYTES
    for name in source.names:
        most = digits.MOST_WEIGHTS if name.endswith(_WEIGHTS_SUFFIXES) else _MOST_OTHERS
        left -= _copy(source, name, folder / name, min(left, most))
    return _open_folder(folder, place)


def _copy(source: JobFiles, name: str, target: Path, most: int) -> int:
    """Copy a file of an archive; returns its size."""
    with files.naming_errors(target), target.open("xb") as out:
        return sum(out.write(block) for block in source.read_blocks(name, most))


def _is_job(folder: Path) -> bool:
    """Whether a folder is that of a DIGITS job; once imported, it has a ``model.json``."""
    names = {each.name for each in _list(folder)}
    return model_json.FILE not in names and any(_OF_DIGITS.fullmatch(name) for name in names)


def _order_snapshots(folder: Path) -> list[Path]:
    """Return the snapshots in a folder: the chosen one, then those of the training, the newest first."""
    chosen, by_age = [], []
    for each in _list(folder):
        if each.name in (CHOSEN_FILE, f"{CHOSEN_FILE}.h5"):
            chosen.append(each)
        elif match := _SNAPSHOT.fullmatch(each.name):
            by_age.append((int(match["iteration"]), each))
    return [*chosen, *(each for _, each in sorted(by_age, reverse=True))]


def _find_fault(weights: Path) -> str:
    """Return what is wrong with a snapshot, or an empty text: a training that is killed may leave half a file."""
    try:
        with open_weights(weights) as opened:
            return "" if any(layer.tensors for layer in opened.layers) else f"{weights}: has no weights"
    except CaffeFcnError as error:
        return f"{error.where}: {error.what}"


def _list(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with files.naming_errors(folder):
        return sorted(each for each in folder.iterdir() if each.is_file())


def _rename(text: str, folder: Path, place: Path) -> str:
    """Return a message with the place that the user named in place of a folder that is made of it."""
    if folder == place:
        return text
    separator = "/" if place.is_dir() else ":"
    return text.replace(f"{folder}/", f"{place}{separator}").replace(str(folder), str(place))
