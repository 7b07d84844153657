"""Classifiers without batch normalization: VGG-16, Caffe's AlexNet, GoogLeNet, SqueezeNet."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.netspec.blocks import WEIGHT_AND_BIAS, add_fully_connected, conv_relu, dropout, lrn, max_pool
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L


def add_vgg16(n: NetSpec, image: Top, pad: int, training: bool, suffix: str = "", first: str = "conv1_1") -> Top:
    """VGG-16 (Simonyan and Zisserman, 2015); every name ends in ``suffix``, ``first`` names the first layer."""
    top = image
    for block, layers, width in vgg16_blocks():
        for layer in layers:
            name, pad_here = (first, pad) if layer == "1_1" else (f"conv{layer}", 1)
            n[name + suffix], top = conv_relu(top, width, pad=pad_here, param=WEIGHT_AND_BIAS)
            n[f"relu{layer}{suffix}"] = top
        n[f"pool{block}{suffix}"] = top = max_pool(top)
    top = add_fully_connected(n, "6" + suffix, top, 7, training, param=WEIGHT_AND_BIAS)
    return add_fully_connected(n, "7" + suffix, top, 1, training, param=WEIGHT_AND_BIAS)


def vgg16_blocks() -> Iterator[tuple[int, list[str], int]]:
    """The five blocks of VGG-16's convolutions: number, names such as 1_2 of their layers, and width."""
    for block, (depth, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        yield block, [f"{block}_{i}" for i in range(1, depth + 1)], width


def add_caffenet(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """Caffe's AlexNet, which pools before it normalizes (models/bvlc_reference_caffenet)."""
    n.conv1, n.relu1 = conv_relu(image, 96, 11, stride=4, pad=pad)
    n.pool1 = max_pool(n.relu1, 3)
    n.norm1 = lrn(n.pool1)
    n.conv2, n.relu2 = conv_relu(n.norm1, 256, 5, pad=2, group=2)
    n.pool2 = max_pool(n.relu2, 3)
    n.norm2 = lrn(n.pool2)
    n.conv3, n.relu3 = conv_relu(n.norm2, 384)
    n.conv4, n.relu4 = conv_relu(n.relu3, 384, group=2)
    n.conv5, n.relu5 = conv_relu(n.relu4, 256, group=2)
    n.pool5 = max_pool(n.relu5, 3)
    top = add_fully_connected(n, "6", n.pool5, 6, training)
    return add_fully_connected(n, "7", top, 1, training)


def add_googlenet(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """GoogLeNet (Szegedy et al., 2015) without its auxiliary heads and without its final average pooling.

    Shelhamer et al. also remove that pooling. The fillers are those of models/bvlc_googlenet.
    """
    top = _add_conv_relu(n, "conv1/", "7x7_s2", image, 64, 7, 2, pad)
    n["pool1/3x3_s2"] = top = max_pool(top, 3)
    n["pool1/norm1"] = top = lrn(top)
    top = _add_conv_relu(n, "conv2/", "3x3_reduce", top, 64, 1)
    top = _add_conv_relu(n, "conv2/", "3x3", top, 192, 3)
    n["conv2/norm2"] = top = lrn(top)
    n["pool2/3x3_s2"] = top = max_pool(top, 3)
    for block, inceptions in _INCEPTIONS.items():
        for letter, widths in zip("abcde", inceptions, strict=False):
            top = _add_inception(n, f"inception_{block}{letter}/", top, *widths)
        if block < 5:
            n[f"pool{block}/3x3_s2"] = top = max_pool(top, 3)
    if training:
        n["pool5/drop_7x7_s1"] = top = L.Dropout(top, dropout_ratio=0.4, in_place=True)
    return top


# The widths of 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5 and pool_proj in each inception module, by block
_INCEPTIONS = {
    3: ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    4: (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    5: ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}


def _add_inception(
    n: NetSpec, prefix: str, bottom: Top, w1: int, w3_reduce: int, w3: int, w5_reduce: int, w5: int, w_pool: int
) -> Top:
    one = _add_conv_relu(n, prefix, "1x1", bottom, w1, 1)
    three = _add_conv_relu(n, prefix, "3x3", _add_conv_relu(n, prefix, "3x3_reduce", bottom, w3_reduce, 1), w3, 3)
    five = _add_conv_relu(n, prefix, "5x5", _add_conv_relu(n, prefix, "5x5_reduce", bottom, w5_reduce, 1), w5, 5)
    n[f"{prefix}pool"] = pool = max_pool(bottom, 3, 1, pad=1)
    n[f"{prefix}output"] = top = L.Concat(one, three, five, _add_conv_relu(n, prefix, "pool_proj", pool, w_pool, 1))
    return top


def _add_conv_relu(
    n: NetSpec, prefix: str, name: str, bottom: Top, width: int, kernel: int, stride: int = 1, pad: int | None = None
) -> Top:
    """Add a convolution and its ReLU under GoogLeNet's names; without ``pad`` the size stays."""
    fillers = {"weight_filler": {"type": "xavier"}, "bias_filler": {"type": "constant", "value": 0.2}}
    same = kernel // 2 if pad is None else pad
    n[f"{prefix}{name}"], top = conv_relu(bottom, width, kernel, stride, same, param=WEIGHT_AND_BIAS, **fillers)
    n[f"{prefix}relu_{name.removesuffix('_s2')}"] = top
    return top


def add_squeezenet(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    """SqueezeNet 1.1 (Iandola et al., 2016): fire modules up to fire9."""
    n.conv1, n.relu_conv1 = conv_relu(image, 64, 3, stride=2, pad=pad)
    n.pool1 = top = max_pool(n.relu_conv1, 3)
    for number, (squeezed, expanded) in enumerate(_FIRES, 2):
        top = _add_fire(n, f"fire{number}/", top, squeezed, expanded)
        if number in (3, 5):
            n[f"pool{number}"] = top = max_pool(top, 3)
    if training:
        n.drop9 = top = dropout(top)
    return top


# The outputs of squeeze1x1, and of each of the two expansions, of fire2 to fire9
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


def _add_fire(n: NetSpec, prefix: str, bottom: Top, squeezed: int, expanded: int) -> Top:
    tops: dict[str, Top] = {}
    for name, width, kernel in (("squeeze1x1", squeezed, 1), ("expand1x1", expanded, 1), ("expand3x3", expanded, 3)):
        below = tops.get("squeeze1x1", bottom)
        n[f"{prefix}{name}"], tops[name] = conv_relu(
            below, width, kernel, pad=kernel // 2, weight_filler={"type": "xavier"}
        )
        n[f"{prefix}relu_{name}"] = tops[name]
    n[f"{prefix}concat"] = top = L.Concat(tops["expand1x1"], tops["expand3x3"])
    return top
