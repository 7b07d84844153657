"""The layer that augments images and labels, between the data layers and the net that is trained.

The data layers then make ``data_original`` and ``label_original``, and the layer makes ``data`` and ``label`` of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from caffe_fcn.augmentation import LAYER, MODULE, ORIGINAL
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.netspec.input_images import find_mean, find_order

_PHOTOS = ("BGR", "grey")


def name_original(top: str) -> str:
    """The name of what a data layer makes, where ``top`` is the augmented blob."""
    return f"{top}{ORIGINAL}"


def make_layer_params(plan: BuildPlan, transforms: Mapping[str, Any], seed: int) -> dict[str, str]:
    """The fields of the layer's python_param."""
    images = plan.net.dataset.images
    label = {"kind": "label", "outside": plan.ignore_param.get("ignore_label", 0)}
    bottoms = [*(_describe_image(plan, *image) for image in images.items()), *(label for _ in plan.net.dataset.labels)]
    param = {"transforms": dict(transforms), "seed": seed, "bottoms": bottoms}
    return {"module": MODULE, "layer": LAYER, "param_str": json.dumps(param)}


def _describe_image(plan: BuildPlan, blob: str, channels: int) -> dict[str, Any]:
    """A photo or planes: the values of the mean and of black, as the data layer gives them."""
    is_first = blob == next(iter(plan.net.dataset.images))
    if not is_first or find_order(plan, blob, channels) not in _PHOTOS:
        return {"kind": "planes", "outside": 0}
    if plan.subtracts_mean:
        return {"kind": "photo", "outside": plan.mean[0], "black": 0}
    scale = plan.net.dataset.scale
    return {"kind": "photo", "outside": 0, "black": [-value * scale for value in find_mean(plan, blob)]}
