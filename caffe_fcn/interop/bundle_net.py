"""The net of a bundle: what computes the outputs, and nothing that only a training needs.

    with open_weights("train_iter_4000.caffemodel") as weights:
        net = DeliveredNet(deploy, weights, model)
        net.fold_normalization()
        net.fold_mean()
        net.append_softmax()
        net.layers                      # handles: nothing has been read yet

Each step changes prototxt, weights and description together, so that the three agree after every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError, WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Graph, Node, select_phase
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import bypass_layers, replace_layers, with_layers
from caffe_fcn.proto.dialects.table import PRIVATE, is_bvlcs_type
from caffe_fcn.proto.kept_fields import NAME as KEPT
from caffe_fcn.proto.kept_fields import kept_name
from caffe_fcn.proto.schema import Message
from caffe_fcn.surgery.channels import fold_mean_layer, has_power, takes_mean
from caffe_fcn.surgery.folding import fold_layers
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.means import make_mean
from caffe_fcn.weights.tensors import Shape, Tensor, from_array

HALVES = ("rounded", "stored")
"""How float16 weights are kept: as float32 that holds their values, or in float16."""

_CLASS_AXIS = 1
_IMAGE_AXES = 4
_ANSWERS = ("scores", "probabilities")


class DeliveredNet:
    """A deploy net with its weights and its description; ``notes`` say what was done to them, and what was not.

    ``deploy`` is reduced to what ``model``'s outputs need. Raises `NetError` for a net that reads its own data, and
    `WeightsError` where the weights are not those of the net.
    """

    def __init__(self, deploy: NetParameter, weights: Weights, model: Model) -> None:
        self.net = strip_net(deploy, [each.blob for each in model.outputs])
        self.model = replace(model, inputs=_find_inputs(self.net, model))
        self.notes: list[str] = []
        self._weights = replace(weights, layers=tuple(match_weights(self.net, weights)))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with their weights, as a caffemodel has them."""
        by_name = {layer.name: layer.tensors for layer in self._weights.layers}
        return tuple(
            Layer(each.name, by_name.get(each.name, ()), each.type, each.SerializeToString()) for each in self.net.layer
        )

    def note_forks(self) -> None:
        """Note what BVLC's Caffe does not have."""
        foreign = _find_fork_parts(self.net)
        self.notes += [f"{each} is not BVLC's: only the Caffe that has it runs this net" for each in foreign]

    @property
    def tensors(self) -> dict[str, Sequence[Tensor]]:
        """The parameters of each layer that has any."""
        return {layer.name: layer.tensors for layer in self._weights.layers if layer.tensors}

    def replace(self, net: NetParameter, tensors: Mapping[str, Sequence[Tensor]]) -> None:
        """Take another net of the same outputs, with the parameters of its layers."""
        self.net = net
        layers = (Layer(each.name, tuple(tensors.get(each.name, ())), each.type) for each in net.layer)
        self._weights = replace(self._weights, layers=tuple(layers))

    def set_size(self, size: tuple[int, int]) -> None:
        """Give the images a size (H, W); raises `NetError` where the net does not take it."""
        for layer in self.net.layer:
            for shape in layer.input_param.shape if origin_of(layer) is Origin.INPUT else ():
                if len(shape.dim) == _IMAGE_AXES:
                    shape.dim[2:] = size
        infer(self.net)

    def fold_normalization(self) -> None:
        """Fold BatchNorm and Scale layers into the convolutions before them."""
        self.net, layers, folded = fold_layers(self.net, self._weights)
        self._weights = replace(self._weights, layers=tuple(layers))
        if not folded:
            self.notes.append("no BatchNorm or Scale follows a convolution alone: there is nothing to fold")
        for each in folded:
            self.notes.append(f"layer '{each.layer}' has taken in {', '.join(each.gone)}")

    def fold_mean(self) -> None:
        """Make the net take raw pixels: mean and scale go into its first convolution, or into a layer before it.

        A convolution that pads reads zeros beyond the image, which are the mean before and black after: there a
        Scale layer subtracts, so that the result stays the same. Raises `WeightsError` for a mean that is unknown or
        an image.
        """
        for each in self.model.inputs:
            _require_numbers(each)
        changed = [each for each in self.model.inputs if _changes(each)]
        if len(self.model.inputs) == 1 and takes_mean(self.net) and (changed or has_power(self.net)):
            mean = tuple(changed[0].mean or ()) if changed else ()
            self.net, layers, folded = fold_mean_layer(self.net, self._weights, mean, self.model.inputs[0].scale)
            self._weights = replace(self._weights, layers=tuple(layers))
            self.notes.append(f"layer '{folded.layer}' has taken in the mean: the net takes raw pixels")
        else:
            for each in changed:
                self._subtract(each.blob, each.channels, each.mean or [0.0], each.scale)
            if not changed:
                self.notes.append("the net takes raw pixels already: there is no mean to fold")
        inputs = [replace(each, mean=[0.0], scale=1.0) for each in self.model.inputs]
        self.model = replace(self.model, inputs=inputs)

    def append_softmax(self) -> None:
        """Make probabilities of all scores; raises `NetError` where the net gives neither."""
        kinds = {each.kind for each in self.model.outputs}
        if "probabilities" in kinds and "scores" not in kinds:
            self.notes.append("the net gives probabilities already")
            return
        outputs = []
        for each in self._require_outputs("softmax", "scores"):
            layer = self._append("Softmax", "softmax", each.blob)
            layer.softmax_param.axis = _CLASS_AXIS
            outputs.append(replace(each, blob=layer.top[0], kind="probabilities"))
        self.model = replace(self.model, outputs=outputs)

    def append_argmax(self, outputs: Sequence[Output]) -> None:
        """Make the class of each pixel of ``outputs``; raises `NetError` where none of them has scores."""
        classes = []
        for each in self._require_outputs("argmax", *_ANSWERS, of=outputs):
            layer = self._append("ArgMax", "argmax", each.blob)
            layer.argmax_param.axis = _CLASS_AXIS
            classes.append(replace(each, blob=layer.top[0], kind="classes"))
        self.model = replace(self.model, outputs=[*self.model.outputs, *classes])

    def convert(self, half: str) -> None:
        """Make all weights float32, which every Caffe reads, or what ``half`` says."""
        layers = [
            replace(
                layer,
                tensors=tuple(
                    _convert(tensor, half, locate(self._weights.path, layer.name, index))
                    for index, tensor in enumerate(layer.tensors)
                ),
            )
            for layer in self._weights.layers
        ]
        self._weights = replace(self._weights, layers=tuple(layers))

    def _subtract(self, blob: str, channels: int, mean: Sequence[float], scale: float) -> None:
        """Insert a Scale layer behind an input; everything that read the input reads what the layer makes."""
        made = self.find_name(f"{blob}_scaled")
        layers = []
        for layer in self.net.layer:
            is_source = not layer.bottom
            layer.bottom[:] = [made if each == blob else each for each in layer.bottom]
            if not is_source:
                layer.top[:] = [made if each == blob else each for each in layer.top]
            layers.append(layer)
            if is_source and blob in layer.top:
                between = LayerParameter(name=made, type="Scale", bottom=[blob], top=[made])
                between.scale_param.bias_term = True
                layers.append(between)
        replace_layers(self.net, layers)
        means = list(mean) * (channels if len(mean) == 1 else 1)
        factors = from_array(make_mean([scale] * channels))
        shifts = from_array(make_mean([-scale * each for each in means]))
        self._weights = replace(self._weights, layers=(*self._weights.layers, Layer(made, (factors, shifts), "Scale")))
        self.notes.append(f"layer '{made}' subtracts the mean from '{blob}': the net takes raw pixels")

    def _require_outputs(self, what: str, *kinds: str, of: Sequence[Output] | None = None) -> list[Output]:
        found = [each for each in (self.model.outputs if of is None else of) if each.kind in kinds]
        if not found:
            have = ", ".join(f"'{each.blob}' has {each.kind}" for each in self.model.outputs)
            raise NetError("net", f"no output has {kinds[0]}: {have}", f"leave `{what}` out")
        return found

    def _append(self, kind: str, name: str, bottom: str) -> LayerParameter:
        single = sum(each.kind in _ANSWERS for each in self.model.outputs) == 1
        name = self.find_name(name if single else f"{bottom}_{name}")
        return self.net.layer.add(name=name, type=kind, bottom=[bottom], top=[name])

    def find_name(self, wanted: str) -> str:
        """Return a name that neither a layer nor a blob has."""
        taken = {layer.name for layer in self.net.layer} | {top for layer in self.net.layer for top in layer.top}
        number, name = 1, wanted
        while name in taken:
            number += 1
            name = f"{wanted}{number}"
        return name


def strip_net(deploy: NetParameter, outputs: Sequence[str]) -> NetParameter:
    """Return the layers of the TEST phase that ``outputs`` need, without Dropout, fillers, rates and rules.

    Raises `NetError` for a blob that the net does not have, and for a net that reads its own data.
    """
    chosen = select_phase(deploy)
    graph = Graph(chosen)
    needed = _find_needed(graph, outputs)
    result = with_layers(chosen, (node.layer for node in graph.nodes if node in needed))
    for name in ("state", "force_backward", "debug_info"):
        result.ClearField(name)
    bypass_layers(result, {node.name for node in needed if _is_idle(node, outputs)})
    read = {blob for layer in result.layer for blob in layer.bottom} | set(outputs)
    for layer in result.layer:
        if origin_of(layer) is Origin.INPUT:
            _keep_tops(layer, read)
        _clear_training(layer)
    return result


def find_outputs(net: NetParameter) -> list[str]:
    """Return the blobs of the deploy net that nobody reads, but for losses and measures."""
    graph = Graph(select_phase(net))
    return [blob.name for blob in graph.outputs() if layer_type(blob.maker.type).role != "loss"]


def match_weights(net: NetParameter, weights: Weights) -> list[Layer]:
    """Return the layers of a net with the parameters that it needs.

    Raises `WeightsError` where a layer has none, or those of another shape: Caffe would fill them in, or refuse them.
    """
    expected = infer(net).params
    by_name = {layer.name: layer.tensors for layer in weights.layers if layer.tensors}
    found = []
    for layer in net.layer:
        shapes, tensors = expected.get(layer.name, []), by_name.get(layer.name, ())
        if len(tensors) != len(shapes):
            what = f"has {len(tensors)} parameters, and the net needs {len(shapes)}"
            raise WeightsError(locate(weights.path, layer.name), what, "name the weights of this net")
        for index, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True)):
            if _squeeze(tensor.shape) != _squeeze(shape):
                what = f"is {dims(tensor.shape)}, and the net needs {dims(shape)}"
                raise WeightsError(locate(weights.path, layer.name, index), what, "name the weights of this net")
        fitted = tuple(tensor.reshaped(tuple(shape)) for tensor, shape in zip(tensors, shapes, strict=True))
        found.append(Layer(layer.name, fitted, layer.type, layer.SerializeToString()))
    return found


def _find_needed(graph: Graph, outputs: Iterable[str]) -> set[Node]:
    needed: set[Node] = set()
    waiting = [graph.blob(name).maker for name in outputs]
    while waiting:
        node = waiting.pop()
        if node in needed:
            continue
        needed.add(node)
        if not node.bottoms and origin_of(node.layer) not in (Origin.INPUT, Origin.FILLERS):
            raise NetError(node, "reads its own data", "give the deploy net, which has an Input layer")
        waiting += [bottom.maker for bottom in node.bottoms]
    return needed


def _is_idle(node: Node, outputs: Sequence[str]) -> bool:
    """Whether a layer can go: it does nothing in the TEST phase, and makes no output under a name of its own."""
    in_place = list(node.layer.bottom) == list(node.layer.top)
    return layer_type(node.type).idle_in_test(node.layer) and (in_place or node.layer.top[0] not in outputs)


def _keep_tops(layer: LayerParameter, read: set[str]) -> None:
    """Keep of an Input layer the blobs that somebody reads, such as images without labels."""
    shapes = layer.input_param.shape
    if len(shapes) == len(layer.top):
        kept = [shape for top, shape in zip(layer.top, shapes, strict=True) if top in read]
        param = type(layer.input_param)(shape=kept)
        layer.input_param.CopyFrom(param)
    layer.top[:] = [top for top in layer.top if top in read]


def _clear_training(layer: LayerParameter) -> None:
    """Remove what only a training reads; names by which layers share parameters stay."""
    for name in ("include", "exclude", "phase", "loss_weight", "propagate_down"):
        layer.ClearField(name)
    names = [spec.name for spec in layer.param]
    layer.ClearField("param")
    if any(names):
        for name in names:
            layer.param.add(name=name)
    row = layer_type(layer.type)
    row.spell_out(layer)
    for filler in row.fillers(layer) if layer.bottom else ():
        if filler.field:
            getattr(layer, row.param_name).ClearField(filler.field)


def _find_fork_parts(net: NetParameter) -> list[str]:
    """Return the layer types and the fields of a net that BVLC's Caffe does not have."""
    types = [f"layer type {layer.type}" for layer in net.layer if not is_bvlcs_type(layer.type)]
    return list(dict.fromkeys([*types, *_find_fork_fields(net)]))


def _find_fork_fields(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name == KEPT:
            yield from (f"field {kept_name(text)}" for text in value)
        elif field.number >= PRIVATE:
            yield f"field {field.name}"
        elif field.message_type is not None:
            for each in [value] if isinstance(value, Message) else value:
                yield from _find_fork_fields(each)


def _find_inputs(net: NetParameter, model: Model) -> list[Input]:
    """Return what the model says of the inputs that the net has."""
    blobs = {top for layer in net.layer if not layer.bottom for top in layer.top}
    return [each for each in model.inputs if each.blob in blobs]


def _squeeze(shape: Shape) -> tuple[int, ...]:
    """A shape without the axes of 1 that older formats add."""
    return tuple(side for side in shape if side != 1)


def _changes(taken: Input) -> bool:
    """Whether the pixels of an input are changed before the net gets them."""
    return taken.scale != 1 or any(taken.mean or ())


def _require_numbers(taken: Input) -> None:
    if taken.mean_file is not None:
        mend = "give a `mean` of numbers, such as 'weights mean' shows them, or leave `fold_mean` out"
        raise WeightsError(taken.mean_file, f"the mean of '{taken.blob}' is an image, which no layer takes in", mend)
    if taken.mean is None:
        raise WeightsError(f"blob '{taken.blob}'", "its mean is unknown", "give a `mean`, which may be 0")


def _convert(tensor: Tensor, half: str, where: str) -> Tensor:
    if not half:
        return tensor.cast("float32", where)
    rounded = tensor.cast("float16", where)
    return rounded if half == "stored" else rounded.cast("float32", where)
