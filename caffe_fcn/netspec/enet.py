"""ENet (Paszke et al., 2016): bottlenecks of few channels, most of them at stride 8; masks of two poolings unpool.

The names are those of github.com/TimoSaemann/ENet: ``conv2_3_1`` is convolution 1 of the bottleneck 2.3. The nets are
for caffe-enet, which is SegNet's fork; see `segnet` on its BN. Where the authors train with spatial dropout, a Python
layer of theirs, there is Dropout here; deploy nets have neither. Sizes of images are multiples of 8.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.blocks import segnets_norm
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.heads import add_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

_MSRA: dict[str, Any] = {"weight_filler": {"type": "msra"}}
_SQUARE = {"kernel_size": 3, "pad": 1}
_FEW, _MANY = 0.01, 0.1  # of the values are dropped


def add_enet(n: NetSpec, plan: BuildPlan) -> None:
    """Encoder and decoder."""
    add_inputs(n, plan)
    top = plan.add_backbone(n, preprocess_image(n, plan))
    training = plan.training
    top = _add_upsampling(n, "4_0", top, n.pool2_0_4_mask, 64, training)
    for name in ("4_1", "4_2"):
        top = _add_bottleneck(n, name, top, 64, _SQUARE, training, act=L.ReLU)
    top = _add_upsampling(n, "5_0", top, n.pool1_0_4_mask, 16, training)
    top = _add_bottleneck(n, "5_1", top, 16, _SQUARE, training, act=L.ReLU)
    window = {"num_output": plan.classes[0], "kernel_size": 2, "stride": 2, **_MSRA}
    n.score = L.Deconvolution(top, convolution_param=window, name="deconv6_0_0")
    add_loss(n, plan, n.score, "label")


def _add_encoder(n: NetSpec, image: Top, pad: int, training: bool) -> Top:
    n.conv0_1 = L.Convolution(image, num_output=13, kernel_size=3, stride=2, pad=pad, **_MSRA)
    n.pool0_1 = L.Pooling(image, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.concat0_1 = L.Concat(n.conv0_1, n.pool0_1)
    top = _normalize(n, "0_1", n.concat0_1, training)
    top = _add_downsampling(n, "1_0", top, 16, 64, training, _FEW)
    for number in (1, 2, 3, 4):
        top = _add_bottleneck(n, f"1_{number}", top, 64, _SQUARE, training, _FEW)
    top = _add_downsampling(n, "2_0", top, 32, 128, training, _MANY)
    for stage in (2, 3):
        for number, window in enumerate(_WINDOWS, 1):
            top = _add_bottleneck(n, f"{stage}_{number}", top, 128, window, training)
    return top


def _dilate(by: int) -> dict[str, int]:
    return {"kernel_size": 3, "pad": by, "dilation": by}


# The middle convolutions of the stages 2 and 3; without a kernel there are two, of 5x1 and 1x5
_WINDOWS: tuple[dict[str, int], ...] = (
    _SQUARE, _dilate(2), {}, _dilate(4), _SQUARE, _dilate(8), {}, _dilate(16),
)  # fmt: skip


def _add_bottleneck(
    n: NetSpec,
    name: str,
    bottom: Top,
    width: int,
    window: dict[str, int],
    training: bool,
    ratio: float = _MANY,
    act: Any = L.PReLU,
) -> Top:
    """Fewer channels, a convolution that sees its surroundings, all channels again, and the bottom added."""
    inner = width // 4
    top = _add_conv(n, f"{name}_0", bottom, inner, training, act, kernel_size=1)
    if not window:
        n[f"conv{name}_1_a"] = top = _convolve(top, inner, False, kernel_h=5, kernel_w=1, pad=1)
        window = {"kernel_h": 1, "kernel_w": 5, "pad": 1}
    top = _add_conv(n, f"{name}_1", top, inner, training, act, bias=True, **window)
    return _add_sum(n, name, _add_expansion(n, name, top, width, training, ratio), bottom, act)


def _add_downsampling(n: NetSpec, name: str, bottom: Top, inner: int, width: int, training: bool, ratio: float) -> Top:
    """A bottleneck of stride 2, beside a pooling whose mask is kept."""
    top = _add_conv(n, f"{name}_0", bottom, inner, training, kernel_size=2, stride=2)
    top = _add_conv(n, f"{name}_1", top, inner, training, bias=True, **_SQUARE)
    top = _add_expansion(n, name, top, width, training, ratio)
    pool = f"pool{name}_4"
    n[pool], n[f"{pool}_mask"] = L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=2, stride=2, ntop=2)
    short = _add_conv(n, f"{name}_4", n[pool], width, training, None, kernel_size=1)
    return _add_sum(n, name, top, short, L.PReLU)


def _add_upsampling(n: NetSpec, name: str, bottom: Top, mask: Top, width: int, training: bool) -> Top:
    """A bottleneck with a Deconvolution of stride 2, beside what the mask unpools."""
    inner = width // 4
    top = _add_conv(n, f"{name}_0", bottom, inner, training, L.ReLU, kernel_size=1)
    window = {"num_output": inner, "kernel_size": 2, "stride": 2, **_MSRA}
    n[f"deconv{name}_1"] = L.Deconvolution(top, convolution_param=window)
    top = _normalize(n, f"{name}_1", n[f"deconv{name}_1"], training, L.ReLU)
    top = _add_expansion(n, name, top, width, training, _MANY)
    short = _add_conv(n, f"{name}_4", bottom, width, training, None, kernel_size=1)
    n[f"upsample{name}_4"] = L.Upsample(short, mask, scale=2)
    return _add_sum(n, name, top, n[f"upsample{name}_4"], L.ReLU)


def _add_expansion(n: NetSpec, name: str, bottom: Top, width: int, training: bool, ratio: float) -> Top:
    top = _add_conv(n, f"{name}_2", bottom, width, training, None, kernel_size=1)
    if training:
        n[f"drop{name}_3"] = top = L.Dropout(top, dropout_ratio=ratio)
    return top


def _add_sum(n: NetSpec, name: str, top: Top, short: Top, act: Any) -> Top:
    n[f"eltwise{name}_4"] = L.Eltwise(top, short)
    n[f"prelu{name}_4"] = act(n[f"eltwise{name}_4"])
    return n[f"prelu{name}_4"]


def _add_conv(
    n: NetSpec,
    name: str,
    bottom: Top,
    width: int,
    training: bool,
    act: Any = L.PReLU,
    bias: bool = False,
    **window: Any,
) -> Top:
    n[f"conv{name}"] = _convolve(bottom, width, bias, **window)
    return _normalize(n, name, n[f"conv{name}"], training, act)


def _convolve(bottom: Top, width: int, bias: bool, **window: Any) -> Top:
    top: Top = L.Convolution(bottom, num_output=width, bias_term=bias, **window, **_MSRA)
    return top


def _normalize(n: NetSpec, name: str, bottom: Top, training: bool, act: Any = L.PReLU) -> Top:
    """Add BN, and an activation where there is one; the decoder's ReLUs are called prelu, too."""
    n[f"bn{name}"] = top = segnets_norm(bottom, 0.001, training)
    if act is not None:
        n[f"prelu{name}"] = top = act(top)
    return top


ENCODER = Backbone("ENet", _add_encoder, pad=1, stride=8, skips={})
