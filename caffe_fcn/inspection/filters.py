"""The filters of a net's first convolution, as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.description.model_json import Model
from caffe_fcn.inspection.sheets import encode_png, stretch, tile
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights import Tensor, Weights

MOST_FILTERS = 256
_MOST_VALUES = 1 << 22  # of the filters that are shown, in all
_MOST_PLANES = 8  # of a filter that are shown side by side
_LONGEST = 64  # pixels of a kernel that is shown


@dataclass(frozen=True)
class Filters:
    """Filters of a layer, ``width`` x ``height`` pixels each, in ``columns`` of a PNG.

    In colour, a filter is one picture; otherwise ``planes`` grey ones, one for each channel that it reads. The smallest
    weight of a filter is black, its largest white. ``total`` is how many filters the layer has.
    """

    layer: str
    png: bytes
    width: int
    height: int
    columns: int
    count: int
    planes: int
    total: int


def find_first_filters(net: NetParameter, weights: Weights, model: Model | None) -> Filters | None:
    """Return the filters of the first convolution whose weights the file has; None where there are none to see.

    Colours are those of the order in ``model``, blue first where it says nothing.
    """
    tensors = {layer.name: layer.tensors for layer in weights.layers if layer.tensors}
    graph = Graph(select_phase(net, "deploy"))
    for node in graph.nodes:
        if layer_type(node.type).kind == Kind.CONVOLUTION and node.layer.name in tensors:
            order = model.inputs[0].order if model else "BGR"
            return _draw(node.layer.name, tensors[node.layer.name][0], order)
    return None


def _draw(layer: str, tensor: Tensor, order: str) -> Filters | None:
    if len(tensor.shape) != 4 or not tensor.count or max(tensor.shape[2:]) > _LONGEST:
        return None
    outputs, channels, height, width = tensor.shape
    count = max(1, min(outputs, MOST_FILTERS, _MOST_VALUES // (channels * height * width)))
    values = tensor.take_rows(0, count).load().astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    in_colour = channels == 3 and order in ("BGR", "RGB")
    planes = 1 if in_colour else min(channels, _MOST_PLANES)
    pictures = [
        picture
        for each in values
        for picture in (_paint(each, order) if in_colour else stretch(each[:planes], each.min(), each.max()))
    ]
    columns = planes * max(1, min(16, count) // planes)
    return Filters(layer, encode_png(tile(pictures, columns)), width, height, columns, count, planes, outputs)


def _paint(weights: NDArray[np.float32], order: str) -> list[NDArray[np.uint8]]:
    """Return a filter, 3 x H x W, as one picture H x W x 3, red first."""
    ordered = weights[::-1] if order == "BGR" else weights
    return [stretch(ordered.transpose(1, 2, 0), float(weights.min()), float(weights.max()))]
