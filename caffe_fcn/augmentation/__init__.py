"""Joint augmentation of images and labels: flips, scales, rotations, crops, colours.

    transforms = parse_transforms("flip,scale=0.75:1.25,crop=320x320")

- `joint_augmentation`: the layer, the arithmetic, and the table of transforms. It stands alone, as pycaffe runs it in
  a Python that lacks this package: `netspec.write` copies it beside the prototxts that name it
- `spelling`: transforms as text
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.augmentation.spelling import parse_transforms

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter

__all__ = ["FILE", "LAYER", "MODULE", "ORIGINAL", "is_augmentation", "parse_transforms"]

ORIGINAL = "_original"
"""What the names of blobs from data layers end in where the augmented ones have their names."""

MODULE, LAYER = "joint_augmentation", "JointAugmentation"
FILE = Path(__file__).with_name(f"{MODULE}.py")


def is_augmentation(layer: LayerParameter) -> bool:
    """Whether a layer of a net is the one of `joint_augmentation`."""
    return (layer.python_param.module, layer.python_param.layer) == (MODULE, LAYER)
