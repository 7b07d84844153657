"""DeepLab: VGG-16 at stride 8 by dilation, with a large field of view (v1) or a pyramid of dilations (v2).

v1 is DeepLab-LargeFOV (Chen et al., 2015), v2 has atrous spatial pyramid pooling (ASPP; Chen et al., 2018). Both learn
at stride 8, from labels of which every eighth is taken, and interpolate the scores of a deploy net to the image. All
poolings have a kernel of 3, so that the positions of each blob lie on those of the image, whose sizes are 8n + 1.

The names are those of the published prototxts with ``voc12`` for EXP. v1's fork writes a dilation as ``hole``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from caffe_fcn.netspec.backbones.plain import vgg16_blocks
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, conv_relu, dropout, max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

# What is new learns ten times as fast
_SCORE: dict[str, Any] = {
    "param": [{"lr_mult": 10, "decay_mult": 1}, {"lr_mult": 20, "decay_mult": 0}],
    "weight_filler": {"type": "gaussian", "std": 0.01},
}


def add_largefov(n: NetSpec, plan: BuildPlan) -> None:
    """DeepLab v1: one fully connected layer of 3x3 positions that are twelve apart."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    n.pool5a = top = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=3, stride=1, pad=1)
    n.fc8_voc12 = _add_branch(n, plan, top, "", hole=12)
    _add_output(n, plan)


def add_aspp(n: NetSpec, plan: BuildPlan) -> None:
    """DeepLab v2: the sum of four such branches, of four dilations."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    for number, dilation in enumerate((6, 12, 18, 24), 1):
        n[f"fc8_voc12_{number}"] = _add_branch(n, plan, top, f"_{number}", dilation=dilation)
    n.fc8_voc12 = L.Eltwise(*(n[f"fc8_voc12_{number}"] for number in range(1, 5)))
    _add_output(n, plan)


def _add_branch(n: NetSpec, plan: BuildPlan, bottom: Top, suffix: str, **apart: int) -> Top:
    """Add fc6 and fc7 with this suffix; returns their scores."""
    (distance,) = apart.values()
    top = bottom
    for number, window in ((6, {"kernel": 3, "pad": distance, **apart}), (7, {"kernel": 1, "pad": 0})):
        n[f"fc{number}{suffix}"], top = conv_relu(top, 1024, param=WEIGHT_AND_BIAS, **window)
        n[f"relu{number}{suffix}"] = top
        if plan.training:
            n[f"drop{number}{suffix}"] = top = dropout(top)
    score: Top = L.Convolution(top, num_output=plan.classes[0], kernel_size=1, **_SCORE)
    return score


def _add_output(n: NetSpec, plan: BuildPlan) -> None:
    """Add the loss at stride 8 for training and validation, the interpolated scores for deployment."""
    if plan.training:
        n.label_shrink = L.Interp(n.label, shrink_factor=8, **plan.exclude_rule("deploy"))
        add_loss(n, plan, n.fc8_voc12, "label_shrink")
    if plan.includes("deploy"):
        n.score = L.Interp(n.fc8_voc12, zoom_factor=8, name="fc8_interp", **plan.include_rule("deploy"))


def _add_vgg16(n: NetSpec, image: Top, pad: int, training: bool, apart: str) -> Top:
    """VGG-16 whose last two poolings keep the size; the field ``apart`` has the dilation of what lies between."""
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            window = {"pad": 2, apart: 2} if block == 5 else {"pad": pad if layer == "1_1" else 1}
            n[f"conv{layer}"], top = conv_relu(top, width, param=WEIGHT_AND_BIAS, **window)
            n[f"relu{layer}"] = top
        n[f"pool{block}"] = top = max_pool(top, 3, 2 if block < 4 else 1, pad=1)
    return top


_DILATED = partial(Backbone, "VGG-16, dilated", pad=1, stride=8, skips={})
VGG16_HOLES = _DILATED(add_layers=partial(_add_vgg16, apart="hole"))
VGG16_DILATED = _DILATED(add_layers=partial(_add_vgg16, apart="dilation"))
