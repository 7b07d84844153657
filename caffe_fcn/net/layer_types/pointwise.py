"""Layers that keep the shape, and the place of every value."""

from __future__ import annotations

from caffe_fcn.net.layer_types.site import ANY, LayerType, Shape, Site


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
    return [(channels,), (channels,), (1,)]


def _part(site: Site) -> Shape:
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
    spans = _part(site) if len(site.shapes) == 1 else site.shapes[1]
    return ([spans] if len(site.shapes) == 1 else []) + ([spans] if site.param.bias_term else [])


def _bias_params(site: Site) -> list[Shape]:
    return [_part(site)] if len(site.shapes) == 1 else []


def _eltwise_tops(site: Site) -> list[Shape]:
    for index, shape in enumerate(site.shapes):
        if shape != site.shapes[0]:
            site.fail(f"adds {site.blob(index)} to {site.blob()}", "give both one shape, with a Crop perhaps")
    coefficients = len(site.param.coeff)
    if coefficients not in (0, len(site.shapes)):
        site.fail(f"has {coefficients} coeff for {len(site.shapes)} bottoms", "give one each")
    return [site.shapes[0]]


TYPES: dict[str, LayerType] = {
    "AbsVal": LayerType(same),
    "BNLL": LayerType(same),
    "BatchNorm": LayerType(same, "batch_norm_param", params=_batch_norm_params),
    "Bias": LayerType(_fits_first, "bias_param", (1, 2), params=_bias_params, follows=1),
    "Clip": LayerType(same, "clip_param"),
    "Dropout": LayerType(same, "dropout_param"),
    "ELU": LayerType(same, "elu_param"),
    "Eltwise": LayerType(_eltwise_tops, "eltwise_param", (2, ANY)),
    "Exp": LayerType(same, "exp_param"),
    "Filter": LayerType(_filter_tops, bottoms=(2, ANY), makes=(1, ANY)),
    "LRN": LayerType(_same_four, "lrn_param"),
    "Log": LayerType(same, "log_param"),
    "MVN": LayerType(_same_upto_four, "mvn_param"),
    "PReLU": LayerType(_same_upto_four, "prelu_param", params=_prelu_params),
    "Power": LayerType(same, "power_param"),
    "ReLU": LayerType(same, "relu_param"),
    "Scale": LayerType(_fits_first, "scale_param", (1, 2), params=_scale_params, follows=1),
    "Sigmoid": LayerType(same, "sigmoid_param"),
    "Softmax": LayerType(_same_along_axis, "softmax_param"),
    "Split": LayerType(same, makes=(1, ANY)),
    "Swish": LayerType(same, "swish_param"),
    "TanH": LayerType(same, "tanh_param"),
    "Threshold": LayerType(same, "threshold_param"),
}
