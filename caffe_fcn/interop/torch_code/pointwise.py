"""Layers of single values, and of blobs value by value: ReLU, Power, Eltwise, Scale, ..."""

from __future__ import annotations

import math
from functools import partial, reduce

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.interop.torch_code.names import write_number
from caffe_fcn.interop.torch_code.place import Place, Writer
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.net.layer_types.data import is_spatial_dropout, read_spatial_dropout
from caffe_fcn.proto.schema import EltwiseParameter

_LONGEST_SUM = 90  # characters; more becomes a call, which can be broken into lines


def write_module(place: Place, module: str) -> list[str]:
    """A module of torch without parameters."""
    return [f"{place.add_module(module)}({place.bottom})"]


def write_copy(place: Place) -> list[str]:
    """Layers that give their bottom to each top."""
    return [place.bottom] * len(place.layer.top)


def write_dropout(place: Place) -> list[str]:
    """Nothing, unless it scales in the TEST phase."""
    p = place.param
    if p.sample_weights_test and p.dropout_ratio:
        place.fail("draws anew in each pass", "leave out sample_weights_test")
    return [place.bottom if p.scale_train else multiply(place.bottom, 1 - p.dropout_ratio)]


def write_python(place: Place) -> list[str]:
    """The layers whose code is known: ENet's dropout of channels scales all of them, an augmentation does nothing."""
    if is_augmentation(place.layer):
        return list(place.bottoms)
    if not is_spatial_dropout(place.layer):
        place.fail("cannot be written as a torch module", "take the layer out of the net")
    draws, share = read_spatial_dropout(place.site)
    if draws:
        place.fail("draws anew in each pass", "write the phase TEST into its param_str")
    return [multiply(place.bottom, 1 / (1 - share))]


def write_silence(place: Place) -> list[str]:
    """Nothing."""
    return []


def write_relu(place: Place) -> list[str]:
    """max(x, 0) + negative_slope * min(x, 0)."""
    slope = place.param.negative_slope
    return write_module(place, f"nn.LeakyReLU({write_number(slope)})" if slope else "nn.ReLU()")


def write_relu6(place: Place) -> list[str]:
    """x, but at most 6; below zero, negative_slope * x."""
    if not place.param.negative_slope:
        return write_module(place, "nn.ReLU6()")
    return [f"{write_relu(place)[0]}.clamp(max=6.0)"]


def write_prelu(place: Place) -> list[str]:
    """One slope for all channels, or one for each."""
    (slopes,) = place.params
    module = place.add_module(f"nn.PReLU({slopes.count})", {"weight": slopes.reshaped((slopes.count,))})
    return [f"{module}({place.bottom})"]


def write_elu(place: Place) -> list[str]:
    """x above zero, alpha * (e^x - 1) below."""
    return write_module(place, f"nn.ELU({write_number(place.param.alpha)})")


def write_clip(place: Place) -> list[str]:
    """x, limited to min and max."""
    return [f"{place.bottom}.clamp({write_number(place.param.min)}, {write_number(place.param.max)})"]


def write_swish(place: Place) -> list[str]:
    """x * sigmoid(beta * x)."""
    x = place.bottom
    return [f"{x} * torch.sigmoid({multiply(x, place.param.beta)})"]


def write_selu(place: Place) -> list[str]:
    """lambda * x above zero, lambda * alpha * (e^x - 1) below."""
    (scale, alpha) = (
        next(iter(place.site.numbers("selu_param", name, float)), default)
        for name, default in (("lambda", 1.050700987), ("alpha", 1.67326324))
    )
    return [multiply(f"nn.functional.elu({place.bottom}, {write_number(alpha)})", scale)]


def write_threshold(place: Place) -> list[str]:
    """1 above the threshold, otherwise 0."""
    x = place.bottom
    return [f"({x} > {write_number(place.param.threshold)}).to({x}.dtype)"]


def write_power(place: Place) -> list[str]:
    """(shift + scale * x) ^ power."""
    p = place.param
    y = _shift(multiply(place.bottom, p.scale), p.shift)
    return [y if p.power == 1 else f"torch.pow({y}, {write_number(p.power)})"]


def write_exp(place: Place) -> list[str]:
    """base ^ (shift + scale * x)."""
    p = place.param
    rate = _find_rate(p.base)
    return [f"torch.exp({_shift(multiply(place.bottom, rate * p.scale), rate * p.shift)})"]


def write_log(place: Place) -> list[str]:
    """log_base(shift + scale * x)."""
    p = place.param
    return [multiply(f"torch.log({_shift(multiply(place.bottom, p.scale), p.shift)})", 1 / _find_rate(p.base))]


def _find_rate(base: float) -> float:
    """The natural logarithm of a base, of which -1 means e."""
    return 1.0 if base == -1 else math.log(base)


def multiply(x: str, factor: float) -> str:
    """The product with a number, where it is not 1."""
    return x if factor == 1 else f"{x} * {write_number(factor)}"


def _shift(x: str, shift: float) -> str:
    return f"{x} + {write_number(shift)}" if shift else x


def write_eltwise(place: Place) -> list[str]:
    """The product, the weighted sum or the maximum, two by two in Caffe's order."""
    operation = EltwiseParameter.EltwiseOp.Name(place.param.operation)
    values = list(place.bottoms)
    if operation == "SUM" and place.param.coeff:
        values = [multiply(x, weight) for x, weight in zip(values, place.param.coeff, strict=True)]
    sign, function = _ELTWISE[operation]
    joined = f" {sign} ".join(values)
    if sign and len(joined) <= _LONGEST_SUM:
        return [joined]
    return [reduce(lambda a, b: f"torch.{function}({a}, {b})", values)]


_ELTWISE = {"PROD": ("*", "mul"), "SUM": ("+", "add"), "MAX": ("", "maximum")}


def write_scale(place: Place) -> list[str]:
    """The product with a second bottom or a parameter, and perhaps a bias of the same span."""
    if len(place.bottoms) > 1:
        product = f"{place.bottom} * {_align_bottom(place)}"
        if not place.params:
            return [product]
        shape = _align(place, place.params[0].shape)
        return [f"{product} + {place.add_parameter(place.params[0], shape)}"]
    return _write_block(place, "Scale", "weight", "bias")


def write_bias(place: Place) -> list[str]:
    """The sum with a second bottom or a parameter."""
    if len(place.bottoms) > 1:
        return [f"{place.bottom} + {_align_bottom(place)}"]
    return _write_block(place, "Bias", "bias")


def _write_block(place: Place, block: str, *keys: str) -> list[str]:
    """A block whose parameters have one shape, that of the first one."""
    shape = _align(place, place.params[0].shape)
    sizes = [*map(str, shape), *["bias=False"] * (len(place.params) < len(keys))]
    arrays = {key: tensor.reshaped(shape) for key, tensor in zip(keys, place.params, strict=False)}
    return [f"{place.add_module(place.call(block, *sizes), arrays)}({place.bottom})"]


def _align_bottom(place: Place) -> str:
    """The second bottom, in a shape that broadcasts against the first."""
    span = place.site.shapes[1]
    missing = len(_align(place, span)) - len(span)
    return place.bottoms[1] + (f"[..., {', '.join(['None'] * missing)}]" if missing else "")


def _align(place: Place, span: Shape) -> Shape:
    """A shape with axes of 1 for those axes of the first bottom that lie behind the span of a factor."""
    start = place.site.axis(place.param.axis) if span else 0
    return (*span, *[1] * (place.rank - start - len(span)))


WRITERS: dict[str, Writer] = {
    "AbsVal": lambda place: [f"{place.bottom}.abs()"],
    "Add": write_eltwise,
    "BNLL": partial(write_module, module="nn.Softplus(threshold=50)"),
    "Bias": write_bias,
    "Clip": write_clip,
    "Dropout": write_dropout,
    "ELU": write_elu,
    "Eltwise": write_eltwise,
    "Exp": write_exp,
    "Log": write_log,
    "MaskPooling": lambda place: [f"{place.bottoms[0]} * {place.bottoms[1]}"],
    "Mish": partial(write_module, module="nn.Mish()"),
    "PReLU": write_prelu,
    "Power": write_power,
    "Python": write_python,
    "ReLU": write_relu,
    "ReLU6": write_relu6,
    "Scale": write_scale,
    "SeLu": write_selu,
    "Sigmoid": partial(write_module, module="nn.Sigmoid()"),
    "Silence": write_silence,
    "Split": write_copy,
    "Swish": write_swish,
    "TanH": partial(write_module, module="nn.Tanh()"),
    "Threshold": write_threshold,
}
