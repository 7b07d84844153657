"""Losses, measures, and layers that only take."""

from __future__ import annotations

import math
from functools import partial

from caffe_fcn.layer_types.site import ANY, LayerType, Shape, Site, ends, none


def _per_label(site: Site) -> None:
    """One label for each vector along the class axis (SoftmaxWithLoss, Accuracy, ...)."""
    axis = site.axis(_class_axis(site))
    shape, labels = site.shapes[0], site.shapes[1]
    if math.prod(shape[:axis]) * math.prod(shape[axis + 1 :]) != math.prod(labels):
        site.fail(f"{site.blob(1)} has not one label for each prediction of {site.blob()}", "let sizes agree")


def _class_axis(site: Site) -> int:
    if site.layer.type == "Accuracy":
        return int(site.layer.accuracy_param.axis)
    return int(site.layer.softmax_param.axis) if site.layer.type == "SoftmaxWithLoss" else 1


def _labelled_loss(site: Site) -> list[Shape]:
    _per_label(site)
    return [(), site.shapes[0]][: max(len(site.layer.top), 1)]


def _accuracy_tops(site: Site) -> list[Shape]:
    _per_label(site)
    return [(), (site.shapes[0][site.axis(site.param.axis)],)][: len(site.layer.top)]


def _paired_loss(site: Site) -> list[Shape]:
    if site.shapes[0] != site.shapes[1] and math.prod(site.shapes[0]) != math.prod(site.shapes[1]):
        site.fail(f"compares {site.blob()} with {site.blob(1)}", "both need one shape")
    return [()]


def _scalar(site: Site) -> list[Shape]:
    return [()]


_loss = partial(LayerType, bottoms=(2, 2), makes=(0, 1), coords=ends)


TYPES: dict[str, LayerType] = {
    "Accuracy": LayerType(_accuracy_tops, "accuracy_param", (2, 2), (1, 2), coords=ends),
    "ContrastiveLoss": _loss(_scalar, param_name="contrastive_loss_param", bottoms=(3, 3)),
    "EuclideanLoss": _loss(_paired_loss),
    "HDF5Output": LayerType(none, "hdf5_output_param", (2, 2), (0, 0)),
    "HingeLoss": _loss(_labelled_loss, param_name="hinge_loss_param"),
    "InfogainLoss": _loss(_labelled_loss, param_name="infogain_loss_param", bottoms=(2, 3), makes=(0, 2)),
    "L1Loss": _loss(_paired_loss),  # NVIDIA's Caffe
    "MultinomialLogisticLoss": _loss(_labelled_loss),
    "SigmoidCrossEntropyLoss": _loss(_paired_loss),
    "Silence": LayerType(none, bottoms=(1, ANY), makes=(0, 0)),
    "SmoothL1Loss": _loss(_paired_loss, bottoms=(2, 4)),  # Fast R-CNN's Caffe
    "SoftmaxWithLoss": _loss(_labelled_loss, param_name="softmax_param", makes=(0, 2)),
}
