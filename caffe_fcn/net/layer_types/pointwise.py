"""Layers that keep the shape, and the place of every value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from caffe_fcn.net.layer_types.row import ANY, Affine, Filler, LayerType, ends, everywhere, filled_by
from caffe_fcn.net.layer_types.site import Shape, Site
from caffe_fcn.proto.kept_fields import kept_name

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def same(site: Site) -> list[Shape]:
    return [site.shapes[0]] * len(site.layer.top)


def _same_along_axis(site: Site) -> list[Shape]:
    site.axis(site.param.axis)
    return [site.shapes[0]]


def _same_four(site: Site) -> list[Shape]:
    return [site.four_axes()]


def _same_upto_four(site: Site) -> list[Shape]:
    if len(site.shapes[0]) > 4:
        site.fail(f"reads {site.blob()}", "Caffe's own takes at most 4 axes here")
    return [site.shapes[0]]


def _filter_tops(site: Site) -> list[Shape]:
    """All images, as many as there may be; the values of the last bottom say which."""
    *blobs, selector = site.shapes
    if len(site.layer.top) != len(blobs):
        site.fail(f"has {len(site.layer.top)} tops for {len(site.shapes)} bottoms", "one for each bottom but the last")
    for index, shape in enumerate(blobs):
        if not shape or not selector or any(dim != 1 for dim in selector[1:]) or selector[0] != shape[0]:
            last = site.blob(len(blobs))
            site.fail(f"filters {site.blob(index)} by {last}", "the last bottom has one value for each image")
    return blobs


def _prelu_params(site: Site) -> list[Shape]:
    return [() if site.param.channel_shared else (site.shapes[0][1],)]


def _batch_norm_params(site: Site) -> list[Shape]:
    channels = 1 if len(site.shapes[0]) == 1 else site.shapes[0][1]
    statistics: list[Shape] = [(channels,), (channels,), (1,)]
    return statistics + [(channels,)] * (2 * scales_and_shifts(site.layer))


def scales_and_shifts(layer: LayerParameter) -> bool:
    """Whether a BatchNorm has a scale and a shift of its own, behind its statistics: as in NVIDIA's and Intel's forks.

    The fillers of the two imply it in NVIDIA's (batch_norm_layer.cpp, LayerSetUp).
    """
    param = layer.batch_norm_param
    if param.HasField("scale_bias"):
        return bool(param.scale_bias)
    has_fillers = param.HasField("scale_filler") or param.HasField("bias_filler")
    return has_fillers or (param.HasField("use_weight_bias") and bool(param.use_weight_bias))


def keeps_means(layer: LayerParameter) -> bool:
    """Whether a BatchNorm keeps means and not sums that it divides: NVIDIA's, where it has a scale and a shift."""
    return scales_and_shifts(layer) and not layer.batch_norm_param.HasField("use_weight_bias")


def _spanned_axes(site: Site) -> Shape:
    """The shape of a Scale's or Bias's own parameter: the axes that it spans."""
    shape, count = site.shapes[0], site.param.num_axes
    axis = site.axis(site.param.axis)
    if count >= 0 and axis + count > len(shape):
        site.fail(f"axis {axis} and num_axes {count} run past {site.blob()}", "lower num_axes")
    return shape[axis:] if count == -1 else shape[axis : axis + count]


def _fits_first(site: Site) -> list[Shape]:
    if len(site.shapes) == 2 and site.shapes[1]:
        axis = site.axis(site.param.axis)
        if site.shapes[0][axis : axis + len(site.shapes[1])] != site.shapes[1]:
            site.fail(f"{site.blob(1)} does not fit {site.blob()} at axis {axis}", "its shape must be a part of it")
    return [site.shapes[0]]


def _scale_params(site: Site) -> list[Shape]:
    spans = _spanned_axes(site) if len(site.shapes) == 1 else site.shapes[1]
    return ([spans] if len(site.shapes) == 1 else []) + ([spans] if site.param.bias_term else [])


def _bias_params(site: Site) -> list[Shape]:
    return [_spanned_axes(site)] if len(site.shapes) == 1 else []


def _eltwise_tops(site: Site) -> list[Shape]:
    for index, shape in enumerate(site.shapes):
        if shape != site.shapes[0]:
            site.fail(f"adds {site.blob(index)} to {site.blob()}", "give both one shape, with a Crop perhaps")
    coefficients = len(site.param.coeff)
    if coefficients not in (0, len(site.shapes)):
        site.fail(f"has {coefficients} coeff for {len(site.shapes)} bottoms", "give one each")
    return [site.shapes[0]]


# Factors and shifts for each channel


def _power_factors(layer: LayerParameter, tensors: Sequence[Any]) -> tuple[Any, Any]:
    return layer.power_param.scale, layer.power_param.shift


def _batch_norm_factors(layer: LayerParameter, tensors: Sequence[Any]) -> tuple[Any, Any]:
    """With the stored statistics, as batch_norm_layer.cpp scales them."""
    import numpy as np

    mean, variance, count, *own = (tensor.astype("f8") for tensor in tensors)
    scale = 1 / count[0] if count[:1].any() else 0
    by = 1 / np.sqrt(variance * scale + layer.batch_norm_param.eps)
    if own:  # a scale and a shift, as in NVIDIA's fork
        by, shift = by * own[0], own[1]
        return by, shift - mean * scale * by
    return by, -mean * scale * by


def _keeps_statistics(layer: LayerParameter) -> bool:
    """Whether a BatchNorm uses the stored statistics in the TEST phase."""
    param = layer.batch_norm_param
    return not param.HasField("use_global_stats") or bool(param.use_global_stats)


def _scale_factors(layer: LayerParameter, tensors: Sequence[Any]) -> tuple[Any, Any]:
    gamma, *beta = (tensor.astype("f8") for tensor in tensors)
    return gamma, beta[0] if beta else 0 * gamma


def _scales_channels(layer: LayerParameter) -> bool:
    return len(layer.bottom) == 1 and layer.scale_param.axis == 1 and layer.scale_param.num_axes == 1


# Fillers


_SCALE, _SHIFT = Filler("filler", 1.0), Filler("bias_filler")  # scale_layer.cpp
_SLOPE = Filler("filler", 0.25)  # prelu_layer.cpp


def _batch_norm_fillers(layer: LayerParameter) -> Sequence[Filler]:
    """Statistics start at zero, and so does what they are divided by, unless it stays 1."""
    return (
        Filler(""),
        Filler(""),
        Filler("", float(keeps_means(layer))),
        Filler("scale_filler", 1.0),
        Filler("bias_filler"),
    )


def _spell_out_batch_norm(layer: LayerParameter) -> None:
    """Say outright that there are a scale and a shift, where fillers imply it."""
    if keeps_means(layer):
        layer.batch_norm_param.scale_bias = True


def _scale_fillers(layer: LayerParameter) -> Sequence[Filler]:
    """A scale that is a second bottom is not a parameter; the shift still is."""
    return (_SHIFT,) if len(layer.bottom) > 1 else (_SCALE, _SHIFT)


# What makes no difference to Caffe


def _simplify_scale(table: dict[str, Any], layer: LayerParameter) -> None:
    if not layer.scale_param.HasField("filler"):
        table["scale_param.filler.value"] = _SCALE.default


def _simplify_prelu(table: dict[str, Any], layer: LayerParameter) -> None:
    if not layer.prelu_param.HasField("filler"):
        table["prelu_param.filler.value"] = _SLOPE.default


def _simplify_batch_norm(table: dict[str, Any], layer: LayerParameter) -> None:
    for path in [path for path in table if path.startswith("param[") and path.endswith("_mult")]:
        del table[path]  # Caffe insists on zero


def _simplify_eltwise(table: dict[str, Any], layer: LayerParameter) -> None:
    """The order of the terms, and coefficients that are all 1."""
    coefficients = tuple(layer.eltwise_param.coeff) or (1.0,) * len(layer.bottom)
    if layer.propagate_down or len(coefficients) != len(layer.bottom):
        return
    table.pop("eltwise_param.coeff", None)
    terms = sorted(zip(layer.bottom, coefficients, strict=True))
    table["bottom"] = tuple(blob for blob, _ in terms)
    if set(coefficients) != {1.0}:
        table["eltwise_param.coeff"] = tuple(coefficient for _, coefficient in terms)


def _neighbours(layer: LayerParameter) -> int:
    """LRN within a channel looks at its neighbours."""
    return int(layer.lrn_param.local_size) if layer.lrn_param.norm_region == 1 else 1


# Forks


def bn_kind(layer: LayerParameter) -> BnKind:
    """Whose kind a BN layer is of, which its fields tell.

    - ``segnet``: scale and shift; statistics of the batch in both phases, or none (SegNet, DeconvNet, ENet)
    - ``pspnet``: slope, bias, mean, variance; like BatchNorm and Scale (PSPNet, ICNet, TSN)
    - ``ctpn``: scale, shift, mean, variance; in the TEST phase the statistics only where moving_average is set
    """
    names = {field.name for field, _ in layer.bn_param.ListFields()}
    if names & {"decay", "moving_average", "var_eps"}:
        return "ctpn"
    return "segnet" if names & {"bn_mode", "scale_filler", "shift_filler"} else "pspnet"


BnKind: TypeAlias = Literal["segnet", "pspnet", "ctpn"]


def _bn_tops(site: Site) -> list[Shape]:
    """The bottom's shape; further tops of SegNet's kind have the mean and the variance of each channel."""
    shape = site.four_axes()
    return [shape, (1, shape[1], 1, 1), (1, shape[1], 1, 1)][: len(site.layer.top)]


def _bn_params(site: Site) -> list[Shape]:
    """A factor and a shift for each channel, and but in SegNet's kind the statistics, all of them 1 x C x 1 x 1."""
    shape = (1, site.four_axes()[1], 1, 1)
    return [shape] * (2 if bn_kind(site.layer) == "segnet" else 4)


def _bn_fillers(layer: LayerParameter) -> Sequence[Filler]:
    """The forks' GetFiller fills zeros where the net says nothing; a frozen variance starts at 1."""
    names = ("slope_filler", "bias_filler") if bn_kind(layer) == "pspnet" else ("scale_filler", "shift_filler")
    return (*map(Filler, names), Filler(""), Filler("", float(layer.bn_param.frozen)))


def _bn_factors(layer: LayerParameter, tensors: Sequence[Any]) -> tuple[Any, Any]:
    """With the stored statistics, or, in SegNet's INFERENCE mode, with none."""
    import numpy as np

    slope, bias, *statistics = (tensor.astype("f8").ravel() for tensor in tensors)
    if not statistics:
        return slope, bias
    mean, variance = statistics
    factor = slope / np.sqrt(variance + bn_eps(layer))
    return factor, bias - mean * factor


def _bn_is_fixed(layer: LayerParameter) -> bool:
    """Whether a BN computes the same of each value in the TEST phase, whatever the others are."""
    param, kind = layer.bn_param, bn_kind(layer)
    return bool(
        kind == "pspnet"
        or (kind == "segnet" and param.bn_mode == param.INFERENCE)
        or (kind == "ctpn" and param.moving_average)
    )


def learns_by_batch(layer: LayerParameter) -> bool:
    """Whether a layer is a BN of SegNet's kind in its mode LEARN, which takes the batch's statistics in both phases."""
    return layer.type == "BN" and bn_kind(layer) == "segnet" and not _bn_is_fixed(layer)


def bn_eps(layer: LayerParameter) -> float:
    """What a BN adds to a variance, so that none is zero."""
    param = layer.bn_param
    return {"segnet": _SEGNETS_EPS, "pspnet": float(param.eps), "ctpn": float(param.var_eps)}[bn_kind(layer)]


_SEGNETS_EPS = 1e-9  # bn_layer.cpp of SegNet


def _is_idle(layer: LayerParameter) -> bool:
    """A Dropout is idle unless forks' fields let it draw in the TEST phase, or scale there instead of in training."""
    return layer.dropout_param.scale_train and not layer.dropout_param.sample_weights_test


def takes_absolute_values(site: Site) -> bool:
    """Whether a Normalize layer of NormFace's takes sums of absolute values for norms."""
    return site.setting("normalize_param", "normalize_type")[:1] == ["L1"]


NORM_EPS = 1e-6
"""What NormFace's Normalize adds below the root, or to the sum of absolute values."""


def _normalize_tops(site: Site) -> list[Shape]:
    """The bottom's shape; a second top, of NormFace's kind, has the norms."""
    shape = site.shapes[0]
    return [shape, (shape[0], 1, *shape[2:])][: len(site.layer.top)]


def _normalize_params(site: Site) -> list[Shape]:
    """SSD's normalize_layer.cpp learns a scale; NormFace's layer, which has normalize_param, learns nothing."""
    if "normalize_param" in map(kept_name, site.layer.kept_fields) or site.layer.HasField("normalize_param"):
        return []
    return [() if site.param.channel_shared else (site.shapes[0][1],)]


def _axpy_tops(site: Site) -> list[Shape]:
    """scale * x + y, one scale per channel (SENet's axpy_layer.cpp)."""
    scale, x, y = site.shapes
    if scale[:2] != x[:2] or math.prod(scale[2:]) != 1:
        site.fail(f"scales {site.blob(1)} by {site.blob()}", "it takes one number for each channel: N x C x 1 x 1")
    if x != y:
        site.fail(f"adds {site.blob(1)} and {site.blob(2)}", "both need one shape")
    return [x]


def _shuffle_tops(site: Site) -> list[Shape]:
    """Channels are dealt out to the groups in turn."""
    channels, group = site.shapes[0][1], site.param.group
    if group < 1 or channels % group:
        site.fail(f"group {group} does not divide the {channels} channels of {site.blob()}", "use a divisor")
    return [site.shapes[0]]


def _has_own_factors(layer: LayerParameter) -> bool:
    """Whether a Scale or a Bias has its factors as parameters; a bottom could have one for each place."""
    return len(layer.bottom) == 1


def _is_along_channels(layer: LayerParameter) -> bool:
    return bool(layer.softmax_param.axis == 1)


_activation = partial(LayerType, role="activation")
_normalization = partial(LayerType, role="normalization")


TYPES: dict[str, LayerType] = {
    "AbsVal": LayerType(same, local=everywhere),
    "Add": LayerType(_eltwise_tops, "eltwise_param", (2, ANY), role="joining", fork="cambricon", local=everywhere),
    "Axpy": LayerType(_axpy_tops, bottoms=(3, 3), role="joining", fork="SENet"),
    "BN": _normalization(
        _bn_tops,
        "bn_param",
        makes=(1, 3),
        params=_bn_params,
        fillers=_bn_fillers,
        affine=Affine(_bn_factors, (2, 4), _bn_is_fixed),
        fork="segnet",
        local=_bn_is_fixed,
    ),
    "BNLL": _activation(same, local=everywhere),
    "BatchNorm": _normalization(
        same,
        "batch_norm_param",
        params=_batch_norm_params,
        fillers=_batch_norm_fillers,
        spell_out=_spell_out_batch_norm,
        frozen_by={"use_global_stats": True},
        affine=Affine(_batch_norm_factors, (3, 5), _keeps_statistics),
        unset_means=("use_global_stats",),
        simplify=_simplify_batch_norm,
        local=_keeps_statistics,
    ),
    "Bias": _normalization(
        _fits_first,
        "bias_param",
        (1, 2),
        params=_bias_params,
        follows=1,
        fillers=filled_by(Filler("filler")),
        local=_has_own_factors,
    ),
    "Clip": LayerType(same, "clip_param", local=everywhere),
    "DataRandTransform": LayerType(same, fork="opencl"),
    "DenseCRF": LayerType(same, bottoms=(2, 3), follows=1, fork="deeplab"),
    "Dropout": _activation(
        same,
        "dropout_param",
        idle_in_test=_is_idle,
        summary=lambda layer: f"{layer.dropout_param.dropout_ratio:g}",
        local=everywhere,
    ),
    "ELU": _activation(same, "elu_param", gradient_reads_top=True, local=everywhere),
    "Eltwise": LayerType(
        _eltwise_tops,
        "eltwise_param",
        (2, ANY),
        role="joining",
        summary=lambda layer: ("product", "sum", "maximum")[layer.eltwise_param.operation],
        simplify=_simplify_eltwise,
        local=everywhere,
    ),
    "Exp": LayerType(same, "exp_param", gradient_reads_top=True, local=everywhere),
    "Filter": LayerType(_filter_tops, bottoms=(2, ANY), makes=(1, ANY), open_axis=0),
    "FixedNeuron": LayerType(same, fork="xilinx"),
    "Flip": LayerType(same, fork="caffe-windows"),
    "ImageDistort": LayerType(same, fork="opencl"),
    "Insanity": _activation(same, fork="caffe-windows"),
    "LRN": _normalization(
        _same_four,
        "lrn_param",
        reach=_neighbours,
        gradient_reads_top=True,
        summary=lambda layer: str(layer.lrn_param.local_size),
        local=everywhere,
    ),
    "Log": LayerType(same, "log_param", local=everywhere),
    "Mish": _activation(same, fork="mobilenet-yolo", local=everywhere),
    "MVN": _normalization(_same_upto_four, "mvn_param"),
    "Noise": LayerType(same, fork="caffe-windows"),
    "Normalize": _normalization(
        _normalize_tops,
        "norm_param",
        makes=(1, 2),
        params=_normalize_params,
        fillers=filled_by(Filler("scale_filler", 1.0)),
        fork="ssd",
    ),
    "PReLU": _activation(
        _same_upto_four,
        "prelu_param",
        params=_prelu_params,
        fillers=filled_by(_SLOPE),
        simplify=_simplify_prelu,
        local=everywhere,
    ),
    "Power": LayerType(
        same,
        "power_param",
        affine=Affine(_power_factors, (0, 0), lambda layer: layer.power_param.power == 1),
        local=everywhere,
    ),
    "Quantize": LayerType(same, fork="DeepSkeleton"),
    "ReLU": _activation(
        same, "relu_param", clips_negatives=lambda layer: not layer.relu_param.negative_slope, local=everywhere
    ),
    "ReLU6": _activation(same, "relu6_param", fork="mobilenet-yolo", local=everywhere),
    "Rescale": LayerType(same, makes=(1, 2), fork="DeepSkeleton"),
    "Reverse": LayerType(same, coords=ends, fork="ctpn"),
    "Scale": _normalization(
        _fits_first,
        "scale_param",
        (1, 2),
        params=_scale_params,
        follows=1,
        fillers=_scale_fillers,
        affine=Affine(_scale_factors, (1, 2), _scales_channels),
        simplify=_simplify_scale,
        local=_has_own_factors,
    ),
    "SeLu": _activation(same, fork="caffe-model", local=everywhere),
    "SeLuDropout": _activation(same, idle_in_test=lambda layer: True, fork="caffe-windows"),
    "ShuffleChannel": LayerType(_shuffle_tops, "shuffle_channel_param", fork="ShuffleNet"),
    "Sigmoid": _activation(same, "sigmoid_param", gradient_reads_top=True, local=everywhere),
    "SoftTruncation": _activation(same, fork="caffe-windows"),
    "Softmax": _activation(
        _same_along_axis, "softmax_param", normalizes_scores=True, gradient_reads_top=True, local=_is_along_channels
    ),
    "Split": LayerType(same, makes=(1, ANY), role="joining", local=everywhere),
    "Swish": _activation(same, "swish_param", local=everywhere),
    "TanH": _activation(same, "tanh_param", gradient_reads_top=True, local=everywhere),
    "Threshold": LayerType(same, "threshold_param", local=everywhere),
}
