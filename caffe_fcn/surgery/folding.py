"""BatchNorm and Scale folded into the layer before them, weights and prototxt together.

In the TEST phase BatchNorm computes (x - mean) / sqrt(variance + eps) with stored statistics, and Scale
gamma * x + beta: one factor and one shift for each channel. A convolution followed by them is a convolution
whose outputs' weights are multiplied by the factor, with another bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn import files, proto
from caffe_fcn.errors import NetError, WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Graph, Node, select_phase
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.net.layer_types.row import Outputs
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import with_layers
from caffe_fcn.surgery.donors import load_net
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.tensors import GeneratedSegment, Shape, Tensor, from_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Folded:
    """The layers ``gone`` that ``layer`` has taken in."""

    layer: str
    gone: tuple[str, ...]


def fold(net: NetParameter | PathLike, weights: PathLike, net_output: PathLike, output: PathLike) -> list[Folded]:
    """Write the net and the weights of the TEST phase without the BatchNorm and Scale layers that can be folded.

    Returns what was folded; chains that branch off, or that do not follow a convolution, stay as they are.
    Raises `NetError` where there is nothing to fold, `WeightsError` where the weights lack a layer.
    """
    deploy = select_phase(load_net(net))
    if not any(_find_chains(Graph(deploy))):
        raise NetError("net", "no BatchNorm or Scale follows a convolution alone", "there is nothing to fold")
    with open_weights(weights) as opened, files.write_together():
        result, layers, folded = fold_layers(deploy, opened)
        save_weights(output, layers, NetParameter(name=result.name).SerializeToString())
        files.write_text(net_output, proto.to_text(result))
    return folded


def fold_layers(deploy: NetParameter, weights: Weights) -> tuple[NetParameter, list[Layer], list[Folded]]:
    """Return a net of the TEST phase and its weights without the layers that can be folded, and what was folded.

    The weights have a layer for each of the net's. Raises `WeightsError` where they lack a layer that is folded.
    """
    chains = list(_find_chains(Graph(deploy)))
    result = _rewire(deploy, chains)
    tensors = {layer.name: layer.tensors for layer in weights.layers}
    tensors |= {host.name: _fold_chain(weights, host, chain) for host, chain in chains}
    layers = [
        Layer(layer.name, tensors.get(layer.name, ()), layer.type, layer.SerializeToString()) for layer in result.layer
    ]
    return result, layers, [Folded(host.name, tuple(node.name for node in chain)) for host, chain in chains]


def _find_chains(graph: Graph) -> Iterator[tuple[Node, list[Node]]]:
    """Every layer that can host others, with the chain of BatchNorm and Scale layers that alone read it."""
    for host in graph.nodes:
        chain: list[Node] = []
        node = host
        while _can_host(host) and len(node.tops) == 1 and len(readers := node.tops[0].readers) == 1:
            node = readers[0]
            if not _is_per_channel(node):
                break
            chain.append(node)
        if chain:
            yield host, chain


def _can_host(node: Node) -> bool:
    shares_weights = any(spec.name for spec in node.layer.param)
    return layer_type(node.type).outputs is not None and not shares_weights


def _is_per_channel(node: Node) -> bool:
    affine = layer_type(node.type).affine
    return affine is not None and affine.params != (0, 0) and affine.applies(node.layer)


def _fold_chain(weights: Weights, host: Node, chain: list[Node]) -> tuple[Tensor, Tensor]:
    import numpy as np

    where = locate(weights.path, host.name)
    kernel, *rest = weights[host.name]
    outputs = getattr(host.layer, layer_type(host.type).param_name).num_output
    places = _find_outputs(host, kernel.shape)
    factor = np.ones(outputs)
    shift = rest[0].load().astype("f8").ravel() if rest else np.zeros(outputs)
    if places is None or places.total != outputs:
        raise WeightsError(where, f"is {dims(kernel.shape)}, not for {outputs} outputs", _OTHER_NET)
    if shift.size != outputs:
        raise WeightsError(where, f"has a bias of {shift.size}, not {outputs}", _OTHER_NET)
    for node in chain:
        affine = layer_type(node.type).affine
        if affine is None:
            continue
        least, most = affine.params
        tensors = [tensor.load().ravel() for tensor in weights[node.name]]
        if not least <= len(tensors) <= most:
            raise WeightsError(
                locate(weights.path, node.name), f"has {len(tensors)} parameters", "BVLC's form is needed"
            )
        for tensor in tensors[:_PER_CHANNEL]:
            if tensor.size != outputs:
                what = f"has {tensor.size} channels, '{host.name}' {outputs}"
                raise WeightsError(locate(weights.path, node.name), what, _OTHER_NET)
        node_factor, node_shift = affine.factors(node.layer, tensors)
        factor, shift = factor * node_factor, shift * node_factor + node_shift
    return _multiply(kernel, factor, places), from_array(shift.astype("f4"))


def _find_outputs(host: Node, shape: Shape) -> Outputs | None:
    """Where each output's weights lie in weights of this shape; None where they cannot be that layer's."""
    rule = layer_type(host.type).outputs
    return rule(host.layer, shape) if rule else None


_OTHER_NET = "name the weights of this net"
_PER_CHANNEL = 2  # of a layer's parameters: mean and variance, or scale and shift


def _multiply(kernel: Tensor, factor: Vector, outputs: Outputs) -> Tensor:
    """A layer's weights with each output's multiplied by its factor, made in chunks."""
    import numpy as np

    def values() -> Iterator[bytes]:
        at = 0
        for chunk in kernel.numbers():
            which = np.arange(at, at + len(chunk))
            yield (chunk * factor[outputs.of(which)]).astype("f4").tobytes()
            at += len(chunk)

    return Tensor(kernel.shape, "float32", (GeneratedSegment(4 * kernel.count, values, kernel.files),))


def _rewire(net: NetParameter, chains: list[tuple[Node, list[Node]]]) -> NetParameter:
    """The net without the chains: each host makes, under the chain's last name, what the chain made."""
    gone = {node.name for _, chain in chains for node in chain}
    hosts = {host.name: chain[-1].tops[0].name for host, chain in chains}
    result = with_layers(net, (layer for layer in net.layer if layer.name not in gone))
    for layer in result.layer:
        if layer.name in hosts:
            layer.top[0] = hosts[layer.name]
            getattr(layer, layer_type(layer.type).param_name).ClearField("bias_term")
    return result
