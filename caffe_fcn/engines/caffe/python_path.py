"""Where real Caffe finds the Python layers of a net."""

from __future__ import annotations

import os
from pathlib import Path

from caffe_fcn import augmentation
from caffe_fcn.datasets import reference_layers

LAYER_FOLDERS = (Path(reference_layers.__file__).parent, augmentation.FILE.parent)
"""The folders of this package that have Python layers for real Caffe."""


def make_python_path() -> str:
    """Return a PYTHONPATH for real Caffe: the user's own folders first, then those of this package's layers.

    The user's folders become absolute, because Caffe may run in another folder.
    """
    own = [str(Path(each).absolute()) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    return os.pathsep.join([*own, *map(str, LAYER_FOLDERS)])
