"""Write a net folder: the prototxts of a named net, and `model.json`, which describes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from caffe_fcn import augmentation, proto
from caffe_fcn import files as disk
from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.file_names import SOLVER_FILE
from caffe_fcn.net.graph import is_all_in_one
from caffe_fcn.netspec.class_weights import MATRIX_FILE, make_matrix
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.model import describe_model
from caffe_fcn.netspec.prototxts import explain_solver, files, weigh_classes
from caffe_fcn.proto import SolverParameter

_ALL_IN_ONE_FILE = "all.prototxt"
_PHASE_FILES = ("train.prototxt", "trainval.prototxt", "val.prototxt", "test.prototxt", _ALL_IN_ONE_FILE)


def write(name: str | NetDesign, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write `files` and ``model.json`` into ``folder``, and make the folder for the solver's snapshots.

    The solver says in comments where its values come from. Where classes have weights, the matrix that the nets read
    is written, too, and comes last. The Python layer of nets that augment what they are trained on is copied beside
    them.

    Returns the paths of the files. All of them appear, or none where one fails to build or to be written. Files of an
    earlier net that this one does not have are removed: the prototxts that the earlier solver names, a net for all
    phases, the matrix, the Python layer. Snapshots stay. Raises `FileError`, and what `build` raises.
    """
    messages = files(name, **options)
    comments = {SOLVER_FILE: explain_solver(name, **options)}
    model = describe_model(name, **options)
    weights = weigh_classes(name, **options)
    into = Path(folder)
    prefix = into / cast(SolverParameter, messages[SOLVER_FILE]).snapshot_prefix
    augments = options.get("augment") is not None
    beside = {MATRIX_FILE: bool(weights), augmentation.FILE.name: augments}
    kept = {*messages, *(file for file, is_written in beside.items() if is_written)}
    left = [path for path in _find_earlier_files(into, list(beside)) if path.name not in kept]
    with disk.make_folder(into), disk.make_folder(prefix.parent), disk.write_together():
        for file, message in messages.items():
            disk.write_text(into / file, proto.to_text(message, comments.get(file)))
        model.write(into)
        if weights:
            with disk.atomic_write(into / MATRIX_FILE) as matrix:
                matrix.write(make_matrix(weights).SerializeToString())
        if augments:
            disk.write_text(into / augmentation.FILE.name, augmentation.FILE.read_text(encoding="utf-8"))
    for path in left:
        with disk.naming_errors(path):
            path.unlink(missing_ok=True)
    return [into / file for file in [*messages, *([MATRIX_FILE] if weights else [])]]


def _find_earlier_files(folder: Path, beside: Sequence[str]) -> list[Path]:
    """The nets that an earlier `write` left in ``folder``, as far as ``model.json`` and the solver there show it.

    The files ``beside`` such nets, which these read, follow.
    """
    if not (folder / model_json.FILE).is_file():
        return []
    try:
        solver = proto.read_solver(folder / SOLVER_FILE, allow_unknown=True)
    except CaffeFcnError:  # there is none, or it is not ours
        return []
    named = {solver.net, solver.train_net, *solver.test_net}
    if _ALL_IN_ONE_FILE in named:  # the form of DIGITS, whose other nets no solver names
        return [folder / name for name in (*_PHASE_FILES, *beside)]
    nets = [name for name in _PHASE_FILES if name in named]
    if _is_all_in_one_file(folder / _ALL_IN_ONE_FILE):
        nets.append(_ALL_IN_ONE_FILE)
    return [folder / name for name in (*nets, *(beside if nets else ()))]


def _is_all_in_one_file(path: Path) -> bool:
    try:
        return path.is_file() and is_all_in_one(proto.read_net(path, allow_unknown=True))
    except CaffeFcnError:
        return False
