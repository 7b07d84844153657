"""Copying nets, and taking layers out of them."""

from __future__ import annotations

from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers, replace_layers, with_layers, without_blobs


def net_of(*layers: str) -> NetParameter:
    """A net of layers written as ``name: bottom -> top``."""
    net = NetParameter(name="net")
    for text in layers:
        name, blobs = text.split(": ")
        bottom, top = blobs.split(" -> ")
        net.layer.add(name=name, bottom=[bottom], top=[top])
    return net


def texts(net: NetParameter) -> list[str]:
    return [f"{layer.name}: {layer.bottom[0]} -> {layer.top[0]}" for layer in net.layer]


def test_a_net_can_get_its_own_layers_in_another_order() -> None:
    net = net_of("a: data -> a", "b: data -> b")
    replace_layers(net, [net.layer[1], LayerParameter(name="c", bottom=["b"], top=["c"]), net.layer[0]])
    assert texts(net) == ["b: data -> b", "c: b -> c", "a: data -> a"]


def test_a_net_with_other_layers_leaves_the_first_as_it_was() -> None:
    net = net_of("a: data -> a", "b: a -> b")
    other = with_layers(net, net.layer[:1])
    other.layer[0].name = "changed"
    assert texts(net) == ["a: data -> a", "b: a -> b"]
    assert other.name == "net"


def test_what_read_a_chain_of_bypassed_layers_reads_what_the_chain_read() -> None:
    net = net_of("conv: data -> conv", "flat: conv -> flat", "drop: flat -> drop", "fc: drop -> fc")
    bypass_layers(net, {"flat", "drop"})
    assert texts(net) == ["conv: data -> conv", "fc: conv -> fc"]


def test_layers_in_place_behind_a_bypassed_layer_stay_in_place() -> None:
    net = net_of("conv: data -> conv", "flat: conv -> flat", "relu: flat -> flat", "fc: flat -> fc")
    bypass_layers(net, {"flat"})
    assert texts(net) == ["conv: data -> conv", "relu: conv -> conv", "fc: conv -> fc"]


def test_a_layer_without_blobs_is_a_copy() -> None:
    layer = LayerParameter(name="fc", blobs=[{"data": [1.0]}])
    assert not without_blobs(layer).blobs
    assert len(layer.blobs) == 1
