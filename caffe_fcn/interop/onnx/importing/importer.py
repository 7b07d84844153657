"""An ONNX model as a net folder: ``deploy.prototxt``, ``weights.caffemodel``, ``model.json``.

    made = import_onnx("detector.onnx", "detector", size=(640, 640), compose=True)
    made.outputs                          # {"sigmoid_0.tmp_0": "sigmoid_0.tmp_0"}

The net is for BVLC's Caffe 1.0 unless a dialect is named. Each blob has the shape that ONNX infers for its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike, make_folder, write_text, write_together
from caffe_fcn.interop.onnx.importing import dense, pointwise, pooling, recurrent, shaping, windowed
from caffe_fcn.interop.onnx.importing.caffe_net import CaffeNet
from caffe_fcn.interop.onnx.importing.folding import FOLDED, fold
from caffe_fcn.interop.onnx.importing.node_shapes import infer_outputs
from caffe_fcn.interop.onnx.importing.place import CONVERTERS, DIALECTS, Blob, NodePlace
from caffe_fcn.interop.onnx.importing.source import Constant, Shape, Source, describe, open_source
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import BlobShape, LayerParameter, NetParameter, to_text
from caffe_fcn.weights import save_weights

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["ImportedNet", "import_onnx"]

WEIGHTS_FILE = "weights.caffemodel"

_FAMILIES = (
    dense,
    pointwise,
    pooling,
    recurrent,
    shaping,
    windowed,
)  # imported so that their converters are registered
_PAD = "Pad"  # with a constant makes no layer, but a blob whose pads are still to be laid
_COPIES = frozenset({"Dropout", "Identity"})
_IMAGE_AXES = 4
_ORDERS = {1: "grey", 3: "RGB"}


@dataclass(frozen=True)
class ImportedNet:
    """What `import_onnx` wrote. ``outputs`` has the blob of each output of the model; ``notes`` are for the user."""

    files: Sequence[Path]
    source: Path
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, str]
    notes: Sequence[str]


def import_onnx(
    model: PathLike,
    folder: PathLike,
    *,
    size: tuple[int, int] | None = None,
    compose: bool = False,
    dialect: str = "",
) -> ImportedNet:
    """Write an ONNX model as a Caffe net with its weights into ``folder``.

    ``size`` (H, W) is that of the images, where the model leaves it open. With ``compose``, operators that Caffe 1.0
    has no layer for are put together from layers that it has. ``dialect`` is "master" (BVLC's later Caffe: Clip,
    ``round_mode``), "ssd" (Permute) or "deeplab-v2" (Interp).

    The files appear whole or not at all. Raises `NetError` for what Caffe cannot say, with the node and its operator;
    `FileError` for a file that is not sound; `MissingExtraError` without onnx.
    """
    if dialect not in DIALECTS:
        known = [each for each in DIALECTS if each]
        raise NetError(f"`dialect` {dialect}", "is unknown", nearest(dialect, known) or f"one of {', '.join(known)}")
    target = Path(folder)
    files = [target / DEPLOY_FILE, target / WEIGHTS_FILE, target / model_json.FILE]
    with open_source(model, size) as source:
        importer = _Importer(source, compose, dialect)
        importer.convert()
        net = importer.net.make_message(source.name)
        importer.check_shapes(net)
        description = _describe(source, importer.outputs)
        with make_folder(target), write_together():
            write_text(files[0], to_text(net))
            save_weights(files[1], importer.net.list_weights())
            description.write(target)
    return ImportedNet(files, source.path, source.inputs, importer.outputs, importer.notes)


class _Importer:
    """The walk over a model's nodes that makes the Caffe net."""

    def __init__(self, source: Source, compose: bool, dialect: str) -> None:
        self.net = CaffeNet()
        self.notes: list[str] = []
        self.outputs: dict[str, str] = {}
        self._source, self._compose, self._dialect = source, compose, dialect
        self._values: dict[str, Blob | Constant] = dict(source.constants)
        self._absorbed: dict[str, Blob | Constant] = {}
        self._wanted: dict[str, tuple[Shape, NodeProto]] = {}
        for name, shape in source.inputs.items():
            self.net.prefix = name
            blob = self.net.choose_blob(name)
            layer = LayerParameter(name=name, type="Input", top=[blob])
            layer.input_param.shape.append(BlobShape(dim=shape))
            self.net.layers.append(layer)
            self._values[name] = Blob(blob, shape)

    def convert(self) -> None:
        """Convert every node, in order."""
        for node in self._source.nodes:
            inputs = [self._find(name, node) if name else None for name in node.input]
            if node.output[0] in self._absorbed:
                self._values[node.output[0]] = self._absorbed[node.output[0]]
            elif node.op_type == "Constant":
                self._values[node.output[0]] = self._read_constant(node)
            elif node.op_type in _COPIES or (node.op_type == "Cast" and isinstance(inputs[0], Blob)):
                self._copy(node, inputs[0])
            elif node.op_type == "Shape" and isinstance(inputs[0], Blob):
                self._measure(node, inputs[0])
            elif not any(isinstance(each, Blob) for each in inputs):
                self._fold(node, inputs)
            else:
                self._convert_node(node, inputs)
        for name in self._source.outputs:
            self.outputs[name] = self._deliver(name)
        self.net.remove_unread(self.outputs.values())
        made = {top for layer in self.net.layers for top in layer.top}
        self._wanted = {blob: each for blob, each in self._wanted.items() if blob in made}

    def check_shapes(self, net: NetParameter) -> None:
        """Raise `NetError` where a blob has not the shape that ONNX infers, or a layer parameters that do not fit."""
        found = infer(net)
        for layer, wanted in found.params.items():
            given = [each.shape for each in self.net.parameters.get(layer, ())]
            if given != [tuple(each) for each in wanted]:
                told = f"{', '.join(map(dims, given))}, and not {', '.join(map(dims, wanted))}"
                raise NetError(f"layer '{layer}'", f"its node has parameters of {told}", "the model is damaged")
        for blob, (shape, node) in self._wanted.items():
            if found.blobs[blob] != shape:
                what = f"makes {dims(shape)} in ONNX, and {dims(found.blobs[blob])} in Caffe"
                raise NetError(describe(node), what, "this is a fault of caffe_fcn: please report it")

    def _find(self, name: str, node: NodeProto) -> Blob | Constant:
        if name not in self._values:
            raise NetError(describe(node), f"reads '{name}', which Caffe's layers do not give", "leave it out")
        return self._values[name]

    def _read_constant(self, node: NodeProto) -> Constant:
        import numpy as np
        from onnx import helper

        file = self._source.file
        if node.output[0] in file.constants:
            return file.constants[node.output[0]]
        for each in node.attribute:
            if each.name == "value":
                return file.read_tensor(each.t)
            if each.name in ("value_float", "value_floats", "value_int", "value_ints"):
                kind = np.float32 if "float" in each.name else np.int64
                return np.asarray(helper.get_attribute_value(each), kind)
        raise NetError(describe(node), "is a constant of no numbers", "Caffe has numbers alone")

    def _copy(self, node: NodeProto, value: Blob | Constant | None) -> None:
        from onnx import TensorProto, helper

        if value is None:
            raise NetError(describe(node), "has no input", "the model is damaged")
        if node.op_type == "Cast":
            to = next((helper.get_attribute_value(each) for each in node.attribute if each.name == "to"), None)
            if to not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
                raise NetError(describe(node), "makes whole numbers of a blob", "Caffe's blobs are of float32")
        self._values[node.output[0]] = value

    def _measure(self, node: NodeProto, value: Blob) -> None:
        import numpy as np
        from onnx import helper

        told = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        shape = value.shape[told.get("start", 0) : told.get("end")]
        self._values[node.output[0]] = np.asarray(shape, np.int64)

    def _fold(self, node: NodeProto, inputs: Sequence[Blob | Constant | None]) -> None:
        if node.op_type not in FOLDED or node.domain:
            what = "computes with constants alone, by an operator that is not computed here"
            raise NetError(describe(node), what, "simplify the model first, as onnxsim does")
        constants = [each for each in inputs if not isinstance(each, Blob)]
        for name, value in zip(node.output, fold(node, self._source.opset, constants), strict=True):
            self._values[name] = value

    def _convert_node(self, node: NodeProto, inputs: Sequence[Blob | Constant | None]) -> None:
        convert = CONVERTERS.get(node.op_type)
        if convert is None or node.domain not in ("", "ai.onnx"):
            hint = f"of domain {node.domain}" if node.domain else nearest(node.op_type, CONVERTERS)
            raise NetError(describe(node), "Caffe has no equivalent of this operator", hint)
        given = dict(zip(node.input, inputs, strict=True))
        blobs = {name: value.shape for name, value in given.items() if isinstance(value, Blob)}
        constants = {name: each for name, each in given.items() if each is not None and not isinstance(each, Blob)}
        shapes = infer_outputs(node, self._source.opset, blobs, constants)
        self.net.prefix = node.name or node.output[0]
        place = NodePlace(
            node, self._source, self.net, inputs, shapes, self._values, self._compose, self._dialect, notes=self.notes
        )
        if node.op_type == _PAD and windowed.pads_with_constant(place):
            self._values[node.output[0]] = windowed.leave_open(place)
            return
        first = len(self.net.layers)
        outputs = [each for each in node.output if each]
        named: dict[str, str] = {}
        for output, blob, shape in zip(outputs, convert(place), shapes, strict=False):  # some are for training alone
            if blob not in named:
                named[blob] = self._name(place.absorbed or [output], blob, shape, node, first)
            self._values[output] = Blob(named[blob], shape)
        self._absorbed.update(dict.fromkeys(place.absorbed, self._values[outputs[0]]))

    def _name(self, names: Sequence[str], blob: str, shape: Shape, node: NodeProto, first: int) -> str:
        """Give a blob that a node made the name of the node's output; returns the name."""
        if not any(blob in layer.top for layer in self.net.layers[first:]):
            return blob
        name = self.net.choose_blob(names[0])
        self.net.rename(blob, name, first)
        self._wanted[name] = (shape, node)
        return name

    def _deliver(self, name: str) -> str:
        """The blob of an output, under its name."""
        value = self._values.get(name)
        if not isinstance(value, Blob):
            raise NetError(f"output '{name}'", "is a constant, or for training alone", "leave it out of the model")
        if value.name == name and not value.pads:
            return name
        self.net.prefix = name
        if value.pads:
            raise NetError(f"output '{name}'", "is an image with pads", "leave the Pad out of the model")
        first, old = len(self.net.layers), value.name
        blob = self.net.choose_blob(name)
        if old in self._source.outputs or old in self._source.inputs or old in self.outputs.values():
            self.net.rename(self.net.add("Power", old), blob, first)
            return blob
        self.net.rename(old, blob, 0)
        if old in self._wanted:
            self._wanted[blob] = self._wanted.pop(old)
        for each, other in self._values.items():
            if isinstance(other, Blob) and other.name == old:
                self._values[each] = replace(other, name=blob)
        return blob


def _describe(source: Source, outputs: Mapping[str, str]) -> Model:
    """What ``model.json`` says: as the model's own properties have it, or as much as its shapes tell."""
    if model_json.FILE in source.metadata:
        told = model_json.parse(source.metadata[model_json.FILE].encode(), f"{source.path}: property {model_json.FILE}")
        kept = [replace(each, blob=outputs[each.blob]) for each in told.outputs if each.blob in outputs]
        return replace(told, outputs=kept or [Output(blob) for blob in outputs.values()])
    images = {name: shape for name, shape in source.inputs.items() if len(shape) == _IMAGE_AXES} or source.inputs
    inputs = [
        Input(name, channels, _ORDERS.get(channels, "planes"))
        for name, shape in images.items()
        for channels in [shape[1] if len(shape) > 1 else 1]
    ]
    return Model(inputs, [Output(blob) for blob in outputs.values()])
