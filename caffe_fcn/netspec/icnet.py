"""ICNet (Zhao et al., 2018): a narrow PSPNet on a quarter of the image, mended by what half of it and all of it say.

The names are those of icnet_cityscapes_bnnomerge.prototxt in github.com/hszhao/ICNet. What the image at half its size
goes through is shared up to conv3_1. Sizes of images are 32n + 1. Training has a loss at each of the three scales, with
the weights of the paper, from labels that are taken at the scale's positions.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.losses import make_loss
from caffe_fcn.netspec.pspnet import BINS, add_bottleneck, add_conv, add_stem, check_bins, mean_of_bins
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_SCORE: dict[str, Any] = {
    "kernel_size": 1,
    "weight_filler": {"type": "msra"},
    "param": [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 1}],
}


def add_icnet(n: NetSpec, plan: BuildPlan) -> None:
    """The whole net."""
    add_inputs(n, plan)
    frozen = plan.batch == 1
    features = plan.add_backbone(n, preprocess_image(n, plan), frozen=frozen)
    n.conv5_3_sum = L.Eltwise(features, *reversed(_add_pyramid(n, plan, features)))
    top = add_conv(n, "conv5_4_k1", n.conv5_3_sum, 256, frozen=frozen)
    n.conv5_4_interp = L.Interp(top, zoom_factor=2)
    _fuse(n, "sub24_sum", "conv_sub4", n.conv5_4_interp, "conv3_1_sub2_proj", n["conv3_1/relu"], frozen)
    top = n.data_sub1
    for number, width in ((1, 32), (2, 32), (3, 64)):
        top = add_conv(n, f"conv{number}_sub1", top, width, 3, 2, frozen=frozen)
    _fuse(n, "sub12_sum", "conv_sub2", n.sub24_sum_interp, "conv3_sub1_proj", top, frozen)
    n.conv6_cls = L.Convolution(n.sub12_sum_interp, num_output=plan.classes[0], **_SCORE)
    if plan.training:
        _add_losses(n, plan)
    if plan.includes("deploy"):
        n.score = L.Interp(n.conv6_cls, zoom_factor=4, name="conv6_interp", **plan.include_rule("deploy"))


def _add_half_and_quarter(n: NetSpec, image: Top, pad: int, training: bool, frozen: bool) -> Top:
    """The features of a quarter of the image, at stride 32 of the image itself."""
    n.data_sub1 = L.Scale(image)
    n.data_sub2 = L.Interp(n.data_sub1, shrink_factor=2)
    top = add_stem(n, n.data_sub2, 32, pad, frozen)
    for stage, count, dilation in ((2, 3, 1), (3, 4, 1), (4, 6, 2), (5, 3, 4)):
        for number in range(1, count + 1):
            first = number == 1
            stride = 2 if first and stage == 3 else 1
            name = f"conv{stage}_{number}"
            top = add_bottleneck(n, name, top, 8 * 2**stage, stride, dilation, project=first, frozen=frozen)
            if name == "conv3_1":
                n.conv3_1_sub4 = top = L.Interp(top, shrink_factor=2)
    return top


def _add_pyramid(n: NetSpec, plan: BuildPlan, features: Top) -> list[Top]:
    """Means over the whole image, halves, thirds and sixths, interpolated to the size of the features."""
    height, width = size = ((plan.size[0] - 1) // 32 + 1, (plan.size[1] - 1) // 32 + 1)
    check_bins(plan, size)
    least = min(size) - 1
    tops = []
    for bins in BINS:
        # one stride on the shorter axis, the other in proportion; all of it where there is one bin
        strides = size if bins == 1 else (least // bins * (height - 1) // least, least // bins * (width - 1) // least)
        n[f"conv5_3_pool{bins}"] = mean_of_bins(features, bins, size, strides)
        n[f"conv5_3_pool{bins}_interp"] = L.Interp(n[f"conv5_3_pool{bins}"], height=height, width=width)
        tops.append(n[f"conv5_3_pool{bins}_interp"])
    return tops


def _fuse(n: NetSpec, name: str, coarse: str, below: Top, fine: str, beside: Top, frozen: bool) -> None:
    """Add the cascade feature fusion of two scales, and its interpolation to twice the size."""
    first = add_conv(n, coarse, below, 128, 3, dilation=2, relu=False, frozen=frozen)
    second = add_conv(n, fine, beside, 128, relu=False, frozen=frozen)
    n[name] = L.Eltwise(second, first)
    n[f"{name}/relu"] = L.ReLU(n[name], in_place=True)
    n[f"{name}_interp"] = L.Interp(n[f"{name}/relu"], zoom_factor=2)


def _add_losses(n: NetSpec, plan: BuildPlan) -> None:
    """Cascade label guidance: the scores of the coarser scales are for training alone."""
    rule = plan.exclude_rule("deploy")
    for shrink in (4, 8, 16):
        n[f"label_{shrink}"] = L.Interp(n.label, shrink_factor=shrink, **rule)
    add_loss(n, plan, n.conv6_cls, "label_4")
    for name, bottom, shrink, weight in (("sub4", n.conv5_4_interp, 16, 0.16), ("sub24", n.sub24_sum_interp, 8, 0.4)):
        n[f"{name}_out"] = L.Convolution(bottom, num_output=plan.classes[0], **_SCORE, **rule)
        loss = {**plan.ignore_param, "normalize": True}
        n[f"{name}_loss"] = make_loss(plan, n[f"{name}_out"], n[f"label_{shrink}"], weight, **loss)


CASCADE = Backbone("ICNet", _add_half_and_quarter, pad=1, stride=32, skips={})
