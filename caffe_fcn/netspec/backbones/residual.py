"""ResNet (He et al., 2016) as its authors published it for Caffe.

The first 1x1 convolution of a stage has the stride.
"""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.netspec.blocks import add_norm, max_pool
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # blocks of the stages 2 to 5


def add_resnet(n: NetSpec, image: Top, pad: int, training: bool, depth: int) -> Top:
    """ResNet of 50 or 101 layers."""
    has_bias = depth == 50  # an oddity of the published ResNet-50
    n.conv1 = L.Convolution(image, num_output=64, kernel_size=7, stride=2, pad=pad, bias_term=has_bias)
    top = add_norm(n, n.conv1, "bn_conv1", "scale_conv1", "conv1_relu")
    n.pool1 = top = max_pool(top, 3)
    for stage, count in enumerate(_DEPTHS[depth], 2):
        for name in _name_blocks(stage, count, depth):
            stride = 2 if name.endswith("a") and stage > 2 else 1
            top = _add_bottleneck(n, name, top, 16 * 2**stage, stride)
    return top


def _name_blocks(stage: int, count: int, depth: int) -> Iterator[str]:
    """2a, 2b, 2c; in stages 3 and 4 of deeper nets 3a, 3b1, 3b2, ..."""
    for index in range(count):
        numbered = depth > 50 and stage in (3, 4) and index
        yield f"{stage}b{index}" if numbered else f"{stage}{'abcdef'[index]}"


def _add_bottleneck(n: NetSpec, name: str, bottom: Top, width: int, stride: int) -> Top:
    """Three convolutions, and a projection of what comes in where its shape changes."""
    short, top = bottom, bottom
    if name.endswith("a"):
        short = _add_conv(n, f"{name}_branch1", bottom, 4 * width, 1, stride, relu=False)
    top = _add_conv(n, f"{name}_branch2a", top, width, 1, stride)
    top = _add_conv(n, f"{name}_branch2b", top, width, 3)
    top = _add_conv(n, f"{name}_branch2c", top, 4 * width, 1, relu=False)
    n[f"res{name}"] = L.Eltwise(short, top)
    n[f"res{name}_relu"] = top = L.ReLU(n[f"res{name}"], in_place=True)
    return top


def _add_conv(n: NetSpec, name: str, bottom: Top, width: int, kernel: int, stride: int = 1, relu: bool = True) -> Top:
    pad = kernel // 2
    n[f"res{name}"] = top = L.Convolution(
        bottom, num_output=width, bias_term=False, kernel_size=kernel, stride=stride, pad=pad
    )
    return add_norm(n, top, f"bn{name}", f"scale{name}", f"res{name}_relu" if relu else "")
