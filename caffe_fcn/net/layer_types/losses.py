"""Losses, measures, and layers that only take."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from caffe_fcn.net.layer_types.row import ANY, LayerType, ends, layer_type, none
from caffe_fcn.net.layer_types.site import Shape, Site

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def is_loss(type_name: str) -> bool:
    """Whether a layer's loss_weight is 1 where the net sets none; a type without a row is judged by its name."""
    return layer_type(type_name).loss or type_name.endswith("Loss")


def _per_label(site: Site) -> None:
    """One label for each vector along the class axis (SoftmaxWithLoss, Accuracy, ...)."""
    axis = site.axis(_class_axis(site))
    shape, labels = site.shapes[0], site.shapes[1]
    if math.prod(shape[:axis]) * math.prod(shape[axis + 1 :]) != math.prod(labels):
        site.fail(f"{site.blob(1)} has not one label for each prediction of {site.blob()}", "let sizes agree")


def _class_axis(site: Site) -> int:
    return int(site.layer.softmax_param.axis if site.layer.type == "SoftmaxWithLoss" else site.param.axis)


def _one_batch(site: Site) -> None:
    """LossLayer::Reshape: data and labels begin with the same axis."""
    if site.shapes[0][:1] != site.shapes[1][:1] or not site.shapes[0]:
        site.fail(f"reads {site.blob()} and {site.blob(1)}", "both need the same first axis")


def _four_axes_at_most(site: Site, *indices: int) -> None:
    """Where Caffe asks for num, channels, height and width."""
    for index in indices:
        if len(site.shapes[index]) > _LEGACY_AXES:
            site.fail(f"reads {site.blob(index)}", f"it takes {_LEGACY_AXES} axes at most")


def _sizes(site: Site, index: int) -> Shape:
    """Channels, height and width of a bottom; axes that it does not have count as 1."""
    _four_axes_at_most(site, index)
    return (*site.shapes[index][1:], 1, 1, 1)[: _LEGACY_AXES - 1]


def _labelled_loss(site: Site) -> list[Shape]:
    _one_batch(site)
    _per_label(site)
    return [(), site.shapes[0]][: max(len(site.layer.top), 1)]


def _infogain_loss(site: Site) -> list[Shape]:
    tops = _labelled_loss(site)
    classes = site.shapes[0][site.axis(site.param.axis)]
    if len(site.shapes) > 2 and math.prod(site.shapes[2]) != classes**2:
        site.fail(f"{site.blob(2)} is not a matrix for {classes} classes", f"it needs {classes} x {classes} values")
    if len(site.shapes) < 3 and not site.param.HasField("source"):
        site.fail("has no matrix", "give it as a third bottom, or as infogain_loss_param { source }")
    if site.layer.loss_param.HasField("normalize"):
        site.fail("has loss_param { normalize }, which Caffe refuses here", "set normalization")
    return tops


def _image_loss(site: Site) -> list[Shape]:
    """One label for each image, whose other axes are all classes (HingeLoss, which ignores further labels)."""
    _one_batch(site)
    _four_axes_at_most(site, 0)
    return [()]


def _logistic_loss(site: Site) -> list[Shape]:
    if _sizes(site, 1) != (1, 1, 1):
        site.fail(f"reads labels {site.blob(1)}", "it takes one label for each image")
    return _image_loss(site)


def _contrastive_loss(site: Site) -> list[Shape]:
    _one_batch(site)
    channels = _sizes(site, 0)[0]
    for index, wanted in enumerate((channels, channels, 1)):
        if _sizes(site, index) != (wanted, 1, 1) or site.shapes[index][:1] != site.shapes[0][:1]:
            site.fail(f"reads {site.blob(index)} beside {site.blob()}", "it takes pairs N x C, and one label each")
    return [()]


def _paired_loss(site: Site) -> list[Shape]:
    _one_batch(site)
    if math.prod(site.shapes[0]) != math.prod(site.shapes[1]):
        site.fail(f"compares {site.blob()} with {site.blob(1)}", "both need one shape")
    return [()]


def _smooth_loss(site: Site) -> list[Shape]:
    _one_batch(site)
    for index in range(1, len(site.shapes)):
        if math.prod(site.shapes[index]) != math.prod(site.shapes[0]) or _sizes(site, index) != _sizes(site, 0):
            site.fail(f"compares {site.blob()} with {site.blob(index)}", "all need one shape")
    return [()]


def _accuracy_tops(site: Site) -> list[Shape]:
    _per_label(site)
    classes = site.shapes[0][site.axis(site.param.axis)]
    if site.param.top_k > classes:
        site.fail(f"has top_k {site.param.top_k} for {classes} classes of {site.blob()}", "lower it")
    return [(), (classes,)][: len(site.layer.top)]


_LEGACY_AXES = 4  # num, channels, height, width


def _by_default(mode: str) -> Callable[[dict[str, Any], LayerParameter], None]:
    """One spelling for how a loss is normalized: ``normalize`` is the older field, and neither means ``mode``."""

    def rule(table: dict[str, Any], layer: LayerParameter) -> None:
        loss = layer.loss_param
        found = table.pop("loss_param.normalization", "VALID" if loss.HasField("normalization") else mode)
        table.pop("loss_param.normalize", None)
        if loss.HasField("normalize") and not loss.HasField("normalization"):
            found = "VALID" if loss.normalize else "BATCH_SIZE"
        table["loss_param.normalization"] = found

    return rule


_loss = partial(LayerType, bottoms=(2, 2), makes=(0, 1), coords=ends, loss=True, reads_scores=True, role="loss")
_normalized = partial(_loss, simplify=_by_default("VALID"))


_measure = partial(LayerType, bottoms=(1, ANY), makes=(0, ANY), coords=ends, reads_scores=True, role="loss")


def _seg_accuracy_tops(site: Site) -> list[Shape]:
    """Pixel accuracy, mean accuracy and mean IU (DeepLab's seg_accuracy_layer.cpp)."""
    return [(1, 1, 1, 3)]


def _pixel_counts(site: Site) -> list[Shape]:
    """Of each class the true positives, false positives and false negatives (Xilinx' segment_pixel_iou_layer.cpp)."""
    return [(3, site.four_axes()[1])]


def _numbers(site: Site) -> list[Shape]:
    """A number for each top."""
    return [()] * len(site.layer.top)


TYPES: dict[str, LayerType] = {
    "BboxAccuracy": _measure(_numbers, fork="mscnn"),
    "DetectionAccuracy": _measure(_numbers, fork="mscnn"),
    "DetectionLoss": _loss(_numbers, bottoms=(1, ANY), fork="mscnn"),
    "IOU": _measure(_numbers, fork="jacinto"),
    "SegAccuracy": _measure(_seg_accuracy_tops, "seg_accuracy_param", bottoms=(2, 3), makes=(1, 1), fork="deeplab"),
    "SegmentPixelIOU": _measure(_pixel_counts, bottoms=(2, 2), makes=(1, 1), fork="xilinx"),
    "WeightedSoftmaxLoss": _loss(_numbers, bottoms=(2, 3), makes=(0, 2), fork="caffe-windows"),
    "Accuracy": LayerType(
        _accuracy_tops,
        "accuracy_param",
        (2, 2),
        (1, 2),
        coords=ends,
        reads_scores=True,
        role="loss",
        unset_means=("ignore_label",),
    ),
    "ContrastiveLoss": _loss(_contrastive_loss, "contrastive_loss_param", bottoms=(3, 3)),
    "EuclideanLoss": _loss(_paired_loss),
    "HDF5Output": LayerType(none, "hdf5_output_param", (2, 2), (0, 0)),
    "HingeLoss": _loss(_image_loss, "hinge_loss_param"),
    "InfogainLoss": _normalized(_infogain_loss, "infogain_loss_param", bottoms=(2, 3), makes=(0, 2)),
    "L1Loss": _loss(_paired_loss),  # NVIDIA's Caffe
    "MultinomialLogisticLoss": _loss(_logistic_loss),
    "SigmoidCrossEntropyLoss": _loss(_paired_loss, simplify=_by_default("BATCH_SIZE")),
    "Silence": LayerType(none, bottoms=(1, ANY), makes=(0, 0)),
    "SmoothL1Loss": _loss(_smooth_loss, bottoms=(2, 4)),  # Fast R-CNN's Caffe
    "SoftmaxWithLoss": _normalized(_labelled_loss, "softmax_param", makes=(0, 2)),
}
