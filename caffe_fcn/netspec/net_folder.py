"""Write a net folder: the prototxts of a named net, and `model.json`, which describes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from caffe_fcn import files as disk
from caffe_fcn import proto
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.model import describe_model
from caffe_fcn.netspec.prototxts import explain_solver, files
from caffe_fcn.proto import SolverParameter


def write(name: str | NetDesign, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write `files` and ``model.json`` into ``folder``, and make the folder for the solver's snapshots.

    The solver says in comments where its values come from.
    Returns the paths of the prototxts. All of the files appear, or none where one fails to build or to be written.
    Raises `FileError`, and what `build` raises.
    """
    messages = files(name, **options)
    comments = {"solver.prototxt": explain_solver(name, **options)}
    model = describe_model(name, **options)
    into = Path(folder)
    prefix = into / cast(SolverParameter, messages["solver.prototxt"]).snapshot_prefix
    with disk.make_folder(into), disk.make_folder(prefix.parent), disk.write_together():
        for file, message in messages.items():
            disk.write_text(into / file, proto.to_text(message, comments.get(file)))
        model.write(into)
    return [into / file for file in messages]
