"""The first convolution for other images: other channels, or pixels from which no mean is subtracted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from caffe_fcn import files, proto
from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.net.graph import Graph, Node, select_phase
from caffe_fcn.net.layer_types import Kind, Origin, layer_type, windows
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers, copy_message
from caffe_fcn.surgery.donors import load_net
from caffe_fcn.surgery.edits import Edit, add_mean_channel, fold_shift, reverse_channels, sum_channels
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer, Weights, locate

# The edits of `change_channels`, by name
CHANNELS = {"bgrd": add_mean_channel, "grey": sum_channels, "swap": reverse_channels}


@dataclass(frozen=True)
class FoldedMean:
    """The scale and shift that ``layer`` has taken in; ``gone`` is the layer that had them before, if one had.

    A convolution that pads reads zeros beyond the image; they meant the mean before, and mean black now. So its
    outputs differ in a ``border`` of so many values.
    """

    layer: str
    scale: float
    shift: tuple[float, ...]
    border: int
    gone: str = ""


def change_channels(weights: PathLike, to: str, output: PathLike, layer: str | None = None) -> str:
    """Write weights whose first convolution reads other channels; returns its name.

    ``layer`` names it; by default it is the first layer with a kernel of 4 axes.
    ``to`` is "bgrd" (a further channel, the mean of the others), "grey" (one channel, the sum of all) or "swap" (the
    opposite order). Raises `WeightsError` where the file has no such layer.
    """
    if to not in CHANNELS:
        raise WeightsError(str(to), "no such change of channels", f"one of {', '.join(CHANNELS)}")
    with open_weights(weights) as opened:
        names = [each.name for each in opened.layers if each.tensors and len(each.tensors[0].shape) == 4]
        if not names or (layer is not None and layer not in names):
            raise WeightsError(weights, f"has no convolution '{layer or ''}'", nearest(layer or "", names))
        name = layer or names[0]
        save_weights(output, _apply_edits(opened.layers, {name: CHANNELS[to]()}, weights), opened.head)
    return name


def fold_mean(
    net: NetParameter | PathLike,
    weights: PathLike,
    net_output: PathLike,
    output: PathLike,
    mean: Sequence[float] = (),
) -> FoldedMean:
    """Write a net, in its TEST phase, and weights that take raw pixels.

    The first convolution takes in ``mean`` (B, G, R), and the Power layer before it where the net has one. Raises
    `NetError` where there is neither, or where another layer stands before the convolution.
    """
    deploy = select_phase(load_net(net))
    with open_weights(weights) as opened, files.write_together():
        raw, layers, folded = fold_mean_layer(deploy, opened, mean)
        save_weights(output, layers, opened.head)
        files.write_text(net_output, proto.to_text(raw))
    return folded


def fold_mean_layer(
    deploy: NetParameter, weights: Weights, mean: Sequence[float] = (), scale: float = 1.0
) -> tuple[NetParameter, list[Layer], FoldedMean]:
    """Return a net of the TEST phase that takes raw pixels, its weights, and what the first convolution has taken in.

    The net took (pixel - ``mean``) * ``scale`` before. Raises what `fold_mean` raises.
    """
    conv, power = _find_first_convolution(Graph(deploy))
    if power is None and not mean:
        raise NetError("net", "has no Power layer before its first convolution", "give the `mean` B,G,R")
    affine = layer_type(power.type).affine if power else None
    factor, offset = affine.factors(power.layer, ()) if power and affine else (1.0, 0.0)
    shift = tuple(offset - factor * scale * each for each in mean) or (offset,)
    raw = copy_message(deploy)
    bypass_layers(raw, {power.name} if power else ())
    layers = _apply_edits(weights.layers, {conv.name: fold_shift(shift, factor * scale)}, weights.path)
    if power:
        layers = [layer for layer in layers if layer.name != power.name]
    border = max(math.ceil(window.pad / window.stride) for window in windows(conv.layer))
    return raw, layers, FoldedMean(conv.name, factor * scale, shift, border, power.name if power else "")


def takes_mean(deploy: NetParameter) -> bool:
    """Whether the first convolution of a net of the TEST phase can take in a mean exactly.

    It does where it alone reads the image (but for Crop layers, which take only its size), has a bias and weights of
    its own, and does not pad.
    """
    try:
        conv, power = _find_first_convolution(Graph(deploy))
    except NetError:
        return False
    readers = (power or conv).bottoms[0].readers
    others = [each for each in readers if each is not (power or conv) and layer_type(each.type).kind is not Kind.CROP]
    shares_weights = any(spec.name for spec in conv.layer.param)
    pads = any(window.pad for window in windows(conv.layer))
    return not (others or shares_weights or pads) and conv.layer.convolution_param.bias_term


def has_power(deploy: NetParameter) -> bool:
    """Whether a Power layer stands between the image and the first convolution; raises `NetError` as `fold_mean`."""
    return _find_first_convolution(Graph(deploy))[1] is not None


def _find_first_convolution(graph: Graph) -> tuple[Node, Node | None]:
    """The convolution that reads the image, and the Power layer between the two, if there is one."""
    for node in graph.nodes:
        if layer_type(node.type).kind is Kind.CONVOLUTION:
            maker = node.bottoms[0].maker
            if layer_type(maker.type).origin:
                return node, None
            affine = layer_type(maker.type).affine
            linear = affine is not None and affine.params == (0, 0) and affine.applies(maker.layer)
            if linear and layer_type(maker.bottoms[0].maker.type).origin and len(maker.tops[0].readers) == 1:
                return node, maker
            raise NetError(node, f"reads what {maker} makes", "only a mean and a scale before it can be folded")
    raise NetError("net", "has no convolution", "name a net with one")


def _apply_edits(layers: Sequence[Layer], edits: Mapping[str, Edit], path: PathLike) -> list[Layer]:
    """The layers, some of them edited; an Input layer gets the number of channels that an edited layer reads."""
    result = []
    channels: dict[str, int] = {}  # blob -> channels
    for layer in layers:
        if layer.name in edits:
            tensors = edits[layer.name].apply(layer.tensors, locate(path, layer.name))
            for bottom in LayerParameter.FromString(layer.definition).bottom:
                channels[bottom] = tensors[0].shape[1]
            layer = replace(layer, tensors=tensors)
        result.append(layer)
    is_input = [layer_type(layer.type).origin is Origin.INPUT for layer in result]
    return [_set_channels(each, channels) if fed else each for each, fed in zip(result, is_input, strict=True)]


def _set_channels(layer: Layer, channels: Mapping[str, int]) -> Layer:
    message = LayerParameter.FromString(layer.definition)
    for shape in message.input_param.shape:
        for top in message.top:
            if top in channels and len(shape.dim) == 4:
                shape.dim[1] = channels[top]
    return replace(layer, definition=message.SerializeToString())
