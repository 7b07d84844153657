"""Copies of messages, and nets with some of their layers.

    padded = copy_message(net)                       # a net to change, while `net` stays as it is
    plain = with_layers(net, [layer for layer in net.layer if layer.type != "Dropout"])
    bypass_layers(padded, {"flatten"})               # in place

A repeated field of a message takes no assignment, and a layer belongs to one net: a layer that goes into another
net is copied.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from caffe_fcn.proto.schema import LayerParameter, Message, NetParameter

_Message = TypeVar("_Message", bound="Message")


def copy_message(message: _Message) -> _Message:
    """A copy of a net, a layer or any other message.

    >>> from caffe_fcn.proto import LayerParameter
    >>> layer = LayerParameter(name="conv1")
    >>> copy_message(layer).name = "conv2"
    >>> layer.name
    'conv1'
    """
    result: _Message = type(message)()
    result.CopyFrom(message)
    return result


def with_layers(net: NetParameter, layers: Iterable[LayerParameter]) -> NetParameter:
    """A copy of ``net`` that has ``layers`` instead of its own; ``net``'s own layers may be among them.

    >>> from caffe_fcn.proto import NetParameter
    >>> net = NetParameter(name="tiny", layer=[{"name": "data"}, {"name": "conv1"}])
    >>> shorter = with_layers(net, net.layer[1:])
    >>> shorter.name, [layer.name for layer in shorter.layer]
    ('tiny', ['conv1'])
    """
    result = copy_message(net)
    del result.layer[:]
    result.layer.extend(layers)
    return result


def replace_layers(net: NetParameter, layers: Iterable[LayerParameter]) -> None:
    """Give ``net`` other layers, in place; its own may be among them."""
    copies = type(net)(layer=layers)
    del net.layer[:]
    net.layer.extend(copies.layer)


def bypass_layers(net: NetParameter, names: Container[str]) -> None:
    """Take layers of one bottom and one top out of ``net``, in place; what read the top then reads the bottom.

    >>> from caffe_fcn.proto import NetParameter
    >>> net = NetParameter(layer=[
    ...     {"name": "flatten", "bottom": ["pool5"], "top": ["flat"]},
    ...     {"name": "fc6", "bottom": ["flat"], "top": ["fc6"]},
    ... ])
    >>> bypass_layers(net, {"flatten"})
    >>> [(layer.name, list(layer.bottom)) for layer in net.layer]
    [('fc6', ['pool5'])]
    """
    alias: dict[str, str] = {}
    kept = []
    for layer in net.layer:
        layer.bottom[:] = [alias.get(blob, blob) for blob in layer.bottom]
        if layer.name in names:
            alias[layer.top[0]] = layer.bottom[0]
        else:
            layer.top[:] = [alias.get(blob, blob) for blob in layer.top]
            kept.append(layer)
    replace_layers(net, kept)


def without_blobs(layer: LayerParameter) -> LayerParameter:
    """A copy of a layer that carries no parameters."""
    result = copy_message(layer)
    result.ClearField("blobs")
    return result
