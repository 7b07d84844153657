"""Write a net folder: the prototxts of a named net, and `model.json`, which describes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from caffe_fcn import files as disk
from caffe_fcn import proto
from caffe_fcn.netspec.class_weights import MATRIX_FILE, make_matrix
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.model import describe_model
from caffe_fcn.netspec.prototxts import explain_solver, files, weigh_classes
from caffe_fcn.proto import SolverParameter


def write(name: str | NetDesign, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write `files` and ``model.json`` into ``folder``, and make the folder for the solver's snapshots.

    The solver says in comments where its values come from. Where classes have weights, the matrix that the nets read
    is written, too, and comes last.

    Returns the paths of the files. All of them appear, or none where one fails to build or to be written. Raises
    `FileError`, and what `build` raises.
    """
    messages = files(name, **options)
    comments = {"solver.prototxt": explain_solver(name, **options)}
    model = describe_model(name, **options)
    weights = weigh_classes(name, **options)
    into = Path(folder)
    prefix = into / cast(SolverParameter, messages["solver.prototxt"]).snapshot_prefix
    with disk.make_folder(into), disk.make_folder(prefix.parent), disk.write_together():
        for file, message in messages.items():
            disk.write_text(into / file, proto.to_text(message, comments.get(file)))
        model.write(into)
        if weights:
            with disk.atomic_write(into / MATRIX_FILE) as matrix:
                matrix.write(make_matrix(weights).SerializeToString())
    return [into / file for file in [*messages, *([MATRIX_FILE] if weights else [])]]
