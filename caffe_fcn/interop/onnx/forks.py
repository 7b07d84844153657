"""Layers that forks of Caffe have: Interp, BN, Upsample, Permute, ...; `engines.torch.layers` says whose they are."""

from __future__ import annotations

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.shaping import reshape_to
from caffe_fcn.net.layer_types.pointwise import NORM_EPS, bn_eps, bn_kind, takes_absolute_values
from caffe_fcn.net.layer_types.resampling import spread_windows, unpooling_windows
from caffe_fcn.net.layer_types.shaping import adds_crops, permutation, read_crop_flags


@converts("ReLU6")
def convert_relu6(place: Place) -> list[str]:
    """x, but at most 6; below zero, negative_slope * x."""
    graph, slope = place.graph, place.param.negative_slope
    if slope:
        return [place.add("Min", place.add("LeakyRelu", place.bottom, alpha=slope), graph.add_constant(6.0))]
    return [place.add("Clip", place.bottom, graph.add_constant(0.0), graph.add_constant(6.0))]


@converts("Axpy")
def convert_axpy(place: Place) -> list[str]:
    """factor * x + y, with one factor for each channel of each image."""
    factor, x, y = place.bottoms
    axes = range(len(place.site.shapes[0]), len(place.site.shapes[1]))
    factors = place.add("Unsqueeze", factor, place.graph.add_integers(axes)) if axes else factor
    return [place.add("Add", place.add("Mul", factors, x), y)]


@converts("Permute")
def convert_permute(place: Place) -> list[str]:
    """The axes in another order."""
    return [place.add("Transpose", place.bottom, perm=list(permutation(place.layer, place.rank)))]


@converts("ShuffleChannel")
def convert_shuffle(place: Place) -> list[str]:
    """Channels of several groups, one of each group in turn."""
    place.require_fixed()
    count, channels, *rest = place.shape
    groups = place.param.group
    apart = reshape_to(place, place.bottom, (count, groups, channels // groups, *rest))
    turned = place.add("Transpose", apart, perm=[0, 2, 1, *range(3, len(rest) + 3)])
    return [reshape_to(place, turned, place.shape)]


@converts("Interp")
def convert_interp(place: Place) -> list[str]:
    """Bilinear interpolation with aligned corners, of what pad_beg and pad_end leave."""
    place.require_fixed()
    graph, p = place.graph, place.param
    x = place.bottom
    if p.pad_beg or p.pad_end:
        ends = [size + p.pad_end for size in place.shape[2:]]
        begins = graph.add_integers([-p.pad_beg] * 2)
        x = place.add("Slice", x, begins, graph.add_integers(ends), graph.add_integers([2, 3]))
    return [_resize(place, x)]


def _resize(place: Place, x: str) -> str:
    sizes = place.graph.add_integers(place.tops[0])
    return place.add("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="align_corners")


@converts("Upsample")
def convert_upsample(place: Place) -> list[str]:
    """Unpooling by a mask, the second bottom; without one, each value repeated, or interpolated."""
    place.require_fixed()
    if len(place.bottoms) > 1:
        return [_place_by_mask(place)]
    if place.site.setting("upsample_param", "mode") == ["BILINEAR"]:
        return [_resize(place, place.bottom)]
    sizes = place.graph.add_integers(place.tops[0])
    modes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    return [place.add("Resize", place.bottom, "", "", sizes, **modes)]


@converts("Unpooling")
def convert_unpooling(place: Place) -> list[str]:
    """MAX puts each value where the mask says, or at its window's start; AVE and TILE spread it over its window."""
    place.require_fixed()
    p = place.param
    if p.unpool == p.MAX:
        return [_place_by_mask(place) if len(place.bottoms) > 1 else _place_at_starts(place)]
    rows, columns = (
        spread_windows(window, size, made)
        for window, size, made in zip(unpooling_windows(place.layer), place.shape[2:], place.tops[0][2:], strict=True)
    )
    graph, x = place.graph, place.bottom
    if p.unpool == p.AVE:
        x = place.add("Div", x, graph.add_constant((rows.sum(0)[:, None] * columns.sum(0)).clip(1)))
    return [place.add("MatMul", place.add("MatMul", graph.add_constant(rows), x), graph.add_constant(columns.T))]


def _place_at_starts(place: Place) -> str:
    """Images of zeros with each value at the first place of its window, inside of the image."""
    (height, width), (rows, columns) = place.tops[0][2:], place.shape[2:]
    starts = [
        [min(index * window.stride, made - 1) for index in range(count)]
        for window, count, made in zip(unpooling_windows(place.layer), (rows, columns), (height, width), strict=True)
    ]
    mask = [[float(row * width + column) for column in starts[1]] for row in starts[0]]
    whole = place.add("Expand", place.graph.add_constant(mask), place.graph.add_integers(place.shape))
    return _place_by_mask(place, whole)


@converts("MaskPooling")
def convert_mask_pooling(place: Place) -> list[str]:
    """The product of each channel with a mask, the second bottom."""
    return [place.add("Mul", *place.bottoms)]


def _place_by_mask(place: Place, mask: str = "") -> str:
    """Images of zeros with the values at the places of the mask, by default the second bottom."""
    from onnx import TensorProto, helper

    graph = place.graph
    count, channels, height, width = place.tops[0]
    _, _, rows, columns = place.shape
    flat = (count, channels, rows * columns)
    values = reshape_to(place, place.bottom, flat)
    places = place.add("Cast", reshape_to(place, mask or place.bottoms[1], flat), to=TensorProto.INT64)
    shape = graph.add_integers([count, channels, height * width])
    zeros = place.add("ConstantOfShape", shape, value=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]))
    placed = place.add("ScatterElements", zeros, places, values, axis=2)
    return reshape_to(place, placed, place.tops[0])


@converts("BN")
def convert_bn(place: Place) -> list[str]:
    """The factor and the shift; with the kept statistics, or those of the batch. See the torch engine's class."""
    p, graph = place.param, place.graph
    column = (place.shape[1], *[1] * (place.rank - 2))
    kind = bn_kind(place.layer)
    x = place.bottom
    statistics: list[str] = []
    if kind == "segnet" and p.bn_mode == p.INFERENCE:
        normal = x
    elif kind == "pspnet" or (kind == "ctpn" and p.moving_average):
        mean, variance = (place.add_parameter(index, column) for index in (2, 3))
        normal = _divide(place, place.add("Sub", x, mean), variance)
    else:
        axes = [axis for axis in range(place.rank) if axis != 1]
        mean = graph.reduce("ReduceMean", x, axes)
        centred = place.add("Sub", x, mean)
        variance = graph.reduce("ReduceMean", place.add("Mul", centred, centred), axes)
        normal, statistics = _divide(place, centred, variance), [mean, variance]
    scaled = place.add("Mul", normal, place.add_parameter(0, column))
    return [place.add("Add", scaled, place.add_parameter(1, column)), *statistics][: len(place.tops)]


def _divide(place: Place, x: str, variance: str) -> str:
    """x over the deviation, with the layer's eps."""
    eps = place.graph.add_constant(bn_eps(place.layer))
    return place.add("Div", x, place.add("Sqrt", place.add("Add", variance, eps)))


@converts("Normalize")
def convert_normalize(place: Place) -> list[str]:
    """The norm of each place's channels, or of the image, divided by; and a factor for each channel (SSD's).

    NormFace's has no factors, can take the sum of absolute values, and gives the norms as a second top.
    """
    graph, p = place.graph, place.param
    if not place.params and takes_absolute_values(place.site):
        norm = place.add("Add", graph.reduce("ReduceL1", place.bottom, [1]), graph.add_constant(NORM_EPS))
        return [place.add("Div", place.bottom, norm), norm][: len(place.tops)]
    axes = range(1, place.rank) if place.params and p.across_spatial else [1]
    squares = graph.reduce("ReduceSum", place.add("Mul", place.bottom, place.bottom), axes)
    eps = graph.add_constant(p.eps if place.params else NORM_EPS)
    norm = place.add("Sqrt", place.add("Add", squares, eps))
    normal = place.add("Div", place.bottom, norm)
    if not place.params:
        return [normal, norm][: len(place.tops)]
    count = place.params[0].count
    factors = place.add_parameter(0, (count, *[1] * (place.rank - 2)))
    return [place.add("Mul", normal, factors)]


@converts("Transpose")
def convert_transpose(place: Place) -> list[str]:
    """The axes in another order, all of which are named."""
    return [place.add("Transpose", place.bottom, perm=place.site.numbers("transpose_param", "dim", int))]


@converts("Reverse")
def convert_reverse(place: Place) -> list[str]:
    """One axis backwards, by default the first."""
    (axis,) = place.site.numbers("reverse_param", "axis", int) or [0]
    parts = [place.graph.add_integers([each]) for each in (-1, -(2**31), axis, -1)]
    return [place.add("Slice", place.bottom, *parts)]


@converts("SeLu")
def convert_selu(place: Place) -> list[str]:
    """lambda * x above zero, lambda * alpha * (e^x - 1) below."""
    scale, alpha = (next(iter(place.site.numbers("selu_param", name, float)), None) for name in ("lambda", "alpha"))
    given = {name: value for name, value in (("gamma", scale), ("alpha", alpha)) if value is not None}
    return [place.add("Selu", place.bottom, **given)]


@converts("Mish")
def convert_mish(place: Place) -> list[str]:
    """x * tanh(log(1 + e^x))."""
    return [place.add("Mul", place.bottom, place.add("Tanh", place.add("Softplus", place.bottom)))]


@converts("MergeCrop")
def convert_merge_crop(place: Place) -> list[str]:
    """The middle of the second bottom, joined or added to the first."""
    place.require_fixed(*range(2, place.rank))
    graph = place.graph
    axes = range(2, place.rank)
    larger = place.site.shapes[1]
    begins = [(larger[axis] - place.shape[axis]) // 2 for axis in axes]
    ends = [begin + place.shape[axis] for begin, axis in zip(begins, axes, strict=True)]
    cut = [graph.add_integers(each) for each in (begins, ends, list(axes))]
    parts = [place.bottom, place.add("Slice", place.bottoms[1], *cut)]
    for index, counts in enumerate(read_crop_flags(place.site, "forward")):
        if not counts:
            parts[index] = place.add("Mul", parts[index], graph.add_constant(0.0))
    if adds_crops(place.site):
        return [place.add("Add", *parts)]
    return [place.add("Concat", *parts, axis=1)]


@converts("Reorg")
def convert_reorg(place: Place) -> list[str]:
    """Blocks of pixels become channels, or with ``reverse`` channels blocks; see the torch engine's class."""
    place.require_fixed()
    stride, (count, channels, height, width) = place.param.stride, place.shape
    groups = channels // stride**2
    if place.param.reverse:
        apart = reshape_to(place, place.bottom, (count, stride, stride, groups, height, width))
        blocks = place.add("Transpose", apart, perm=[0, 3, 4, 1, 5, 2])
    else:
        apart = reshape_to(place, place.bottom, (count, groups, height, stride, width, stride))
        blocks = place.add("Transpose", apart, perm=[0, 3, 5, 1, 2, 4])
    return [reshape_to(place, blocks, place.tops[0])]
