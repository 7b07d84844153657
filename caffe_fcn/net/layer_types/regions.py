"""Layers of detectors, all of them of forks: boxes that are proposed, pooled, chosen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from caffe_fcn.net.layer_types.row import ANY, LayerType, ends
from caffe_fcn.net.layer_types.site import Shape, Site
from caffe_fcn.proto.kept_fields import kept_values

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter

_FOUR = 4  # numbers of a box
_FOUND = 7  # of a detection: image, class, score, box


def _pool_regions(param_name: str) -> Any:
    """Each region of the second bottom, pooled to pooled_h x pooled_w (Fast R-CNN's roi_pooling_layer.cpp)."""

    def rule(site: Site) -> list[Shape]:
        _, channels, *_ = site.four_axes()
        height, width = (next(iter(site.numbers(param_name, name, int)), 0) for name in ("pooled_h", "pooled_w"))
        if not (height and width):
            site.fail("has no pooled_h and pooled_w", "set both")
        return [(site.shapes[1][0], channels, height, width)]

    return rule


def _psroi_tops(site: Site) -> list[Shape]:
    """Position-sensitive pooling (R-FCN's psroi_pooling_layer.cpp)."""
    _, channels, *_ = site.four_axes()
    group, outputs = site.param.group_size, site.param.output_dim
    if channels != outputs * group**2:
        site.fail(f"takes output_dim x group_size^2 = {outputs * group**2} channels, not {site.blob()}")
    return [(site.shapes[1][0], outputs, group, group)]


# Prior boxes


def find_ratios(layer: LayerParameter) -> list[float]:
    """The ratios of the sides of a PriorBox layer's boxes, the first of which is 1 (SSD's prior_box_layer.cpp)."""
    param = layer.prior_box_param
    ratios = [1.0]
    for ratio in param.aspect_ratio:
        if not any(abs(ratio - known) < _SAME_RATIO for known in ratios):
            ratios += [ratio, 1 / ratio] if param.flip else [ratio]
    return ratios


def _priors(layer: LayerParameter) -> int:
    """How many boxes stand at each place."""
    param = layer.prior_box_param
    return len(find_ratios(layer)) * len(param.min_size) + len(param.max_size)


_SAME_RATIO = 1e-6


def _prior_tops(site: Site) -> list[Shape]:
    *_, height, width = site.four_axes()
    if not site.param.min_size:
        site.fail("has no min_size", "set the sizes of its boxes")
    return [(1, 2, height * width * _priors(site.layer) * _FOUR)]


def _clustered_tops(site: Site) -> list[Shape]:
    """Boxes of listed widths and heights (Intel's PriorBoxClustered)."""
    *_, height, width = site.four_axes()
    count = len(kept_values(site.layer.prior_box_param, "width"))
    if not count:
        site.fail("has no width", "list the widths and heights of its boxes")
    return [(1, 2, height * width * count * _FOUR)]


# What is found


def _detections(site: Site) -> list[Shape]:
    """One row; how many there are depends on the values (SSD's detection_output_layer.cpp).

    The layer of YOLO v2's fork has this name, too, and reads one bottom.
    """
    if site.layer.type == "DetectionOutput" and len(site.shapes) < 3 and not site.param.biases:
        site.fail(f"has {len(site.shapes)} bottoms", "it takes offsets, scores and prior boxes")
    return [(1, 1, 1, _FOUND)]


def _evaluation(site: Site) -> list[Shape]:
    """A row for each class but the background, and one for each detection, of which one is assumed."""
    param = site.param
    classes = param.num_classes - (param.background_label_id != -1)
    return [(1, 1, classes + 1, 5)]


def _proposals(site: Site) -> list[Shape]:
    names = ("post_nms_topn", "post_nms_topN")
    count = next((count for name in names for count in site.numbers("proposal_param", name, int)), 0)
    shapes: list[Shape] = [(count or _PROPOSALS, 1 + _FOUR), (count or _PROPOSALS, 1)]
    return shapes[: len(site.layer.top)]


_PROPOSALS = 300  # RPN_POST_NMS_TOP_N of py-faster-rcnn in tests


def _first(site: Site) -> list[Shape]:
    return [site.shapes[0]] * len(site.layer.top)


def _mask_resize_tops(site: Site) -> list[Shape]:
    """By factors, or to a size (SSTD's mask_resize_layer.cpp)."""
    n, channels, *sizes = site.four_axes()
    param: Any = site.param
    factors = (param.factor_height, param.factor_width)
    outputs = (param.output_height, param.output_width)
    if any(param.HasField(name) for name in ("factor_height", "factor_width")):
        return [(n, channels, *(int(size * factor) for size, factor in zip(sizes, factors, strict=True)))]
    return [(n, channels, *outputs)]


def _losses(site: Site) -> list[Shape]:
    """A number for each top."""
    return [()] * len(site.layer.top)


_region = partial(LayerType, bottoms=(2, 3), coords=ends, role="pooling", regions=1)
_output = partial(LayerType, bottoms=(1, ANY), coords=ends)
_found = partial(_output, open_axis=2)
_loss = partial(LayerType, bottoms=(1, ANY), makes=(0, ANY), coords=ends, loss=True, role="loss")


TYPES: dict[str, LayerType] = {
    "DetectionEvaluate": _output(_evaluation, "detection_evaluate_param", bottoms=(2, 3), fork="ssd"),
    "DetectionOutput": _found(_detections, "detection_output_param", bottoms=(1, 5), fork="ssd"),
    "MaskPooling": LayerType(_first, bottoms=(2, 2), follows=1, fork="sstd"),
    "MaskResize": LayerType(_mask_resize_tops, "mask_resize_param", coords=ends, fork="sstd"),
    "MultiBoxLoss": _loss(_losses, "multibox_loss_param", bottoms=(4, 6), makes=(0, 1), fork="ssd"),
    "PSROIPooling": _region(_psroi_tops, "psroi_pooling_param", bottoms=(2, 2), fork="r-fcn"),
    "PriorBox": _output(_prior_tops, "prior_box_param", bottoms=(2, 2), fork="ssd"),
    "PriorBoxClustered": _output(_clustered_tops, "prior_box_param", bottoms=(2, 2), fork="open_model_zoo"),
    "Proposal": _output(_proposals, "proposal_param", bottoms=(2, 4), makes=(1, 2), fork="faster-rcnn", open_axis=0),
    "ROIAlign": _region(_pool_regions("roi_align_param"), "roi_align_param", fork="ncnn"),
    "ROIPooling": _region(_pool_regions("roi_pooling_param"), "roi_pooling_param", fork="faster-rcnn"),
    "ROIWarping": _region(_pool_regions("roi_warping_param"), fork="MNC"),
    "RegionLoss": _loss(_losses, fork="yolov2"),
    "YoloDetectionOutput": _found(_detections, "yolo_detection_output_param", fork="mobilenet-yolo"),
    "YoloSeg": _loss(_losses, fork="mobilenet-yolo"),
    "Yolov3": _loss(_losses, fork="mobilenet-yolo"),
    "Yolov3DetectionOutput": _found(_detections, "yolov3_detection_output_param", fork="mobilenet-yolo"),
}
