"""A deploy net and its weights as one ONNX model.

    made = write_onnx("deploy.prototxt", "fcn8s.caffemodel", "fcn8s.onnx", size=(500, 500))
    made.inputs                          # {"data": (1, 3, 500, 500)}

Blobs keep their names. Dropout and in-place layers leave no trace, BatchNorm and Scale layers go into the convolutions
before them. Sizes are those of the net, or ``dynamic``: then pooling and cropping compute them in the graph.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model
from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.interop.choices import chooses
from caffe_fcn.interop.delivered_files import open_delivered
from caffe_fcn.interop.onnx import dense, detections, forks, pointwise, recurrent, regions, shaping, windowed
from caffe_fcn.interop.onnx.graph import OnnxGraph
from caffe_fcn.interop.onnx.installed import require_onnx
from caffe_fcn.interop.onnx.model_file import write_model
from caffe_fcn.interop.onnx.place import CONVERTERS, Place
from caffe_fcn.interop.onnx.upscores import Upscore, find_upscores, write_resize
from caffe_fcn.net.graph import Blob, Graph, Node, input_layer
from caffe_fcn.net.layer_types import Origin, Shape, Site, layer_type, origin_of
from caffe_fcn.net.shapes import Shapes, infer_graph
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import with_layers
from caffe_fcn.weights import read_mean
from caffe_fcn.weights.tensors import Tensor, from_array

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

__all__ = ["DYNAMIC", "OPSETS", "OnnxModel", "write_onnx"]

OPSETS = range(13, 22)
"""The versions of ONNX's operator set that can be written."""

DYNAMIC = ("batch", "size")
"""What a model can leave open: how many images, and their height and width."""

# Imported so that their converters are registered
_FAMILIES = (dense, detections, forks, pointwise, recurrent, regions, shaping, windowed)
_NAMES = {0: "batch", 2: "height", 3: "width"}  # of the axes of an image that a model leaves open
_IMAGE_AXES = 4
_GROWTHS = (1, 16, 33, 64, 97, 160)  # of images, to learn which axes grow with them


@dataclass(frozen=True)
class OnnxModel:
    """What `write_onnx` wrote: the ``files``, the model's first; the shapes of its ``inputs`` and ``outputs``.

    An axis that the model leaves open has the size that the net declares. ``notes`` say what was done to the net.
    ``net`` computes the same: the deploy net, with layers appended, and before anything was folded. Its inputs that the
    model prepares of raw pixels are in ``prepared``, with mean images in ``folder``. ``choices`` has, for each layer
    that chooses by values, the values of the graph that are its bottoms and its tops, by the names of the blobs.
    """

    files: Sequence[Path]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    net: NetParameter
    prepared: Sequence[Input] = ()
    folder: Path = Path()
    notes: Sequence[str] = ()
    choices: Sequence[tuple[Mapping[str, str], Mapping[str, str]]] = ()


def write_onnx(
    net: PathLike,
    weights: PathLike,
    output: PathLike,
    *,
    opset: int = 17,
    size: tuple[int, int] | None = None,
    dynamic: Sequence[str] = (),
    preprocess: bool = False,
    softmax: bool = False,
    argmax: bool = False,
    fold_normalization: bool = True,
    resize_upscores: bool = False,
    mean: Sequence[float] | None = None,
) -> OnnxModel:
    """Write a deploy net with its weights as an ONNX model; ``model.json`` beside the net is read.

    ``size`` (H, W) is that of the images, by default the net's. ``dynamic`` leaves "batch" or "size", or both, open.
    With ``preprocess`` the model takes raw pixels, channels red, green, blue, and subtracts the mean itself; ``mean``
    takes the place of what ``model.json`` says. ``softmax`` and ``argmax`` append such layers behind all scores.
    ``fold_normalization`` folds BatchNorm and Scale into convolutions. ``resize_upscores`` makes a Resize of each
    Deconvolution that interpolates, with its Crop, where that is the same (see `upscores`).

    The model appears whole or not at all; weights are copied from file to file. Raises `NetError` for a layer that has
    no equivalent in ONNX, `WeightsError` for weights that are not this net's, `MissingExtraError` without onnx.
    """
    require_onnx()
    for each in dynamic:
        if each not in DYNAMIC:
            raise NetError(
                f"`dynamic` {each}", "no such axis", nearest(each, DYNAMIC) or f"one of {', '.join(DYNAMIC)}"
            )
    if opset not in OPSETS:
        raise NetError(f"`opset` {opset}", "cannot be written", f"{OPSETS[0]} to {OPSETS[-1]} can")
    source = Path(net)
    with open_delivered(source, weights, size, mean) as delivered:
        outputs = delivered.model.outputs
        if softmax:
            delivered.append_softmax()
        if argmax:
            delivered.append_argmax(outputs)
        unfolded = with_layers(delivered.net, delivered.net.layer)
        if fold_normalization and any(layer_type(layer.type).affine for layer in delivered.net.layer):
            delivered.fold_normalization()
        delivered.convert("")
        conversion = _Conversion(
            delivered.net, delivered.model, {layer.name: layer.tensors for layer in delivered.layers}, opset, dynamic
        )
        if preprocess:
            conversion.preprocess(source.parent)
        if resize_upscores:
            conversion.resize_upscores()
        conversion.convert()
        files = write_model(Path(output), conversion.make_model(), list(conversion.graph.constants.values()))
    prepared = delivered.model.inputs if preprocess else ()
    return OnnxModel(
        files,
        conversion.inputs,
        conversion.outputs,
        unfolded,
        prepared,
        source.parent,
        delivered.notes,
        conversion.choices,
    )


class _Conversion:
    """The walk over a net that makes the ONNX graph of it."""

    def __init__(
        self,
        net: NetParameter,
        model: Model,
        parameters: Mapping[str, Sequence[Tensor]],
        opset: int,
        dynamic: Sequence[str],
    ) -> None:
        self.graph = OnnxGraph(opset)
        self._net, self._model, self._parameters = Graph(net), model, parameters
        self._shapes = infer_graph(self._net)
        self._varying = _find_varying(self._net, self._shapes, dynamic)
        self._values: dict[Blob, str] = {}
        self._upscores: dict[Node, Upscore] = {}
        self.choices: list[tuple[dict[str, str], dict[str, str]]] = []
        for name in self._net.blobs:  # taken before anything else can take them
            self.graph.choose_name(name)

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of the blobs that the model takes."""
        return {blob.name: self._shapes.blobs[blob.name] for blob in self._find_inputs()}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shapes of the blobs that nothing reads."""
        return {blob.name: self._shapes.blobs[blob.name] for blob in self._net.outputs()}

    def preprocess(self, folder: Path) -> None:
        """Make images of raw pixels into what the net takes; mean images are read from ``folder``."""
        described = {each.blob: each for each in self._model.inputs}
        for blob in self._find_inputs():
            if blob.name in described:
                self.graph.prefix = f"{blob.name}/preprocess"
                self._values[blob] = self._preprocess(described[blob.name], folder)
        self._model = replace(self._model, inputs=[_describe_raw(each) for each in self._model.inputs])

    def resize_upscores(self) -> None:
        """Make a Resize of each upscore where that is the same."""
        self._upscores = find_upscores(self._net, self._shapes, self._parameters, self._varying)

    def convert(self) -> None:
        """Convert every layer, in order."""
        for node in self._net.nodes:
            first = len(self.graph.nodes)
            self.graph.prefix = node.name
            values = self._convert_node(node)
            for blob, value in zip(node.tops, values, strict=True):
                if blob not in self._values:
                    self._values[blob] = self._give_name(blob, value, first)
            if chooses(node.layer):
                bottoms, tops = ({blob.name: self._values[blob] for blob in each} for each in (node.bottoms, node.tops))
                self.choices.append((bottoms, tops))

    def make_model(self) -> ModelProto:
        """Return the model without its constants."""
        from onnx import TensorProto, helper

        def describe(blob: str) -> ValueInfoProto:
            shape, varying = self._shapes.blobs[blob], self._varying[blob]
            named = [_name_axis(blob, axis) if axis in varying else side for axis, side in enumerate(shape)]
            return helper.make_tensor_value_info(blob, TensorProto.FLOAT, named)

        inputs = [describe(name) for name in self.inputs]
        outputs = [describe(name) for name in self.outputs]
        graph = helper.make_graph(self.graph.nodes, self._net.net.name or "net", inputs, outputs)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.graph.opset)],
            producer_name="caffe_fcn",
            producer_version=_find_version(),
            ir_version=_IR_VERSIONS[self.graph.opset],
        )
        description = json.dumps(asdict(self._model), sort_keys=True)
        helper.set_model_props(model, {model_json.FILE: description})
        return model

    def _find_inputs(self) -> list[Blob]:
        return [blob for node in self._net.nodes if origin_of(node.layer) is Origin.INPUT for blob in node.tops]

    def _convert_node(self, node: Node) -> list[str]:
        convert = CONVERTERS.get(node.type)
        if convert is None:
            raise NetError(node, "ONNX has no equivalent of this layer type", nearest(node.type, CONVERTERS))
        shapes = [self._shapes.blobs[blob.name] for blob in node.bottoms]
        place = Place(
            Site(node.layer, [blob.name for blob in node.bottoms], shapes),
            [self._values[blob] for blob in node.bottoms],
            [self._shapes.blobs[blob.name] for blob in node.tops],
            self._parameters.get(node.layer.name, ()),
            self.graph,
            [self._varying[blob.name] for blob in node.bottoms],
            [self._varying[blob.name] for blob in node.tops],
        )
        if any(node is upscore.deconvolution for upscore in self._upscores.values()):
            return [place.bottom]  # which its Crop resizes
        return write_resize(place, self._upscores[node]) if node in self._upscores else convert(place)

    def _give_name(self, blob: Blob, value: str, first: int) -> str:
        """Give the value of a blob the blob's name; an earlier version of a blob gets the layer's name as well."""
        is_last = self._net.blobs[blob.name] is blob
        is_input = origin_of(blob.maker.layer) is Origin.INPUT
        made_here = any(value in node.output for node in self.graph.nodes[first:])
        if is_input and is_last:
            return value
        if is_last and not is_input and not blob.readers and blob.name in self.inputs:
            raise NetError(blob.maker, f"overwrites the input '{blob.name}'", "give its top another name")
        if is_last and not made_here and not blob.readers:
            from onnx import helper

            self.graph.nodes.append(helper.make_node("Identity", [value], [blob.name], name=f"{blob.name}/copy"))
            return blob.name
        if not made_here or value in self._values.values():
            return value
        own = is_last and blob.name not in self.inputs  # an input that a layer overwrites keeps its name
        name = blob.name if own else self.graph.choose_name(f"{blob.name}@{blob.maker.name}")
        self.graph.rename(value, name, first)
        return name

    def _preprocess(self, described: Input, folder: Path) -> str:
        """Append what makes (pixel - mean) * scale, in the net's order of channels, of an image of raw pixels."""
        graph, x = self.graph, described.blob
        if described.order == "BGR":
            x = graph.add("Slice", x, *(graph.add_integers([each]) for each in (-1, -(2**31), 1, -1)))
        if described.logarithm:
            x = graph.add("Log", x)
        mean = self._find_mean(described, folder)
        if mean is not None:
            x = graph.add("Sub", x, mean)
        if described.scale != 1:
            x = graph.add("Mul", x, graph.add_constant(described.scale))
        return x

    def _find_mean(self, described: Input, folder: Path) -> str | None:
        import numpy as np

        if described.mean_file is not None:
            image = read_mean(folder / described.mean_file)
            if self._varying[described.blob] & {2, 3}:
                mend = 'leave "size" out of `dynamic`, or give a `mean`'
                raise WeightsError(described.mean_file, "is a mean image, which has one size", mend)
            if image.shape[-2:] != self._shapes.blobs[described.blob][-2:]:
                mend = "export at that size, or give a `mean`"
                raise WeightsError(described.mean_file, f"is of {image.shape[-2]}x{image.shape[-1]} pixels", mend)
            return self.graph.add_parameter(from_array(np.asarray(image, np.float32)), image.shape)
        if described.mean is None:
            raise WeightsError(f"blob '{described.blob}'", "its mean is unknown", "give a `mean`, which may be 0")
        return self.graph.add_constant(np.reshape(described.mean, (-1, 1, 1))) if any(described.mean) else None


# The oldest version of ONNX's format that has each operator set, so that runtimes of that time take the file
_IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def _describe_raw(described: Input) -> Input:
    """The description of an input after preprocessing has gone into the model."""
    order = "RGB" if described.order == "BGR" else described.order
    return replace(described, order=order, mean=[0.0], mean_file=None, scale=1.0, logarithm=False)


def _name_axis(blob: str, axis: int) -> str:
    return _NAMES[axis] if axis == 0 else f"{blob}_{_NAMES.get(axis, str(axis))}"


def _find_varying(graph: Graph, shapes: Shapes, dynamic: Sequence[str]) -> dict[str, frozenset[int]]:
    """For each blob the axes whose size changes when what ``dynamic`` names changes: the net is inferred again.

    Raises `NetError` for a net that takes no other size.
    """
    found: dict[str, set[int]] = {name: set() for name in shapes.blobs}
    images = {
        name: shape
        for node in graph.nodes
        if origin_of(node.layer) is Origin.INPUT
        for name in node.layer.top
        if len(shape := shapes.blobs[name]) == _IMAGE_AXES
    }
    axes = {"batch": (0,), "size": (2, 3)}
    for each in dynamic:
        refused: NetError | None = None
        taken = 0
        for growth, axis in product(_GROWTHS, axes[each]):
            inputs = {
                name: tuple(side + growth * (place == axis) for place, side in enumerate(shape))
                for name, shape in images.items()
            }
            try:
                grown = infer_graph(graph, inputs=inputs).blobs
                _require_same_parameters(graph, shapes, infer_graph(graph, inputs=inputs))
            except NetError as error:
                refused = error
                continue
            taken += 1
            for name, shape in shapes.blobs.items():
                found[name] |= {place for place, side in enumerate(shape) if grown[name][place] != side}
        if refused is not None and not taken:
            raise NetError(refused.where, f"takes one {each} alone: {refused.what}", "export without `dynamic`")
    for name, shape in _choose_more(graph, shapes).items():
        found[name] |= {place for place, side in enumerate(shape) if shapes.blobs[name][place] != side}
    return {name: frozenset(axes) for name, axes in found.items()}


def _choose_more(graph: Graph, shapes: Shapes) -> dict[str, Shape]:
    """The shapes of a net whose layers that choose by values found more: inputs of such shapes take their place."""
    layers = []
    for node in graph.nodes:
        axis = layer_type(node.type).open_axis
        for blob in node.tops if axis is not None else ():
            shape = shapes.blobs[blob.name]
            layers.append(input_layer(blob.name, [side + (place == axis) for place, side in enumerate(shape)]))
        if axis is None:
            layers.append(node.layer)
    return infer_graph(Graph(with_layers(graph.net, layers))).blobs


def _require_same_parameters(graph: Graph, before: Shapes, now: Shapes) -> None:
    for node in graph.nodes:
        if before.params[node.name] != now.params[node.name]:
            raise NetError(node, "would need other parameters")


def _find_version() -> str:
    """This package's version; none where it runs from a checkout that is not installed."""
    from importlib import metadata

    try:
        return metadata.version("caffe-fcn")
    except metadata.PackageNotFoundError:
        return ""
