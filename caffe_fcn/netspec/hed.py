"""HED (Xie and Tu, 2015), holistically-nested edge detection: an edge map from each block of VGG-16, and their fusion.

The names are those of github.com/s9xie/hed. Labels are 1 on an edge and 0 elsewhere. Each map has a loss of its own,
which is summed over the pixels; the authors' fork weighs edges by how rare they are, BVLC's Caffe does not. A deploy
net gives the fused map as grey values: its probabilities times 255.
"""

from __future__ import annotations

from caffe_fcn import offsets
from caffe_fcn.netspec.backbones.plain import vgg16_blocks
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, conv_relu, max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_SLOW = [{"lr_mult": 0.01, "decay_mult": 1}, {"lr_mult": 0.02, "decay_mult": 0}]
_FAST = [{"lr_mult": 100, "decay_mult": 1}, {"lr_mult": 200, "decay_mult": 0}]
_FROZEN = [{"lr_mult": 0, "decay_mult": 1}, {"lr_mult": 0, "decay_mult": 0}]


def add_hed(n: NetSpec, plan: BuildPlan) -> None:
    """The whole net."""
    add_inputs(n, plan)
    plan.add_backbone(n, preprocess_image(n, plan))
    for block, layers, _ in vgg16_blocks():
        _add_side_output(n, block, n[f"relu{layers[-1]}"])
    sides = [n[f"upscore-dsn{block}"] for block, *_ in vgg16_blocks()]
    n["concat-upscore"] = L.Concat(*sides, name="concat")
    n.score = L.Convolution(
        n["concat-upscore"],
        num_output=1,
        kernel_size=1,
        weight_filler={"type": "constant", "value": 0.2},
        param=_SLOW,
        name="new-score-weighting",
    )
    if plan.training:
        for number, top in enumerate([*sides, n.score], 1):
            name = "loss" if top is n.score else f"dsn{number}_loss"
            rules = plan.exclude_rule("deploy")
            n[name] = L.SigmoidCrossEntropyLoss(top, n.label, loss_param={"normalize": False}, **rules)
    if plan.includes("deploy"):
        rules = plan.include_rule("deploy")
        n["sigmoid-fuse"] = L.Sigmoid(n.score, **rules)
        n.edges = L.Power(n["sigmoid-fuse"], scale=255, **rules)


def _add_side_output(n: NetSpec, block: int, features: Top) -> None:
    """The map of a block, brought to the image's size by a bilinear kernel and cropped."""
    name, stride = f"score-dsn{block}", 2 ** (block - 1)
    scores: Top = L.Convolution(features, num_output=1, kernel_size=1, param=_SLOW, name=name)
    if block > 1:
        n[name] = scores
        fill = {"weight_filler": {"type": "bilinear"}}
        window = {"num_output": 1, "kernel_size": 2 * stride, "stride": stride, **fill}
        scores = L.Deconvolution(n[name], convolution_param=window, param=_FROZEN, name=f"upsample_{stride}")
    n[f"{name}-up"] = scores
    n[f"upscore-dsn{block}"] = offsets.crop(scores, n.data)


def _add_vgg16(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """The convolutions of VGG-16; its last block learns a hundred times as fast."""
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            rates = _FAST if block == 5 else WEIGHT_AND_BIAS
            n[f"conv{layer}"], top = conv_relu(top, width, pad=pad if layer == "1_1" else 1, param=rates)
            n[f"relu{layer}"] = top
        if block < 5:
            n[f"pool{block}"] = top = max_pool(top)
    return top


TRIMMED_VGG16 = Backbone("VGG-16, trimmed", _add_vgg16, pad=35, stride=16, skips={}, weights="vgg16")
