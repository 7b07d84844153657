"""Data sets for segmentation as LMDBs that Caffe trains on: built, checked, measured, looked at, read back.

    from caffe_fcn import datasets

    datasets.folder.build("set", images="photos", labels="masks", classes=["background", "cat"])
    image, label = datasets.open("set")[0]          # C x H x W (blue first), 1 x H x W

A data set is a folder: ``train_images`` and ``train_labels`` (and ``val_...``) are LMDBs whose records are in
step; ``dataset.json`` describes them; ``mean.binaryproto`` is the mean image where all have one size.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_fcn.datasets import folder, m2nist, published, synthia, triangles, voc
    from caffe_fcn.datasets.building import Way
    from caffe_fcn.datasets.description import Description
    from caffe_fcn.datasets.forms import Form
    from caffe_fcn.datasets.reading import Pairs, open, splits

__all__ = [
    "Description",
    "Form",
    "Pairs",
    "Way",
    "folder",
    "m2nist",
    "open",
    "published",
    "splits",
    "synthia",
    "triangles",
    "voc",
]

# name -> the module that has it; modules by themselves each build one kind of data set
_LAZY = {"Description": "description", "Form": "forms", "Pairs": "reading", "Way": "building"}
_LAZY |= {"open": "reading", "splits": "reading"}
_BUILDERS = {"folder", "m2nist", "published", "synthia", "triangles", "voc"}


def __getattr__(name: str) -> Any:
    if name in _BUILDERS:
        return importlib.import_module(f"caffe_fcn.datasets.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"caffe_fcn.datasets.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'caffe_fcn.datasets' has no attribute {name!r}")
