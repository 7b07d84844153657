"""Dilation8 (Yu and Koltun, 2016): VGG-16 at stride 8, and a context module whose dilation doubles from layer to layer.

The names are those of github.com/fyu/dilation. No convolution of VGG-16 is padded: the image gets a border of 186
pixels. There it is reflected, here it is the first convolution's padding. The context module starts as the identity in
the authors' fork, by a filler that BVLC's Caffe does not have.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.backbones.plain import vgg16_blocks
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, add_fully_connected, conv_relu, max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss, upsample_scores
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_XAVIER: dict[str, Any] = {"weight_filler": {"type": "xavier"}, "param": WEIGHT_AND_BIAS}


def add_dilation8(n: NetSpec, plan: BuildPlan) -> None:
    """The front end, the context module, and scores upsampled to the image."""
    add_inputs(n, plan)
    classes = plan.classes[0]
    features = plan.add_backbone(n, preprocess_image(n, plan))
    n["fc-final"] = top = L.Convolution(features, num_output=classes, kernel_size=1, **_XAVIER)
    for layer, times, dilation, pad in _CONTEXT:
        window = {"pad": pad, "dilation": dilation} if dilation > 1 else {"pad": pad}
        n[f"ct_conv{layer}"], top = conv_relu(top, times * classes, 3, **window, **_XAVIER)
        n[f"ct_relu{layer}"] = top
    n.ct_fc1, n.ct_fc1_relu = conv_relu(top, 32 * classes, 3, pad=0, **_XAVIER)
    n.ct_final = L.Convolution(n.ct_fc1_relu, num_output=classes, kernel_size=1, **_XAVIER)
    add_loss(n, plan, upsample_scores(n, plan, n.ct_final, n.data), "label")


# Each layer of the context module: its name, how many channels it has for a class, its dilation and its padding, which
# the first has for all
_CONTEXT = (
    ("1_1", 2, 1, 33),
    ("1_2", 2, 1, 0),
    ("2_1", 4, 2, 0),
    ("3_1", 8, 4, 0),
    ("4_1", 16, 8, 0),
    ("5_1", 32, 16, 0),
)


def _add_front_end(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """VGG-16 without its last two poolings: what lies behind them is dilated."""
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            window = {"pad": pad if layer == "1_1" else 0, **({"dilation": 2} if block == 5 else {})}
            n[f"conv{layer}"], top = conv_relu(top, width, param=WEIGHT_AND_BIAS, **window)
            n[f"relu{layer}"] = top
        if block < 4:
            n[f"pool{block}"] = top = max_pool(top)
    top = add_fully_connected(n, "6", top, 7, training, dilation=4, param=WEIGHT_AND_BIAS)
    return add_fully_connected(n, "7", top, 1, training, param=WEIGHT_AND_BIAS)


FRONT_END = Backbone("VGG-16, dilated", _add_front_end, pad=186, stride=8, skips={}, weights="vgg16")
