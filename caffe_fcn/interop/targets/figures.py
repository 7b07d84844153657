"""What the tables of targets bound: figures of a layer, or of the whole net, each one function.

A figure has one value for each axis or blob that it is about; all of them must be taken. A name with a dot is a field
of the layer, such as ``pooling_param.pool``: the names of an enum's values, ``true`` or ``false``, numbers, or
``unset`` where neither the net nor Caffe's schema says a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Origin, Shape, layer_type, origin_of
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.kept_fields import kept_values

Value: TypeAlias = int | str

_IMAGE_AXES = 4


def measure(figure: str, node: Node, shapes: Shapes) -> list[Value]:
    """The values of a figure of a layer; none where it does not apply."""
    if "." in figure:
        return list(_read_field(node.layer, figure))
    return list(_LAYER_FIGURES[figure](node, shapes))


def measure_net(figure: str, net: NetParameter) -> list[Value]:
    """The values of a figure of a net, as its file has it."""
    return list(_NET_FIGURES[figure](net))


def is_of_net(figure: str) -> bool:
    """Whether a figure is one of the whole net as its file has it."""
    return figure in _NET_FIGURES


def is_known(figure: str) -> bool:
    """Whether there is such a figure; fields of layers are known to the schema."""
    return "." in figure or figure in _LAYER_FIGURES or figure in _NET_FIGURES


def describe(figure: str, value: Value) -> str:
    """What a layer does, by the value of one of its figures: ``has a kernel of 300``."""
    words = _WORDS.get(figure)
    if words is None:
        field = figure.rpartition(".")[2]
        return f"sets no {field}" if value == "unset" else f"has {field}: {value}"
    return words.format(value)


def has_value(figure: str) -> bool:
    """Whether a description says the value, so that the values that are taken say something to people."""
    return "{}" in _WORDS.get(figure, "{}")


def group_kind(node: Node, shapes: Shapes) -> str:
    """``none``, ``depthwise`` (as many groups as channels), or ``grouped``."""
    groups = node.layer.convolution_param.group
    channels = _shapes_of(node.bottoms, shapes)[0][1]
    return "none" if groups == 1 else "depthwise" if groups == channels else "grouped"


def _shapes_of(blobs: Sequence[Any], shapes: Shapes) -> list[Shape]:
    return [shapes.blobs[blob.name] for blob in blobs]


def _windows(node: Node) -> Sequence[Window]:
    field = layer_type(node.type).field
    return field(node.layer) if field else ()


def _of_windows(read: Callable[[Window], int]) -> _Figure:
    return lambda node, shapes: (read(window) for window in _windows(node))


def _of_pooling(method: str) -> _Figure:
    """The kernel of a Pooling layer of one method."""

    def read(node: Node, shapes: Shapes) -> Iterator[Value]:
        if list(_read_field(node.layer, "pooling_param.pool")) == [method]:
            yield from (window.kernel for window in _windows(node))

    return read


def _stride_area(node: Node, shapes: Shapes) -> Iterator[Value]:
    windows = _windows(node)
    strides = [window.stride for window in windows]
    yield math.prod(strides * 2 if len(strides) == 1 else strides)


def _sides(node: Node, shapes: Shapes) -> Iterator[Value]:
    for shape in _shapes_of([*node.bottoms, *node.tops], shapes):
        yield from shape[2:] if len(shape) == _IMAGE_AXES else ()


def _scaled_sides(node: Node, shapes: Shapes) -> Iterator[Value]:
    windows = list(_windows(node))
    for shape in _shapes_of(node.bottoms[:1], shapes):
        sides = shape[2:]
        yield from (side * window.stride for side, window in zip(sides, windows * len(sides), strict=False))


def _channels_of_a_group(node: Node, shapes: Shapes) -> Iterator[Value]:
    groups = max(node.layer.convolution_param.group, 1)
    for shape in _shapes_of([*node.bottoms[:1], *node.tops[:1]], shapes):
        yield shape[1] // groups


def _values_of_an_output(node: Node, shapes: Shapes) -> Iterator[Value]:
    params = shapes.params.get(node.name)
    if params:
        yield math.prod(params[0][1:])


def _presence(node: Node, shapes: Shapes) -> Iterator[Value]:
    """Of every layer of the type, so that no value is taken."""
    yield "present"


def _input_channels(node: Node, shapes: Shapes) -> Iterator[Value]:
    yield from (shape[1] for shape in _shapes_of(node.bottoms[:1], shapes) if len(shape) > 1)


def _output_channels(node: Node, shapes: Shapes) -> Iterator[Value]:
    yield from (shape[1] for shape in _shapes_of(node.tops[:1], shapes) if len(shape) > 1)


def _dilated_channels(node: Node, shapes: Shapes) -> Iterator[Value]:
    for channels in _input_channels(node, shapes):
        yield from (window.dilation * int(channels) for window in _windows(node))


def _first_side(node: Node, shapes: Shapes) -> Iterator[Value]:
    sides = node.layer.reshape_param.shape.dim
    if sides and not node.layer.reshape_param.axis:
        yield int(sides[0])


def _cut_channels(node: Node, shapes: Shapes) -> Iterator[Value]:
    if len(node.bottoms) == 2:
        cut, reference = _shapes_of(node.bottoms, shapes)
        yield "same" if cut[1:2] == reference[1:2] else "other"


def _batch(node: Node, shapes: Shapes) -> Iterator[Value]:
    yield from (shape[0] for shape in _shapes_of(node.bottoms[:1], shapes) if shape)


def _read_field(layer: LayerParameter, path: str) -> Iterator[Value]:
    message, _, name = path.partition(".")
    param: Any = getattr(layer, message, None)
    field = None if param is None else param.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        yield " ".join(kept_values(param, name)) if param is not None else "unset"
        return
    value = getattr(param, name)
    if not isinstance(value, (int, float, bool, str)):  # of a repeated field
        yield " ".join(map(str, value)) if len(value) else "unset"
    elif not param.HasField(name) and not field.has_default_value:
        yield "unset"
    elif field.enum_type is not None:
        yield str(field.enum_type.values_by_number[value].name)
    elif isinstance(value, bool):
        yield str(value).lower()
    else:
        yield value if isinstance(value, int) else f"{value:g}"


def _format(net: NetParameter) -> Iterator[Value]:
    yield "old" if len(net.layers) else "current"


def _inputs(net: NetParameter) -> Iterator[Value]:
    yield "fields" if net.input else "layers"


def _blobs_of_an_input(net: NetParameter) -> Iterator[Value]:
    for layer in net.layer:
        if origin_of(layer) is Origin.INPUT:
            yield len(layer.top)


_Figure: TypeAlias = Callable[[Node, Shapes], "Iterator[Value]"]

_LAYER_FIGURES: dict[str, _Figure] = {
    "kernel": _of_windows(lambda window: window.kernel),
    "stride": _of_windows(lambda window: window.stride),
    "dilation": _of_windows(lambda window: window.dilation),
    "pad_beyond_kernel": _of_windows(lambda window: window.pad - window.kernel),
    "pad_beyond_half_kernel": _of_windows(lambda window: 2 * window.pad - window.kernel),
    "pad_beyond_extent": _of_windows(lambda window: window.pad - window.extent),
    "stride_beyond_two_kernels": _of_windows(lambda window: window.stride - 2 * window.kernel),
    "max_kernel": _of_pooling("MAX"),
    "average_kernel": _of_pooling("AVE"),
    "stride_area": _stride_area,
    "side": _sides,
    "scaled_side": _scaled_sides,
    "group_kind": lambda node, shapes: iter([group_kind(node, shapes)]),
    "channels_of_a_group": _channels_of_a_group,
    "input_channels": _input_channels,
    "output_channels": _output_channels,
    "dilated_channels": _dilated_channels,
    "streams": _input_channels,
    "first_side": _first_side,
    "presence": _presence,
    "values_of_an_output": _values_of_an_output,
    "cut_channels": _cut_channels,
    "batch": _batch,
}
_NET_FIGURES: dict[str, Callable[[NetParameter], Iterator[Value]]] = {
    "format": _format,
    "inputs": _inputs,
    "blobs_of_an_input": _blobs_of_an_input,
}
_WORDS = {
    "kernel": "has a kernel of {}",
    "stride": "has a stride of {}",
    "dilation": "has a dilation of {}",
    "pad_beyond_kernel": "pads by as much as its kernel or more",
    "pad_beyond_half_kernel": "pads by half its kernel or more",
    "pad_beyond_extent": "pads by as much as its dilated kernel or more",
    "stride_beyond_two_kernels": "has a stride of more than two kernels",
    "max_kernel": "has a kernel of {}",
    "average_kernel": "has a kernel of {}",
    "stride_area": "has strides whose product is {}",
    "side": "has a blob with a side of {}",
    "scaled_side": "makes {} rows or columns of what it reads",
    "group_kind": "has groups ({})",
    "channels_of_a_group": "has {} channels in a group",
    "input_channels": "reads {} channels",
    "output_channels": "makes {} channels",
    "dilated_channels": "has {} input channels times dilation",
    "streams": "has {} sequences at a time",
    "first_side": "is reshaped to {} images",
    "presence": "is of a type that the device does not compute",
    "values_of_an_output": "has {} weights for each of its outputs",
    "cut_channels": "is cut to a blob with another number of channels",
    "batch": "has a batch of {}",
    "format": "is written in the format of before 2015",
    "inputs": "names its inputs in fields of the net, not in layers",
    "blobs_of_an_input": "has an Input layer that makes {} blobs",
}
"""What a layer or a net does, with the value that is beyond a bound."""
