"""Operators that multiply by a matrix, normalize or reduce."""

from __future__ import annotations

from caffe_fcn.interop.onnx.importing.parameters import change_rows
from caffe_fcn.interop.onnx.importing.place import NodePlace, converts
from caffe_fcn.interop.onnx.importing.pointwise import power
from caffe_fcn.interop.onnx.importing.pooling import pool_all
from caffe_fcn.interop.onnx.importing.shaping import reshape, take
from caffe_fcn.interop.onnx.importing.source import Constant, Shape
from caffe_fcn.surgery.adaptation import transposed
from caffe_fcn.weights.tensors import Tensor

_SOFTMAX_KEEPS_AXES_FROM = 13


@converts("Gemm")
def convert_gemm(place: NodePlace) -> list[str]:
    """alpha * A B + beta * C with constant B and C."""
    import numpy as np

    if place.attribute("transA", 0):
        place.fail("turns its first input round", "Caffe's InnerProduct does not")
    weights = _read_matrix(place)
    weights = weights if place.attribute("transB", 0) else transposed(weights)
    count, alpha = weights.shape[0], np.float32(place.attribute("alpha", 1.0))
    parameters: list[Constant] = [weights if alpha == 1 else change_rows(weights, lambda rows: alpha * rows)]
    if place.has(2):
        bias = np.float32(place.attribute("beta", 1.0)) * place.constant(2, "bias")
        if bias.size not in (1, count) or (bias.ndim > 1 and bias.shape[0] != 1):
            place.fail(f"has a bias of shape {bias.shape}", "Caffe's InnerProduct has one value for each output")
        parameters.append(np.broadcast_to(bias.reshape(-1), (count,)))
    settings = {"num_output": count, "bias_term": place.has(2)}
    return [place.add("InnerProduct", place.blob(), parameters=parameters, inner_product_param=settings)]


@converts("MatMul")
def convert_matmul(place: NodePlace) -> list[str]:
    """A blob times a constant matrix, along its last axis."""
    weights = transposed(_read_matrix(place))
    settings = {"num_output": weights.shape[0], "bias_term": False, "axis": len(place.shape()) - 1}
    return [place.add("InnerProduct", place.blob(), parameters=[weights], inner_product_param=settings)]


def _read_matrix(place: NodePlace) -> Tensor:
    weights = place.parameter(1, "matrix")
    if len(weights.shape) != len(("rows", "columns")):
        place.fail(f"has a constant of shape {weights.shape}", "Caffe's InnerProduct has one matrix")
    return weights


@converts("BatchNormalization")
def convert_batch_normalization(place: NodePlace) -> list[str]:
    """BatchNorm with the statistics, and Scale with the factor and the shift."""
    import numpy as np

    if place.attribute("training_mode", 0):
        place.fail("normalizes each batch by itself", "export the model for inference")
    factor, shift, mean, variance = (place.constant(index, "parameter").reshape(-1) for index in range(1, 5))
    settings = {"use_global_stats": True, "eps": place.attribute("epsilon", 1e-5)}
    statistics = [mean, variance, np.ones(1, np.float32)]
    x = place.add("BatchNorm", place.blob(), parameters=statistics, batch_norm_param=settings)
    if (factor == 1).all() and (shift == 0).all():
        return [x]
    return [place.add("Scale", x, parameters=[factor, shift], scale_param={"bias_term": True})]


@converts("LRN")
def convert_lrn(place: NodePlace) -> list[str]:
    """Both divide alpha by the number of channels."""
    size = place.attribute("size")
    if size % 2 == 0:
        place.fail(f"takes {size} channels", "Caffe's LRN takes an odd number")
    place.require_axes(4)
    alpha, beta, k = (place.attribute(*each) for each in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return [place.add("LRN", place.blob(), lrn_param={"local_size": size, "alpha": alpha, "beta": beta, "k": k})]


@converts("Softmax", "LogSoftmax")
def convert_softmax(place: NodePlace) -> list[str]:
    """Over an axis; before operator set 13 over all axes from it on."""
    shape, blob = place.shape(), place.blob()
    if place.source.opset >= _SOFTMAX_KEEPS_AXES_FROM:
        y = place.add("Softmax", blob, softmax_param={"axis": place.axis(place.attribute("axis", -1))})
    else:
        axis = place.axis(place.attribute("axis", 1))
        count = 1
        for side in shape[axis + 1 :]:
            count *= side
        if count == 1:
            y = place.add("Softmax", blob, softmax_param={"axis": axis})
        else:
            flat = (*shape[:axis], shape[axis] * count)
            y = place.add("Softmax", reshape(place, blob, shape, flat), softmax_param={"axis": axis})
            y = reshape(place, y, flat, shape)
    return [place.add("Log", y) if place.node.op_type == "LogSoftmax" else y]


@converts("ArgMax", "TopK")
def convert_argmax(place: NodePlace) -> list[str]:
    """Positions of the largest values along an axis, and these values.

    Of equal values ONNX takes the first, and Caffe the last: there the axis is turned round before.
    """
    shape, operator = place.shape(), place.node.op_type
    axis = place.axis(place.attribute("axis", 0 if operator == "ArgMax" else -1))
    if not place.attribute("largest", 1):
        place.fail("takes the smallest values", "negate them before")
    count = int(place.constant(1, "count").reshape(-1)[0]) if operator == "TopK" else 1
    takes_last = operator == "ArgMax" and bool(place.attribute("select_last_index", 0))
    settings = {"axis": axis, "top_k": count}
    x = place.blob()
    turned = x if takes_last else take(place, x, axis, range(shape[axis])[::-1], shape[axis])
    found = place.add("ArgMax", turned, argmax_param=settings)
    if not takes_last:
        found = power(place, found, scale=-1.0, shift=shape[axis] - 1.0)
    if operator == "ArgMax":
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        return [found if kept == place.shapes[0] else reshape(place, found, kept, place.shapes[0])]
    made = {0: found, 1: found}
    if place.node.output[0] in place.source.readers or place.node.output[0] in place.source.outputs:
        made[0] = place.add("ArgMax", x, argmax_param=settings | {"out_max_val": True})
    return [made[index] for index, name in enumerate(place.node.output) if name]


@converts("ReduceMean", "ReduceSum", "ReduceMax")
def convert_reduction(place: NodePlace) -> list[str]:
    """Rows and columns of an image as global pooling, all last axes as Reduction."""
    before, after, operator = place.shape(), place.shapes[0], place.node.op_type
    axes = sorted(place.axis(axis) for axis in place.integers(1, "axes", range(len(before))))
    pooled = {"ReduceMean": "AVE", "ReduceMax": "MAX"}.get(operator)
    if pooled and axes == [2, 3] and len(before) == 4:
        y = pool_all(place, pooled)
        shape: Shape = (*before[:2], 1, 1)
    elif operator != "ReduceMax" and axes == list(range(axes[0], len(before))):
        operation = {"ReduceMean": "MEAN", "ReduceSum": "SUM"}[operator]
        settings = {"operation": operation, "axis": axes[0]}
        y, shape = place.add("Reduction", place.blob(), reduction_param=settings), before[: axes[0]]
    else:
        place.fail(f"reduces axes {axes} of {len(before)}", "Caffe reduces the last axes, and images to one pixel")
    return [y if shape == after else reshape(place, y, shape, after)]
