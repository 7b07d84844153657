"""SYNTHIA-RAND-CVPR16: rendered streets, labelled in colours; twelve classes, counting void."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn.datasets.build.builder import Plan
from caffe_fcn.datasets.build.options import ImportOptions
from caffe_fcn.datasets.formats import folder
from caffe_fcn.datasets.reference_layers.published_sets import SETS
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError
from caffe_fcn.files import PathLike

_SYNTHIA = SETS["synthia"]
_IMAGES, _LABELS = "RGB", ("GT/COLOR", "GT")


def build(
    output: PathLike,
    path: PathLike,
    val_percent: float = 10,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Build from the folder that holds RGB and GT (or GT/COLOR); as `folder.build`."""
    return plan(path, val_percent, options).build(output)


def plan(
    path: PathLike,
    val_percent: float = 10,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does; raises as it does."""
    root = Path(path)
    labels = [root / name for name in _LABELS if (root / name).is_dir()]
    if not labels or not (root / _IMAGES).is_dir():
        raise DatasetError(
            root, f"has no folders {_IMAGES} and {_LABELS[-1]}", "name the folder of SYNTHIA-RAND-CVPR16"
        )
    return folder.plan(
        root / _IMAGES,
        labels[0],
        val_percent=val_percent,
        classes=_SYNTHIA.classes["label"],
        colours=dict(enumerate(_SYNTHIA.palette)),
        encoding="rgb",
        ignore=_SYNTHIA.ignore_label,
        options=options,
        name=_SYNTHIA.name,
    )
