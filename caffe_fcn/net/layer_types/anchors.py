"""The boxes that detectors start from: prior boxes, anchors; and what forks mean by these layers otherwise.

Boxes are corners x1, y1, x2, y2. Prior boxes are shares of the image, anchors are in pixels of the net's input. They
depend on the settings of a layer and on sizes alone, so that they are constants of a net at one size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types.regions import find_ratios
from caffe_fcn.net.layer_types.row import LAYER_TYPES

if TYPE_CHECKING:
    from caffe_fcn.net.layer_types.site import Shape, Site

Array: TypeAlias = Any  # a numpy array

Pair: TypeAlias = tuple[float, float]

CORNER, CENTER_SIZE, CORNER_SIZE = 1, 2, 3  # PriorBoxParameter.CodeType of SSD: how offsets move a prior box


def refuse_other_forks(site: Site) -> None:
    """Raise `NetError` for a layer of detectors with a setting that makes it compute something else."""
    row = LAYER_TYPES[site.layer.type]
    for name in _OTHERWISE.get(site.layer.type, ()):
        given = site.setting(row.param_name, name)
        if any(value.lower() not in _NOTHING for value in given):
            site.fail(f"has {name}, with which it computes something else", "use the Caffe that has it")


_NOTHING = {"0", "0.0", "false", "f"}
_PRIORS = ("faceboxes", "tf", "keras", "yx_order")  # of Synopsys
_REGIONS = ("pad_ratio", "pooled_size")
_OTHERWISE = {
    "DetectionOutput": ("biases",),  # of YOLO v2's fork
    "PSROIPooling": _REGIONS,
    "PriorBox": _PRIORS,
    "PriorBoxClustered": _PRIORS,
    "ROIAlign": _REGIONS,
    "ROIPooling": _REGIONS,
    "Yolov3DetectionOutput": ("gaussian_box",),
}


def require_pairs(site: Site, shape: Shape) -> None:
    """Raise `NetError` unless the prior boxes that a DetectionOutput reads are boxes, and as many variances."""
    if shape[1:2] != (2,) or math.prod(shape) % 8:
        site.fail(f"reads prior boxes {dims(shape)}", "it takes 1 x 2 x 4 for each box")


# Prior boxes


def list_prior_sizes(site: Site) -> list[Pair]:
    """Width and height, in pixels, of each prior box of a place.

    Those of PriorBox have listed sizes, whole numbers, and ratios of their sides (SSD's prior_box_layer.cpp); those of
    PriorBoxClustered have listed widths and heights (prior_box_clustered_layer.cpp of OpenVINO's training toolbox).
    """
    if site.layer.type == "PriorBoxClustered":
        widths, heights = (site.numbers("prior_box_param", name, float) for name in ("width", "height"))
        if len(widths) != len(heights):
            site.fail(f"has {len(widths)} width and {len(heights)} height", "give one of each")
        return list(zip(widths, heights, strict=True))
    least, most = ([int(size) for size in sizes] for sizes in (site.param.min_size, site.param.max_size))
    if most and len(most) != len(least):
        site.fail(f"has {len(least)} min_size and {len(most)} max_size", "give one of each, or no max_size")
    found: list[Pair] = []
    for index, size in enumerate(least):
        found.append((size, size))
        if most:
            found.append((math.sqrt(size * most[index]),) * 2)
        found += [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for ratio in find_ratios(site.layer)[1:]]
    return found


def find_prior_image(site: Site) -> Pair | None:
    """Height and width of the image, where a layer of prior boxes says them; else its second bottom has them."""
    return _find_pair(site, "img", "img_size")


def find_prior_steps(site: Site) -> Pair | None:
    """How many pixels lie between places of prior boxes, where a layer says so; else they divide the image evenly."""
    return _find_pair(site, "step", "step")


def _find_pair(site: Site, stem: str, both: str) -> Pair | None:
    """Height and width of a setting, which may have one field for both."""
    param = site.param
    if param.HasField(f"{stem}_h") or param.HasField(f"{stem}_w"):
        return getattr(param, f"{stem}_h"), getattr(param, f"{stem}_w")
    return (getattr(param, both),) * 2 if param.HasField(both) else None


def list_prior_variances(site: Site) -> list[float]:
    """The variances of a prior box: one, or one for each of its numbers."""
    return list(site.param.variance) or [_VARIANCE]


_VARIANCE = 0.1


def make_priors(site: Site, counts: Sequence[int], image: Sequence[int]) -> Array:
    """The prior boxes of ``counts`` (H, W) places of an image (H, W), and their variances: 1 x 2 x N, in float64."""
    import numpy as np

    found = find_prior_image(site) or (float(image[0]), float(image[1]))
    steps = find_prior_steps(site) or tuple(n / count for n, count in zip(found, counts, strict=True))
    offset = site.param.offset
    y, x = ((np.arange(count, dtype="f8") + offset) * step for count, step in zip(counts, steps, strict=True))
    centres = np.stack(np.broadcast_arrays(x, y[:, None]), 2)[:, :, None]
    halves = np.array(list_prior_sizes(site)) / 2
    scale = np.array(found[::-1])
    boxes = np.concatenate([(centres - halves) / scale, (centres + halves) / scale], 3)
    if site.param.clip:
        boxes = boxes.clip(0, 1)
    variances = np.broadcast_to(list_prior_variances(site), boxes.shape)
    return np.stack([boxes.ravel(), variances.ravel()])[None]


# Anchors


def list_anchors(site: Site) -> list[tuple[float, float, float, float]]:
    """The anchors of a Proposal layer around the place 0, 0, by ratio, then by scale; Faster R-CNN's by default.

    Source: generate_anchors.py of py-faster-rcnn.
    """
    param, made = site.param, []
    for ratio in list(param.ratio) or _RATIOS:
        width = math.floor(math.sqrt(param.base_size**2 / ratio) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in list(param.scale) or _SCALES:
            half = [(side * scale - 1) / 2 for side in (width, height)]
            left, top, right, bottom = ((param.base_size - 1) / 2 + sign * each for sign in (-1, 1) for each in half)
            made.append((left, top, right, bottom))
    return made


_RATIOS, _SCALES = [0.5, 1.0, 2.0], [8.0, 16.0, 32.0]


def place_anchors(site: Site, height: int, width: int) -> Array:
    """The anchors of all places of a map of scores, row by row (H * W * anchors x 4); the corners count as theirs."""
    import numpy as np

    x, y = np.meshgrid(np.arange(width), np.arange(height))
    shifts = np.stack([x, y, x, y], 2)[:, :, None] * site.param.feat_stride
    return (shifts + np.array(list_anchors(site))).reshape(-1, 4)


def list_yolo_anchors(site: Site, index: int) -> tuple[list[Pair], float]:
    """Width and height of each anchor of the cells of one bottom of a YOLO layer, and the pixels that they count in.

    YOLO v2's are in cells; v3's are in pixels of the image, of which ``anchors_scale`` are a cell, and ``mask`` chooses
    those of each bottom.
    """
    param = site.param
    pairs = list(zip(param.biases[::2], param.biases[1::2], strict=False))
    if site.layer.type == "YoloDetectionOutput":
        return pairs[: param.num_box], 1.0
    if len(site.shapes) != param.mask_group_num or len(param.anchors_scale) < len(site.shapes):
        site.fail(f"reads {len(site.shapes)} blobs", "mask_group_num and anchors_scale count them")
    first = index * (len(param.mask) // param.mask_group_num)
    masks = list(param.mask)[first : first + param.num_box]
    return [pairs[mask] for mask in masks], float(param.anchors_scale[index])
