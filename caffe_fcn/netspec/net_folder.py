"""Write a net folder: the prototxts of a named net, and `model.json`, which describes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from caffe_fcn import augmentation, proto
from caffe_fcn import files as disk
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.model import describe_model
from caffe_fcn.netspec.prototxts import files
from caffe_fcn.proto import SolverParameter


def write(name: str | NetDesign, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write `files` and ``model.json`` into ``folder``, and make the folder for the solver's snapshots.

    The Python layer of nets that augment what they are trained on is copied beside them.
    Returns the paths of the prototxts. All of the files appear, or none where one fails to build or to be written.
    Raises `FileError`, and what `build` raises.
    """
    messages = files(name, **options)
    model = describe_model(name, **options)
    into = Path(folder)
    prefix = into / cast(SolverParameter, messages["solver.prototxt"]).snapshot_prefix
    with disk.make_folder(into), disk.make_folder(prefix.parent), disk.write_together():
        for file, message in messages.items():
            disk.write_text(into / file, proto.to_text(message))
        model.write(into)
        if options.get("augment") is not None:
            disk.write_text(into / augmentation.FILE.name, augmentation.FILE.read_text(encoding="utf-8"))
    return [into / file for file in messages]
