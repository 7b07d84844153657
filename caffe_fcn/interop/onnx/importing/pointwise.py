"""Operators of single values: activations, arithmetic with constants and between blobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffe_fcn.interop.onnx.importing.place import NodePlace, converts
from caffe_fcn.interop.onnx.importing.shaping import reshape
from caffe_fcn.interop.onnx.importing.source import Shape

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array

_MEND = "give `compose`: it is written with layers that Caffe has"


@converts("Abs", "Exp", "Log", "Relu", "Sigmoid", "Softplus", "Tanh")
def convert_function(place: NodePlace) -> list[str]:
    """Functions without settings."""
    return [place.add(_FUNCTIONS[place.node.op_type], place.blob())]


_FUNCTIONS = {
    "Abs": "AbsVal",
    "Exp": "Exp",
    "Log": "Log",
    "Relu": "ReLU",
    "Sigmoid": "Sigmoid",
    "Softplus": "BNLL",
    "Tanh": "TanH",
}


@converts("Neg", "Reciprocal", "Sqrt")
def convert_power(place: NodePlace) -> list[str]:
    """(scale * x) ^ power."""
    power, scale = {"Neg": (1.0, -1.0), "Reciprocal": (-1.0, 1.0), "Sqrt": (0.5, 1.0)}[place.node.op_type]
    return [place.add("Power", place.blob(), power_param={"power": power, "scale": scale})]


@converts("LeakyRelu")
def convert_leaky_relu(place: NodePlace) -> list[str]:
    """alpha * x below 0."""
    return [place.add("ReLU", place.blob(), relu_param={"negative_slope": place.attribute("alpha", 0.01)})]


@converts("PRelu")
def convert_prelu(place: NodePlace) -> list[str]:
    """A slope for each channel, or one for all."""
    slopes = place.constant(1, "slope")
    if slopes.size == 1:
        return [place.add("PReLU", place.blob(), parameters=[slopes.reshape(())], prelu_param={"channel_shared": True})]
    shape = place.shape()
    spread = (1,) * (len(shape) - slopes.ndim) + slopes.shape
    if spread != (1, shape[1], *[1] * (len(shape) - 2)):
        place.fail(f"has slopes of shape {slopes.shape}", "Caffe's PReLU has one for each channel")
    return [place.add("PReLU", place.blob(), parameters=[slopes.reshape(-1)])]


@converts("Elu")
def convert_elu(place: NodePlace) -> list[str]:
    """alpha * (e^x - 1) below 0."""
    return [place.add("ELU", place.blob(), elu_param={"alpha": place.attribute("alpha", 1.0)})]


@converts("Clip")
def convert_clip(place: NodePlace) -> list[str]:
    """x between two limits; without an upper one of 0 and more it is ReLU."""
    low, high = (
        float(place.constant(index, name).reshape(-1)[0]) if place.has(index) else place.attribute(name)
        for index, name in ((1, "min"), (2, "max"))
    )
    return [clip(place, place.blob(), _limit(low), _limit(high))]


_HUGE = 3.0e38  # what exporters write for no limit


def _limit(value: float | None) -> float | None:
    return None if value is None or abs(value) > _HUGE else value


def clip(place: NodePlace, x: str, low: float | None, high: float | None) -> str:
    """Append max(low, min(high, x)): ReLU keeps what is above a limit."""
    if low is not None and high is not None and place.says("Clip"):
        return place.add("Clip", x, clip_param={"min": low, "max": high})
    if not (place.compose or (high is None and low == 0)):
        mend = f"{_MEND}, or the `dialect` master, whose Caffe has the layer"
        place.fail("Caffe 1.0 has no layer that limits values", mend)
    if low is not None:
        x = power(place, place.add("ReLU", power(place, x, shift=-low)), shift=low)
    if high is not None:
        x = power(place, place.add("ReLU", power(place, x, scale=-1.0, shift=high)), scale=-1.0, shift=high)
    return x


def power(place: NodePlace, x: str, scale: float = 1.0, shift: float = 0.0) -> str:
    """Append scale * x + shift, unless that is x."""
    if scale == 1 and shift == 0:
        return x
    source, (first, moved) = place.net.scaled.get(x, (x, (1.0, 0.0)))
    line = first * scale, moved * scale + shift
    if line == (1, 0):
        return source
    y = place.add("Power", x, power_param={"scale": scale, "shift": shift})
    place.net.scaled[y] = source, line
    return y


@converts("HardSigmoid")
def convert_hard_sigmoid(place: NodePlace) -> list[str]:
    """alpha * x + beta, between 0 and 1."""
    alpha, beta = place.attribute("alpha", 0.2), place.attribute("beta", 0.5)
    return [clip(place, power(place, place.blob(), alpha, beta), 0.0, 1.0)]


@converts("HardSwish")
def convert_hard_swish(place: NodePlace) -> list[str]:
    """x, times x / 6 + 1 / 2 between 0 and 1."""
    x = place.blob()
    return [_join(place, [x, clip(place, power(place, x, 1 / 6, 0.5), 0.0, 1.0)], "PROD")]


@converts("Pow")
def convert_pow(place: NodePlace) -> list[str]:
    """A constant power, of one value."""
    exponent = place.constant(1, "exponent")
    if exponent.size != 1:
        place.fail("has many exponents", "Caffe's Power has one")
    return [place.add("Power", place.blob(), power_param={"power": float(exponent.reshape(-1)[0])})]


@converts("Add", "Sub", "Mul", "Div")
def convert_arithmetic(place: NodePlace) -> list[str]:
    """A blob and a constant, or two blobs; the smaller one is spread over the larger one's axes."""
    if place.is_constant(0) or place.is_constant(1):
        return [_apply_constant(place, 1 if place.is_constant(0) else 0)]
    operation = "SUM" if place.node.op_type in ("Add", "Sub") else "PROD"
    first, second = place.blob(0), place.blob(1)
    same = place.shape(0) == place.shape(1)
    if same and place.node.op_type == "Sub":
        return [place.add("Eltwise", first, second, eltwise_param={"operation": operation, "coeff": [1, -1]})]
    if place.node.op_type == "Sub":
        second = power(place, second, scale=-1.0)
    if place.node.op_type == "Div":
        second = place.add("Power", second, power_param={"power": -1.0})
    if same:
        return [_join(place, [first, second], operation)]
    operands = [(first, place.shape(0)), (second, place.shape(1))]
    return [_spread(place, operands, operation)]


@converts("Max", "Sum")
def convert_many(place: NodePlace) -> list[str]:
    """The maximum, or the sum, of blobs of one shape."""
    if any(place.is_constant(index) or place.shape(index) != place.shape() for index in range(len(place.inputs))):
        place.fail("joins constants, or blobs of several shapes", "Caffe's Eltwise joins blobs of one shape")
    blobs = [place.blob(index) for index in range(len(place.inputs))]
    return [_join(place, blobs, "MAX" if place.node.op_type == "Max" else "SUM") if len(blobs) > 1 else blobs[0]]


def _join(place: NodePlace, blobs: Sequence[str], operation: str) -> str:
    return place.add("Eltwise", *blobs, eltwise_param={"operation": operation})


def _apply_constant(place: NodePlace, index: int) -> str:
    """Append the arithmetic of a blob, which is input ``index``, with a constant."""
    import numpy as np

    constant = np.asarray(place.constant(1 - index), np.float32)
    x, operator = place.blob(index), place.node.op_type
    if operator == "Div" and index == 1:
        x, operator = place.add("Power", x, power_param={"power": -1.0}), "Mul"
    elif operator == "Div":
        with np.errstate(divide="ignore"):
            constant, operator = np.float32(1) / constant, "Mul"
    if operator == "Sub":
        x = power(place, x, scale=-1.0) if index == 1 else x
        constant, operator = constant if index == 1 else -constant, "Add"
    if constant.size == 1 and constant.ndim <= len(place.shape(index)):
        value = float(constant.reshape(-1)[0])
        return power(place, x, scale=value) if operator == "Mul" else power(place, x, shift=value)
    axis, values = _place_constant(place, constant, place.shape(index))
    return place.scale(x, values, axis) if operator == "Mul" else place.shift(x, values, axis)


def _place_constant(place: NodePlace, constant: Array, shape: Shape) -> tuple[int, Array]:
    """The axis where a constant begins to vary, and the constant from there to where it ends to vary."""
    import numpy as np

    sides = (1,) * (len(shape) - constant.ndim) + constant.shape
    if len(sides) != len(shape) or any(side not in (1, own) for side, own in zip(sides, shape, strict=True)):
        place.fail(f"spreads a blob of shape {shape} over a constant of {constant.shape}", "compute it before the net")
    varying = [axis for axis, side in enumerate(sides) if side > 1]
    begin, end = varying[0], varying[-1] + 1
    values = np.broadcast_to(constant.reshape(sides[begin:end]), shape[begin:end])
    return begin, values


def _spread(place: NodePlace, operands: Sequence[tuple[str, Shape]], operation: str) -> str:
    """Append the sum or product of two blobs that broadcast.

    Scale and Bias spread a second bottom over the axes of the first; elsewhere Tile repeats values.
    """
    shape = place.shapes[0]
    for (large, its_shape), (small, other) in (operands, operands[::-1]):
        if its_shape == shape:
            sides = (1,) * (len(shape) - len(other)) + tuple(other)
            own = [axis for axis, side in enumerate(sides) if side == shape[axis]]
            repeated = [axis for axis in range(len(shape)) if axis not in own]
            begin, end = _find_span(repeated, len(shape))
            if begin < end and not set(repeated).intersection(range(begin, end)):
                taken = reshape(place, small, other, sides[begin:end]) if tuple(other) != sides[begin:end] else small
                if operation == "PROD":
                    return place.add("Scale", large, taken, scale_param={"axis": begin, "bias_term": False})
                return place.add("Bias", large, taken, bias_param={"axis": begin})
    return _join(place, [_repeat(place, blob, own, shape) for blob, own in operands], operation)


def _find_span(repeated: Sequence[int], rank: int) -> tuple[int, int]:
    """The axes from the first to behind the last that are not repeated at the beginning or end."""
    begin = next(axis for axis in range(rank + 1) if axis not in repeated)
    end = next((axis for axis in range(rank, 0, -1) if axis - 1 not in repeated), 0)
    return begin, max(begin, end)


def _repeat(place: NodePlace, blob: str, own: Shape, shape: Shape) -> str:
    sides = (1,) * (len(shape) - len(own)) + tuple(own)
    if sides != tuple(own):
        blob = reshape(place, blob, own, sides)
    for axis, side in enumerate(sides):
        if side != shape[axis]:
            blob = place.add("Tile", blob, tile_param={"axis": axis, "tiles": shape[axis]})
    return blob
