"""Weights files and what is done to them: no Caffe, no whole model in memory.

- `open_weights`, `save_weights`, `convert`: files of all formats, as handles on parameters
- `transplant`: a classifier's weights into another net
- `expand`, `select`: the same into a net of other classes; `edits`: changes on the way
- `interp`: the same with interpolating upscore layers; `change_channels`, `fold_mean`: other images
- `fold`: BatchNorm and Scale into the convolution before them
- `recipe`: the named surgeries of the FCN family
- `verify`: whether an FCN computes what its classifier computes
- `differences`, `not_finite`: looking at the numbers
- `read_mean`, `write_mean`, `mean_of`, `per_channel`: image means

Each comes from the module below, which is imported when one of its names is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_fcn.surgery.channels import FoldedMean, change_channels, fold_mean
    from caffe_fcn.surgery.classes import expand, interp, select
    from caffe_fcn.surgery.comparison import Difference, NotFinite, differences, not_finite
    from caffe_fcn.surgery.edits import Edit
    from caffe_fcn.surgery.folding import Folded, fold
    from caffe_fcn.surgery.layers import Layer, Weights
    from caffe_fcn.surgery.means import mean_of, per_channel, read_mean, write_mean
    from caffe_fcn.surgery.recipes import RECIPES, Recipe, find_recipe, recipe
    from caffe_fcn.surgery.tensors import Tensor
    from caffe_fcn.surgery.transplanting import Donor, Parameter, Report, transplant
    from caffe_fcn.surgery.verification import Verification, verify
    from caffe_fcn.surgery.weights import convert, open_weights, save_weights

_MODULES = {
    "channels": ["FoldedMean", "change_channels", "fold_mean"],
    "classes": ["expand", "interp", "select"],
    "comparison": ["Difference", "NotFinite", "differences", "not_finite"],
    "edits": ["Edit"],
    "folding": ["Folded", "fold"],
    "layers": ["Layer", "Weights"],
    "means": ["mean_of", "per_channel", "read_mean", "write_mean"],
    "recipes": ["RECIPES", "Recipe", "find_recipe", "recipe"],
    "tensors": ["Tensor"],
    "transplanting": ["Donor", "Parameter", "Report", "transplant"],
    "verification": ["Verification", "verify"],
    "weights": ["convert", "open_weights", "save_weights"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "RECIPES",
    "Difference",
    "Donor",
    "Edit",
    "Folded",
    "FoldedMean",
    "Layer",
    "NotFinite",
    "Parameter",
    "Recipe",
    "Report",
    "Tensor",
    "Verification",
    "Weights",
    "change_channels",
    "convert",
    "differences",
    "expand",
    "find_recipe",
    "fold",
    "fold_mean",
    "interp",
    "mean_of",
    "not_finite",
    "open_weights",
    "per_channel",
    "read_mean",
    "recipe",
    "save_weights",
    "select",
    "transplant",
    "verify",
    "write_mean",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'caffe_fcn.surgery' has no attribute {name!r}")
    return getattr(importlib.import_module(f"caffe_fcn.surgery.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
