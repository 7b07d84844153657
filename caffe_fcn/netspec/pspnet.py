"""PSPNet-50 (Zhao et al., 2017): a dilated ResNet-50, and its means over the whole image, halves, thirds and sixths.

The names are those of pspnet50_ADE20K_473.prototxt in github.com/hszhao/PSPNet. Each mean is interpolated to the size
of the features, the scores to that of the image, so a net is for images of one size, 8n + 1. Batch normalization keeps
its statistics where batches are of one image. The paper's auxiliary loss is left out: no published prototxt has it.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.blocks import max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

BINS = (1, 2, 3, 6)
_MSRA = {"type": "msra"}
_NORM: dict[str, Any] = {
    "slope_filler": {"type": "constant", "value": 1},
    "momentum": 0.95,
}


def add_pspnet(n: NetSpec, plan: BuildPlan) -> None:
    """The whole net."""
    add_inputs(n, plan)
    frozen = plan.batch == 1
    features = plan.add_backbone(n, preprocess_image(n, plan), frozen=frozen)
    height, width = size = ((plan.size[0] - 1) // 8 + 1, (plan.size[1] - 1) // 8 + 1)
    check_bins(plan, size)
    pools = []
    for bins in BINS:
        strides = height // bins, width // bins
        name = f"conv5_3_pool{bins}"
        n[name] = mean_of_bins(features, bins, size, strides)
        top = add_conv(n, f"{name}_conv", n[name], 512, lr=10, frozen=frozen)
        n[f"{name}_interp"] = L.Interp(top, height=height, width=width)
        pools.append(n[f"{name}_interp"])
    n.conv5_3_concat = L.Concat(features, *reversed(pools))
    top = add_conv(n, "conv5_4", n.conv5_3_concat, 512, 3, lr=10, frozen=frozen)
    if plan.training:
        n["conv5_4/dropout"] = top = L.Dropout(top, dropout_ratio=0.1, in_place=True)
    rates = [{"lr_mult": 10, "decay_mult": 1}, {"lr_mult": 20, "decay_mult": 1}]
    n.conv6 = L.Convolution(top, num_output=plan.classes[0], kernel_size=1, weight_filler=_MSRA, param=rates)
    n.score = L.Interp(n.conv6, zoom_factor=8, name="conv6_interp")
    add_loss(n, plan, n.score, "label")


def check_bins(plan: BuildPlan, features: tuple[int, int]) -> None:
    """Raise `NetError` for features (H, W) that have fewer positions than bins."""
    if min(features) < max(BINS):
        what = f"makes features of {features[0]}x{features[1]} of images of {plan.size[0]}x{plan.size[1]}"
        raise NetError(plan.net.name, what, f"a size of which {BINS[-1]}x{BINS[-1]} means can be taken")


def mean_of_bins(features: Top, bins: int, size: tuple[int, int], strides: tuple[int, int]) -> Top:
    """The means of bins x bins windows, which reach the end of features of this size."""
    kernel = [length - (bins - 1) * stride for length, stride in zip(size, strides, strict=True)]
    window: dict[str, Any] = dict(
        zip(("kernel_h", "kernel_w", "stride_h", "stride_w"), (*kernel, *strides), strict=True)
    )
    if kernel[0] == kernel[1] and strides[0] == strides[1]:
        window = {"kernel_size": kernel[0], "stride": strides[0]}
    top: Top = L.Pooling(features, pool=P.Pooling.AVE, **window)
    return top


def add_conv(
    n: NetSpec,
    name: str,
    bottom: Top,
    width: int,
    kernel: int = 1,
    stride: int = 1,
    dilation: int = 1,
    lr: int = 1,
    relu: bool = True,
    frozen: bool = True,
    **more: Any,
) -> Top:
    """Add a convolution that keeps the size but for its stride, its batch normalization, and a ReLU."""
    window = {"kernel_size": kernel, "stride": stride, "pad": dilation * (kernel // 2), **more}
    if dilation > 1:
        window["dilation"] = dilation
    rate = [{"lr_mult": lr, "decay_mult": 1}]
    rates = [*[{"lr_mult": lr, "decay_mult": 0}] * 2, *[{"lr_mult": 0, "decay_mult": 0}] * 2]
    n[name] = L.Convolution(bottom, num_output=width, bias_term=False, weight_filler=_MSRA, param=rate, **window)
    n[f"{name}/bn"] = L.BN(n[name], in_place=True, frozen=frozen, param=rates, **_NORM)
    if not relu:
        return n[f"{name}/bn"]
    n[f"{name}/relu"] = L.ReLU(n[f"{name}/bn"], in_place=True)
    return n[f"{name}/relu"]


def add_stem(n: NetSpec, image: Top, width: int, pad: int, frozen: bool) -> Top:
    """Three convolutions and a pooling, to stride 4."""
    top = add_conv(n, "conv1_1_3x3_s2", image, width, 3, 2, frozen=frozen, pad=pad)
    top = add_conv(n, "conv1_2_3x3", top, width, 3, frozen=frozen)
    top = add_conv(n, "conv1_3_3x3", top, 2 * width, 3, frozen=frozen)
    n["pool1_3x3_s2"] = top = max_pool(top, 3, pad=1)
    return top


def add_bottleneck(
    n: NetSpec, name: str, bottom: Top, width: int, stride: int = 1, dilation: int = 1, *, project: bool, frozen: bool
) -> Top:
    """A residual block of three convolutions; what comes in is projected, too, where ``project`` says so."""
    top = add_conv(n, f"{name}_1x1_reduce", bottom, width, stride=stride, frozen=frozen)
    top = add_conv(n, f"{name}_3x3", top, width, 3, dilation=dilation, frozen=frozen)
    top = add_conv(n, f"{name}_1x1_increase", top, 4 * width, relu=False, frozen=frozen)
    short = bottom
    if project:
        short = add_conv(n, f"{name}_1x1_proj", bottom, 4 * width, stride=stride, relu=False, frozen=frozen)
    n[name] = L.Eltwise(short, top)
    n[f"{name}/relu"] = top = L.ReLU(n[name], in_place=True)
    return top


def _add_resnet50(n: NetSpec, image: Top, pad: int, training: bool, frozen: bool) -> Top:
    top = add_stem(n, image, 64, pad, frozen)
    for stage, count, stride, dilation in ((2, 3, 1, 1), (3, 4, 2, 1), (4, 6, 1, 2), (5, 3, 1, 4)):
        for number in range(1, count + 1):
            first, width = number == 1, 16 * 2**stage
            top = add_bottleneck(
                n, f"conv{stage}_{number}", top, width, stride if first else 1, dilation, project=first,
                frozen=frozen,
            )  # fmt: skip
    return top


RESNET50_DILATED = Backbone("ResNet-50, dilated", _add_resnet50, pad=1, stride=8, skips={})
