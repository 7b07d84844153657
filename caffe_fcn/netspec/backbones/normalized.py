"""Classifiers with batch normalization: VGG-16-BN, MobileNet, DenseNet, under the names of shicai's prototxts.

A convolution ``conv1`` is followed by ``conv1/bn``, ``conv1/scale`` and a ReLU ``relu1``; MobileNet is published in
github.com/shicai/MobileNet-Caffe, DenseNet in github.com/shicai/DenseNet-Caffe.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.backbones.plain import vgg16_blocks
from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, add_fully_connected, add_norm, max_pool
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

_EPS = 1e-5


def add_vgg16_bn(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """VGG-16 with batch normalization before each ReLU of its convolutions."""
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            n[f"conv{layer}"] = top = L.Convolution(
                top, num_output=width, kernel_size=3, pad=pad if layer == "1_1" else 1, param=WEIGHT_AND_BIAS
            )
            top = add_norm(n, top, f"conv{layer}/bn", f"conv{layer}/scale", f"relu{layer}", eps=_EPS)
        n[f"pool{block}"] = top = max_pool(top)
    top = add_fully_connected(n, "6", top, 7, training, param=WEIGHT_AND_BIAS)
    return add_fully_connected(n, "7", top, 1, training, param=WEIGHT_AND_BIAS)


def add_mobilenet_v1(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """MobileNet v1 (Howard et al., 2017): a convolution of each channel alone (dw), then one across channels (sep)."""
    top = _add_conv(n, "1", image, 32, 3, stride=2, pad=pad)
    width = 32
    for name, stride, widen in _MOBILENET_V1:
        top = _add_conv(n, f"{name}/dw", top, width, 3, stride=stride, group=width)
        width *= widen
        top = _add_conv(n, f"{name}/sep", top, width, 1)
    return top


# Each block: its name, its stride, and by how much it multiplies the number of channels
_MOBILENET_V1 = (
    ("2_1", 1, 2), ("2_2", 2, 2), ("3_1", 1, 1), ("3_2", 2, 2), ("4_1", 1, 1), ("4_2", 2, 2),
    *((f"5_{i}", 1, 1) for i in range(1, 6)), ("5_6", 2, 2), ("6", 1, 1),
)  # fmt: skip


def add_mobilenet_v2(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """MobileNet v2 (Sandler et al., 2018): residual blocks between thin blobs, without a ReLU behind the last layer."""
    top = _add_conv(n, "1", image, 32, 3, stride=2, pad=pad)
    width = 32
    for name, stride, factor, outputs in _MOBILENET_V2:
        inner = _add_conv(n, f"{name}/expand", top, width * factor, 1)
        inner = _add_conv(n, f"{name}/dwise", inner, width * factor, 3, stride=stride, group=width * factor)
        inner = _add_conv(n, f"{name}/linear", inner, outputs, 1, relu=False)
        if stride == 1 and outputs == width:
            n[f"block_{name}"] = inner = L.Eltwise(top, inner)
        top, width = inner, outputs
    return _add_conv(n, "6_4", top, 1280, 1)


# Each block: its name, its stride, the expansion of its channels, and its outputs
_MOBILENET_V2 = (
    ("2_1", 1, 1, 16), ("2_2", 2, 6, 24), ("3_1", 1, 6, 24), ("3_2", 2, 6, 32), ("4_1", 1, 6, 32), ("4_2", 1, 6, 32),
    *((f"4_{i}", 1, 6, 64) for i in range(3, 7)), ("4_7", 2, 6, 96), ("5_1", 1, 6, 96), ("5_2", 1, 6, 96),
    ("5_3", 2, 6, 160), ("6_1", 1, 6, 160), ("6_2", 1, 6, 160), ("6_3", 1, 6, 320),
)  # fmt: skip


def add_densenet121(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """DenseNet-121 (Huang et al., 2017): each layer adds 32 channels to all that came before it."""
    n.conv1 = L.Convolution(image, num_output=64, kernel_size=7, stride=2, pad=pad, bias_term=False)
    top = add_norm(n, n.conv1, "conv1/bn", "conv1/scale", "relu1", eps=_EPS, in_place=False)
    n.pool1 = top = max_pool(top, 3, pad=1, round_mode=P.Pooling.FLOOR)
    width = 64
    for block, count in enumerate((6, 12, 24, 16), 2):
        for layer in (f"{block}_{i}" for i in range(1, count + 1)):
            inner = _add_norm_conv(n, f"{layer}/x1", top, 128, 1)
            n[f"concat_{layer}"] = top = L.Concat(top, _add_norm_conv(n, f"{layer}/x2", inner, 32, 3))
        width = (width + 32 * count) // 2
        if block < 5:
            top = _add_norm_conv(n, f"{block}_blk", top, width, 1)
            n[f"pool{block}"] = top = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=2, stride=2)
    return add_norm(n, top, "conv5_blk/bn", "conv5_blk/scale", "relu5_blk", eps=_EPS, in_place=False)


def _add_conv(n: NetSpec, name: str, bottom: Top, width: int, kernel: int, relu: bool = True, **more: Any) -> Top:
    """Add a convolution, which keeps the size but for its stride, and what normalizes it."""
    window = {"kernel_size": kernel, "pad": kernel // 2, **more}
    n[f"conv{name}"] = top = L.Convolution(bottom, num_output=width, bias_term=False, **window)
    return add_norm(n, top, f"conv{name}/bn", f"conv{name}/scale", f"relu{name}" if relu else "", eps=_EPS)


def _add_norm_conv(n: NetSpec, name: str, bottom: Top, width: int, kernel: int) -> Top:
    """Add what normalizes the bottom, and then the convolution."""
    top = add_norm(n, bottom, f"conv{name}/bn", f"conv{name}/scale", f"relu{name}", eps=_EPS, in_place=False)
    n[f"conv{name}"] = top = L.Convolution(top, num_output=width, kernel_size=kernel, pad=kernel // 2, bias_term=False)
    return top
