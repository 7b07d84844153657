"""U-Net (Ronneberger et al., 2015): features are halved four times and doubled four times, each size joined to its own.

The names are those of the net for Caffe that X2Paddle and deepdetect publish: ``d0b`` is the first blob on the way down
at the full size, ``u0d`` the last on the way up. Its convolutions are padded, unlike the paper's, so that the scores
have the image's size. Where a size is odd, the Deconvolution makes one position too many, which is cropped.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn import offsets
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_DEPTH = 4
_MSRA: dict[str, Any] = {"weight_filler": {"type": "msra"}, "param": WEIGHT_AND_BIAS}


def add_unet(n: NetSpec, plan: BuildPlan) -> None:
    """The whole net."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    for level in reversed(range(_DEPTH)):
        top = _add_way_up(n, level, top)
    top = L.Convolution(top, num_output=plan.classes[0], kernel_size=1, name="conv_u0d-score_New", **_MSRA)
    if plan.pad is not None:
        n.score_padded = top
        top = offsets.crop(n.score_padded, n.data)
    n.score = top
    add_loss(n, plan, n.score, "label")


def _add_way_down(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """The blobs dNb and dNc of each size, dNa being what a pooling made of the size before."""
    top = image
    for level in range(_DEPTH + 1):
        if level:
            n[f"d{level}a"] = top = max_pool(top, name=f"pool_d{level - 1}c-{level}a")
        top = _add_conv(n, f"d{level}b", f"conv_d{level}a-b", top, level, pad=1 if level else pad)
        top = _add_conv(n, f"d{level}c", f"conv_d{level}b-c", top, level)
    return top


def _add_way_up(n: NetSpec, level: int, bottom: Top) -> Top:
    """Twice the size, joined to the blob of that size on the way down."""
    letter = "c" if level == _DEPTH - 1 else "d"
    new = "_New" if level == 0 else ""  # the published net was fine-tuned with other classes
    name = f"upconv_{'d' if letter == 'c' else 'u'}{level + 1}{letter}_u{level}a{new.upper()}"
    window = {"num_output": 64 << level, "kernel_size": 2, "stride": 2, "weight_filler": {"type": "msra"}}
    n[f"u{level}a"] = L.Deconvolution(bottom, convolution_param=window, param=WEIGHT_AND_BIAS, name=name)
    n[f"relu_u{level}a"] = top = L.ReLU(n[f"u{level}a"], in_place=True)
    n[f"u{level}a_crop"] = offsets.crop(top, n[f"d{level}c"])
    n[f"u{level}b"] = top = L.Concat(n[f"u{level}a_crop"], n[f"d{level}c"], name=f"concat_d{level}cc_u{level}a-b")
    top = _add_conv(n, f"u{level}c", f"conv_u{level}b-c{new}", top, level)
    return _add_conv(n, f"u{level}d", f"conv_u{level}c-d{new}", top, level)


def _add_conv(n: NetSpec, blob: str, name: str, bottom: Top, level: int, pad: int = 1) -> Top:
    n[blob] = L.Convolution(bottom, num_output=64 << level, kernel_size=3, pad=pad, name=name, **_MSRA)
    n[f"relu_{blob}"] = top = L.ReLU(n[blob], in_place=True)
    return top


CONTRACTION = Backbone("U-Net", _add_way_down, pad=1, stride=16, skips={})
