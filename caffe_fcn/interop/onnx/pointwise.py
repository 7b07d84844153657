"""Layers of single values, and of blobs value by value: ReLU, Power, Eltwise, Scale, ..."""

from __future__ import annotations

import math
from functools import reduce

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.net.layer_types.data import is_spatial_dropout, read_spatial_dropout
from caffe_fcn.proto.schema import EltwiseParameter


@converts("AbsVal", "BNLL", "Sigmoid", "TanH")
def convert_function(place: Place) -> list[str]:
    """Layers without settings."""
    return [place.add(_FUNCTIONS[place.layer.type], place.bottom)]


_FUNCTIONS = {"AbsVal": "Abs", "BNLL": "Softplus", "Sigmoid": "Sigmoid", "TanH": "Tanh"}


@converts("Dropout")
def convert_dropout(place: Place) -> list[str]:
    """Nothing, unless it scales in the TEST phase."""
    p = place.param
    if p.sample_weights_test and p.dropout_ratio:
        place.fail("draws anew in each pass", "leave out sample_weights_test")
    return [place.bottom if p.scale_train else _multiply(place, place.bottom, 1 - p.dropout_ratio)]


@converts("Python")
def convert_python(place: Place) -> list[str]:
    """The layers whose code is known: ENet's dropout of channels scales all of them, an augmentation does nothing."""
    if is_augmentation(place.layer):
        return list(place.bottoms)
    if not is_spatial_dropout(place.layer):
        place.fail("ONNX has no equivalent of this layer type", "take the layer out of the net")
    draws, share = read_spatial_dropout(place.site)
    if draws:
        place.fail("draws anew in each pass", "write the phase TEST into its param_str")
    return [_multiply(place, place.bottom, 1 / (1 - share))]


@converts("Split")
def convert_copy(place: Place) -> list[str]:
    """Layers that give their bottom to each top."""
    return [place.bottom] * len(place.layer.top)


@converts("Silence")
def convert_silence(place: Place) -> list[str]:
    """Nothing."""
    return []


@converts("ReLU")
def convert_relu(place: Place) -> list[str]:
    """max(x, 0) + negative_slope * min(x, 0)."""
    slope = place.param.negative_slope
    return [place.add("LeakyRelu", place.bottom, alpha=slope) if slope else place.add("Relu", place.bottom)]


@converts("PReLU")
def convert_prelu(place: Place) -> list[str]:
    """The slopes as a column, which broadcasts over the axes behind the channels."""
    count = place.params[0].count
    return [place.add("PRelu", place.bottom, place.add_parameter(0, (count, *[1] * max(place.rank - 2, 0))))]


@converts("ELU")
def convert_elu(place: Place) -> list[str]:
    """x above zero, alpha * (e^x - 1) below."""
    return [place.add("Elu", place.bottom, alpha=place.param.alpha)]


@converts("Clip")
def convert_clip(place: Place) -> list[str]:
    """x, limited to min and max."""
    low, high = (place.graph.add_constant(limit) for limit in (place.param.min, place.param.max))
    return [place.add("Clip", place.bottom, low, high)]


@converts("Swish")
def convert_swish(place: Place) -> list[str]:
    """x * sigmoid(beta * x)."""
    scaled = _multiply(place, place.bottom, place.param.beta)
    return [place.add("Mul", place.bottom, place.add("Sigmoid", scaled))]


@converts("Threshold")
def convert_threshold(place: Place) -> list[str]:
    """1 above the threshold, otherwise 0."""
    from onnx import TensorProto

    above = place.add("Greater", place.bottom, place.graph.add_constant(place.param.threshold))
    return [place.add("Cast", above, to=TensorProto.FLOAT)]


@converts("Power")
def convert_power(place: Place) -> list[str]:
    """(shift + scale * x) ^ power."""
    p = place.param
    y = _add(place, _multiply(place, place.bottom, p.scale), p.shift)
    return [y if p.power == 1 else place.add("Pow", y, place.graph.add_constant(p.power))]


@converts("Exp")
def convert_exp(place: Place) -> list[str]:
    """base ^ (shift + scale * x)."""
    p = place.param
    rate = _find_rate(p.base)
    return [place.add("Exp", _add(place, _multiply(place, place.bottom, rate * p.scale), rate * p.shift))]


@converts("Log")
def convert_log(place: Place) -> list[str]:
    """log_base(shift + scale * x)."""
    p = place.param
    y = place.add("Log", _add(place, _multiply(place, place.bottom, p.scale), p.shift))
    return [_multiply(place, y, 1 / _find_rate(p.base))]


def _find_rate(base: float) -> float:
    """The natural logarithm of a base, of which -1 means e."""
    return 1.0 if base == -1 else math.log(base)


def _multiply(place: Place, x: str, factor: float) -> str:
    return x if factor == 1 else place.add("Mul", x, place.graph.add_constant(factor))


def _add(place: Place, x: str, shift: float) -> str:
    return place.add("Add", x, place.graph.add_constant(shift)) if shift else x


@converts("Add", "Eltwise")
def convert_eltwise(place: Place) -> list[str]:
    """The product, the weighted sum or the maximum, two by two in Caffe's order."""
    operation = EltwiseParameter.EltwiseOp.Name(place.param.operation)
    values = list(place.bottoms)
    if operation == "SUM" and place.param.coeff:
        values = [_multiply(place, x, weight) for x, weight in zip(values, place.param.coeff, strict=True)]
    return [reduce(lambda a, b: place.add(_ELTWISE[operation], a, b), values)]


_ELTWISE = {"PROD": "Mul", "SUM": "Add", "MAX": "Max"}


@converts("Scale")
def convert_scale(place: Place) -> list[str]:
    """The product with a second bottom or a parameter, and perhaps a bias of the same span."""
    factors = _find_factors(place)
    y = place.add("Mul", place.bottom, factors[0])
    return [place.add("Add", y, factors[1]) if len(factors) > 1 else y]


@converts("Bias")
def convert_bias(place: Place) -> list[str]:
    """The sum with a second bottom or a parameter."""
    return [place.add("Add", place.bottom, _find_factors(place)[0])]


def _find_factors(place: Place) -> list[str]:
    """The second bottom and the parameters, in shapes that broadcast against the first bottom."""
    result = []
    if len(place.bottoms) > 1:
        trailing = _count_trailing(place, len(place.site.shapes[1]))
        axes = [len(place.site.shapes[1]) + place_ for place_ in range(trailing)]
        other = place.bottoms[1]
        result.append(place.add("Unsqueeze", other, place.graph.add_integers(axes)) if axes else other)
    for index, tensor in enumerate(place.params):
        shape = (*tensor.shape, *[1] * _count_trailing(place, len(tensor.shape)))
        result.append(place.add_parameter(index, shape))
    return result


def _count_trailing(place: Place, span: int) -> int:
    """How many axes of the first bottom lie behind those that a factor of ``span`` axes spans."""
    start = place.site.axis(place.param.axis) if span else 0
    return place.rank - start - span
