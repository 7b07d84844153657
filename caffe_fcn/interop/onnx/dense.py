"""Layers that multiply by a matrix, normalize, reduce or choose: InnerProduct, LRN, BatchNorm, Softmax, ArgMax, ..."""

from __future__ import annotations

import math
from collections.abc import Sequence

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.shaping import reshape_to
from caffe_fcn.net.layer_types.pointwise import keeps_means
from caffe_fcn.proto.schema import ReductionParameter


@converts("InnerProduct")
def convert_inner_product(place: Place) -> list[str]:
    """Gemm, on the axes from ``axis`` made one."""
    axis = place.site.axis(place.param.axis)
    flat = place.bottom if axis == 1 and place.rank == 2 else place.add("Flatten", place.bottom, axis=axis)
    parameters = [place.add_parameter(index) for index in range(len(place.params))]
    y = place.add("Gemm", flat, *parameters, transB=int(not place.param.transpose))
    if len(place.tops[0]) == 2:
        return [y]
    place.require_fixed(*range(axis))
    return [reshape_to(place, y, place.tops[0])]


@converts("Embed")
def convert_embed(place: Place) -> list[str]:
    """Rows of the weights by their numbers."""
    from onnx import TensorProto

    numbers = place.add("Cast", place.bottom, to=TensorProto.INT64)
    rows = place.add("Gather", place.add_parameter(0), numbers, axis=0)
    return [place.add("Add", rows, place.add_parameter(1)) if len(place.params) > 1 else rows]


@converts("LRN")
def convert_lrn(place: Place) -> list[str]:
    """Across channels as ONNX has it; within channels by an average of squares."""
    p = place.param
    if p.norm_region != p.WITHIN_CHANNEL:
        return [place.add("LRN", place.bottom, alpha=p.alpha, beta=p.beta, bias=p.k, size=p.local_size)]
    size, constant = p.local_size, place.graph.add_constant
    squares = place.add("Mul", place.bottom, place.bottom)
    windows = {"kernel_shape": [size] * 2, "strides": [1, 1], "pads": [size // 2] * 4, "count_include_pad": 1}
    scaled = place.add("Mul", place.add("AveragePool", squares, **windows), constant(p.alpha))
    power = place.add("Pow", place.add("Add", scaled, constant(1.0)), constant(-p.beta))
    return [place.add("Mul", place.bottom, power)]


@converts("BatchNorm")
def convert_batch_norm(place: Place) -> list[str]:
    """The statistics as a mean and a variance; of the batch itself where the layer uses no global ones.

    With NVIDIA's ``scale_bias`` two further parameters are a factor and a shift.
    """
    import numpy as np

    p, graph = place.param, place.graph
    eps = max(p.eps, _LEAST_EPS) if keeps_means(place.layer) else p.eps
    if p.HasField("use_global_stats") and not p.use_global_stats:
        axes = [axis for axis in range(place.rank) if axis != 1]
        centred = place.add("Sub", place.bottom, graph.reduce("ReduceMean", place.bottom, axes))
        variance = graph.reduce("ReduceMean", place.add("Mul", centred, centred), axes)
        deviation = place.add("Sqrt", place.add("Add", variance, graph.add_constant(eps)))
        normal = place.add("Div", centred, deviation)
        if len(place.params) == _STATISTICS:
            return [normal]
        column = (place.params[-1].count, *[1] * (place.rank - 2))
        scaled = place.add("Mul", normal, place.add_parameter(_STATISTICS, column))
        return [place.add("Add", scaled, place.add_parameter(_STATISTICS + 1, column))]
    total, squares, weight, *own = (np.asarray(tensor.load(), np.float32).reshape(-1) for tensor in place.params)
    scale = np.float32(0 if weight[0] == 0 else 1 / weight[0])
    factor, shift = own or (np.ones_like(total), np.zeros_like(total))
    parameters = [graph.add_constant(each) for each in (factor, shift, total * scale, squares * scale)]
    if place.rank > 1:
        return [place.add("BatchNormalization", place.bottom, *parameters, epsilon=eps)]
    raised = place.add("Unsqueeze", place.bottom, graph.add_integers([1]))
    y = place.add("BatchNormalization", raised, *parameters, epsilon=eps)
    return [place.add("Squeeze", y, graph.add_integers([1]))]


_STATISTICS, _LEAST_EPS = 3, 1e-5  # of NVIDIA's fork


@converts("MVN")
def convert_mvn(place: Place) -> list[str]:
    """The mean subtracted, and divided by the deviation and eps."""
    graph, p = place.graph, place.param
    axes = range(1 if p.across_channels or place.rank < 2 else 2, place.rank)
    if not axes:  # each value is its own mean
        return [place.add("Sub", place.bottom, place.bottom)]
    centred = place.add("Sub", place.bottom, graph.reduce("ReduceMean", place.bottom, axes))
    if not p.normalize_variance:
        return [centred]
    deviation = place.add("Sqrt", graph.reduce("ReduceMean", place.add("Mul", centred, centred), axes))
    return [place.add("Div", centred, place.add("Add", deviation, graph.add_constant(p.eps)))]


@converts("Softmax")
def convert_softmax(place: Place) -> list[str]:
    """Exponentials, divided by their sum over ``axis``."""
    return [place.add("Softmax", place.bottom, axis=place.site.axis(place.param.axis))]


@converts("Reduction")
def convert_reduction(place: Place) -> list[str]:
    """The sum, mean, ... over all axes from ``axis``, times ``coeff``."""
    operator = _REDUCTIONS[ReductionParameter.ReductionOp.Name(place.param.operation)]
    axes = range(place.site.axis(place.param.axis), place.rank)
    y = place.graph.reduce(operator, place.bottom, axes, keep=False)
    coefficient = place.param.coeff
    return [y if coefficient == 1 else place.add("Mul", y, place.graph.add_constant(coefficient))]


_REDUCTIONS = {"SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}


@converts("ArgMax")
def convert_argmax(place: Place) -> list[str]:
    """The positions of the largest values; of equal ones the last, so the axis is turned round before and after."""
    from onnx import TensorProto

    graph, p = place.graph, place.param
    if p.HasField("axis"):
        x, axis, count = place.bottom, place.site.axis(p.axis), place.shape[place.site.axis(p.axis)]
        place.require_fixed(axis)
    else:
        place.require_fixed(*range(1, place.rank))
        x, axis, count = place.add("Flatten", place.bottom, axis=1), 1, math.prod(place.shape[1:])
    turned = _turn(place, x, axis)
    values, places = graph.add_many("TopK", turned, graph.add_integers([p.top_k]), outputs=2, axis=axis, largest=1)
    last = place.add("Sub", graph.add_constant(count - 1.0), place.add("Cast", places, to=TensorProto.FLOAT))
    if p.HasField("axis"):
        return [values if p.out_max_val else last]
    parts = [place.add("Unsqueeze", each, graph.add_integers([1])) for each in ([last, values][: 1 + p.out_max_val])]
    both = place.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    return [_add_axes(place, both, len(place.tops[0]) - 3)]


def _turn(place: Place, x: str, axis: int) -> str:
    integers: Sequence[str] = [place.graph.add_integers([each]) for each in (-1, -(2**31), axis, -1)]
    return place.add("Slice", x, *integers)


def _add_axes(place: Place, x: str, count: int) -> str:
    return place.add("Unsqueeze", x, place.graph.add_integers(range(3, 3 + count))) if count > 0 else x
