"""The weights that a transplant takes from, and what is known of the net that they belong to.

A caffemodel defines its layers, other formats do not. The shapes that a layer reads in its own net decide whether a
fully connected layer can become a convolution, so they are inferred where possible, or come from a net that is given.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from caffe_fcn.datasets.source_shapes import find_record_shapes, read_record_shapes
from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Origin, Shape, Site, layer_type, origin_of
from caffe_fcn.net.shapes import ANY_SIZE, Shapes, assume_size, infer
from caffe_fcn.proto import LayerParameter, NetParameter, read_net
from caffe_fcn.surgery.edits import Edit
from caffe_fcn.weights.formats import open_weights
from caffe_fcn.weights.layers import locate


@dataclass(frozen=True)
class Donor:
    """Weights to take from, and which of their layers goes to which layer of the target.

    ``renames`` maps a layer of the weights to one of the target, or to "" to leave it out; every other layer goes to
    the layer of its own name with ``suffix`` behind it. ``edits`` change layers of the weights on the way.
    ``net`` is the net of the weights, where the file does not define it.
    """

    weights: PathLike
    renames: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    edits: Mapping[str, Edit] = field(default_factory=dict)
    net: NetParameter | PathLike | None = None


def load_net(net: NetParameter | PathLike) -> NetParameter:
    """The net itself, or the one in the file of that path."""
    return read_net(net) if isinstance(net, (str, os.PathLike)) else net


def infer_shapes(
    net: NetParameter,
    phase: str | None,
    size: tuple[int, int] | None,
    source: NetParameter | PathLike = "-",
    inputs: Mapping[str, Shape] | None = None,
) -> Shapes:
    """The shapes of a net whose Python data layers, or whose deploy form, may leave the image size open.

    An assumed size serves as well as the real one: a convolution has the same parameters at any size. Where ``source``
    is the file of the net, data are also looked for beside it. ``inputs`` has the shapes of blobs that only code knows.
    """
    find_shapes = find_record_shapes(source) if isinstance(source, (str, os.PathLike)) else read_record_shapes
    sizeless = any(origin_of(layer) is Origin.CODE for layer in net.layer)
    size = size or (ANY_SIZE if sizeless else assume_size(net, phase, data_shapes=find_shapes))
    return infer(net, phase, size=size, inputs=inputs, data_shapes=find_shapes)


def make_site(node: Node, shapes: Shapes) -> Site:
    """A layer with the shapes that it reads."""
    names = [blob.name for blob in node.bottoms]
    return Site(node.layer, names, [shapes.blobs[name] for name in names])


class OpenDonor:
    """A donor whose weights are open.

    ``layers`` are the layers with parameters, by name. ``homes`` maps a layer of the target to the one whose
    parameters it gets.
    """

    def __init__(self, donor: Donor) -> None:
        self.edits = donor.edits
        self._weights = open_weights(donor.weights)
        self.path = self._weights.path
        self.layers = {name: layer for name, layer in self._weights.name_layers().items() if layer.tensors}
        for name in (*donor.renames, *donor.edits):
            if name not in self.layers:
                raise WeightsError(self.path, f"has no parameters of a layer '{name}'", nearest(name, self.layers))
        self.homes = self._find_homes(donor)
        self.renamed = {target for target in donor.renames.values() if target}
        self._sites = self._find_sites(donor.net)
        for name, edit in donor.edits.items():
            tensors = edit.apply(self.layers[name].tensors, locate(self.path, name))
            self.layers[name] = replace(self.layers[name], tensors=tensors)

    def site(self, name: str) -> Site:
        """A layer of the weights, with the shapes that it reads where they are known."""
        return self._sites.get(name) or Site(LayerParameter(name=name, type=self.layers[name].type))

    def _find_homes(self, donor: Donor) -> dict[str, str]:
        homes: dict[str, str] = {}
        for name in self.layers:
            target = donor.renames.get(name, name + donor.suffix)
            if target in homes:
                what = f"layers '{homes[target]}' and '{name}' both go to '{target}'"
                raise WeightsError(self.path, what, "map one of them to nothing: NAME=")
            if target:
                homes[target] = name
        return homes

    def _find_sites(self, given: NetParameter | PathLike | None) -> dict[str, Site]:
        if given is not None:
            shapes = infer_shapes(load_net(given), None, None, given)
            self._adopt_shapes(shapes)
            return _make_sites(shapes)
        if not self._weights.layers[0].definition:
            return {}
        net = read_net(self.path)
        try:
            if (size := _find_crop_size(net)) or not _reads_files(net):
                return _make_sites(infer(net, size=size, data_shapes=read_record_shapes))
        except NetError:  # a fork's layer type: its shapes stay unknown
            pass
        return {layer.name: Site(layer) for layer in net.layer}

    def _adopt_shapes(self, shapes: Shapes) -> None:
        """Give parameters without a shape of their own those of the net; raise `WeightsError` for another's net.

        Only the net can tell that a file was cut off between two of its layers.
        """
        for node in shapes.graph.nodes:
            shares = any(spec.name for spec in node.layer.param)  # with a layer that may have them for both
            if shapes.params[node.name] and node.name not in self.layers and not shares:
                what = f"has no parameters of layer '{node.name}', which its net has"
                raise WeightsError(self.path, what, "the file is cut off, or `from_net` belongs to other weights")
        for name, layer in self.layers.items():
            wanted = shapes.params.get(name, [])
            if len(wanted) != len(layer.tensors):
                raise self._misfit(name, f"{len(layer.tensors)} parameters, in the net {len(wanted)}")
            for index, (tensor, shape) in enumerate(zip(layer.tensors, wanted, strict=True)):
                if tensor.count != math.prod(shape):
                    raise self._misfit(name, f"{dims(tensor.shape)} for parameter {index}, in the net {dims(shape)}")
            tensors = [t.reshaped(s) if len(t.shape) == 1 else t for t, s in zip(layer.tensors, wanted, strict=True)]
            self.layers[name] = replace(layer, tensors=tuple(tensors))

    def _misfit(self, name: str, what: str) -> WeightsError:
        return WeightsError(locate(self.path, name), f"has {what}", "name the net of these weights as `from_net`")


def _make_sites(shapes: Shapes) -> dict[str, Site]:
    return {node.name: make_site(node, shapes) for node in shapes.graph.nodes}


def _reads_files(net: NetParameter) -> bool:
    origins = (layer_type(layer.type).origin for layer in net.layer)
    return any(origin is not None and origin.hides_shapes for origin in origins)


def _find_crop_size(net: NetParameter) -> tuple[int, int] | None:
    """The image size that a data layer crops to; with it, nothing needs to look at the layer's data."""
    crops = {layer.transform_param.crop_size for layer in net.layer if layer.transform_param.crop_size}
    return (side := crops.pop(), side) if len(crops) == 1 else None
