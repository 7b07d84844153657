"""SegNet and SegNet-Basic (Badrinarayanan et al., 2017): each pooling's mask says where its values go on the way back.

The names are those of github.com/alexgkendall/SegNet-Tutorial. Nothing in BVLC's Caffe unpools by a mask, so these nets
have one spelling, that of caffe-segnet. Its BN learns with the statistics of the batch; a deploy net has them in scale
and shift, where `surgery.statistics` writes them, as the authors' compute_bn_statistics.py does. A net is for images
of one size: an Upsample says what size a pooling has rounded up.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.backbones.plain import vgg16_blocks
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, segnets_norm
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

_MSRA: dict[str, Any] = {"weight_filler": {"type": "msra"}, "param": WEIGHT_AND_BIAS}


def add_segnet(n: NetSpec, plan: BuildPlan) -> None:
    """VGG-16's thirteen convolutions, and as many on the way back."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    for block, layers, width in reversed(list(vgg16_blocks())):
        top = _unpool(plan, top, n[f"pool{block}_mask"], block)
        n[f"pool{block}_D"] = top
        for layer in reversed(layers):
            narrower = layer.endswith("_1") and block < 5  # to the width of the block before
            if layer == "1_1":
                n.score = L.Convolution(
                    top, num_output=plan.classes[0], kernel_size=3, pad=1, name="conv1_1_D", **_MSRA
                )
            else:
                outputs = width if not narrower else _WIDTHS[block - 1]
                top = _add_conv(n, f"conv{layer}_D", f"relu{layer}_D", top, outputs, training=plan.training)
    add_loss(n, plan, n.score, "label")


_WIDTHS = {block: width for block, _, width in vgg16_blocks()}


def add_segnet_basic(n: NetSpec, plan: BuildPlan) -> None:
    """Four convolutions of 7x7, and four on the way back, without a ReLU there."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    for level in (4, 3, 2, 1):
        n[f"upsample{level}"] = top = _unpool(plan, top, n[f"pool{level}_mask"], level)
        top = _add_conv(n, f"conv_decode{level}", "", top, 64, 7, 0.001, plan.training)
    n.score = L.Convolution(top, num_output=plan.classes[0], kernel_size=1, name="conv_classifier", **_MSRA)
    add_loss(n, plan, n.score, "label")


def _add_encoder(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            top = _add_conv(n, f"conv{layer}", f"relu{layer}", top, width, training=training)
        top = _pool(n, f"pool{block}", top)
    return top


def _add_basic_encoder(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    n.norm = top = L.LRN(image, local_size=5, alpha=1e-4, beta=0.75)
    for level in (1, 2, 3, 4):
        top = _pool(n, f"pool{level}", _add_conv(n, f"conv{level}", f"relu{level}", top, 64, 7, 0.001, training))
    return top


def _pool(n: NetSpec, name: str, bottom: Top) -> Top:
    n[name], n[f"{name}_mask"] = L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=2, stride=2, ntop=2)
    return n[name]


def _unpool(plan: BuildPlan, bottom: Top, mask: Top, level: int) -> Top:
    """What the pooling of this level took apart, in the size that the pooling had before it."""
    before, after = ([-(-length // 2**each) for length in plan.size] for each in (level - 1, level))
    size = {} if before == [2 * length for length in after] else {"upsample_h": before[0], "upsample_w": before[1]}
    top: Top = L.Upsample(bottom, mask, scale=2, name=f"upsample{level}", **size)
    return top


def _add_conv(
    n: NetSpec,
    name: str,
    relu: str,
    bottom: Top,
    width: int,
    kernel: int = 3,
    shift: float = 0.0,
    training: bool = False,
) -> Top:
    n[name] = L.Convolution(bottom, num_output=width, kernel_size=kernel, pad=kernel // 2, **_MSRA)
    n[f"{name}_bn"] = segnets_norm(n[name], shift, training, in_place=True)
    if not relu:
        return n[f"{name}_bn"]
    n[relu] = L.ReLU(n[f"{name}_bn"], in_place=True)
    return n[relu]


ENCODER = Backbone("VGG-16, with masks", _add_encoder, pad=1, stride=32, skips={})
BASIC_ENCODER = Backbone("SegNet-Basic", _add_basic_encoder, pad=3, stride=16, skips={})
