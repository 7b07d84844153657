"""The plan of a transplant: for every parameter of the target its fate and its values, as handles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.proto.copying import without_blobs
from caffe_fcn.surgery.adaptation import Adaptation, MisfitError, adapt
from caffe_fcn.surgery.donors import OpenDonor, make_site
from caffe_fcn.surgery.report import DROPPED, FILLED, MISSING, RESHAPED, Parameter
from caffe_fcn.weights import fillers, interpolation
from caffe_fcn.weights.layers import Layer, locate
from caffe_fcn.weights.tensors import Shape, Tensor


class TransplantPlan:
    """What the layers of a target net get from donors, of which the first that has a layer gives it.

    Raises `NetError` or `WeightsError` where they do not fit each other.
    """

    def __init__(self, shapes: Shapes, donors: Sequence[OpenDonor], interpolate: frozenset[str], seed: int) -> None:
        self._shapes, self._donors, self._interpolate, self._seed = shapes, donors, interpolate, seed
        self._nodes = {node.name: node for node in shapes.graph.nodes}
        for name in interpolate:
            if name not in self._nodes:
                raise NetError(f"layer '{name}'", "the net has no such layer", nearest(name, self._nodes))
        self._sharers = self._find_sharers()
        self._check_renames()
        self._decisions = {
            name: [self._decide(node, index) for index in range(len(shapes.params[name]))]
            for name, node in self._nodes.items()
        }

    def parameters(self, sparse: bool) -> Iterator[Parameter]:
        """Every parameter of the target with its fate."""
        for decisions in self._decisions.values():
            left_out = sparse and _are_all_filled(decisions)
            for parameter, _ in decisions:
                yield replace(parameter, fate=MISSING, reason="not in the weights") if left_out else parameter

    def find_dropped(self) -> Iterator[Parameter]:
        """Every parameter of the weights that has no place in the target."""
        for donor in self._donors:
            targets = {name: target for target, name in donor.homes.items()}
            for layer in donor.layers.values():
                target = targets.get(layer.name, "")
                room = len(self._decisions.get(target, ()))
                why = f"'{target}' has {room} parameters" if room else f"no layer '{target}' with parameters in the net"
                for index, tensor in list(enumerate(layer.tensors))[room:]:
                    yield Parameter(layer.name, index, tensor.shape, DROPPED, why if target else "as asked")

    def layers(self, sparse: bool) -> list[Layer]:
        """The target's layers with their parameters; with ``sparse``, only those that get some from the weights."""
        return [
            Layer(
                name,
                tuple(tensor for _, tensor in decisions),
                node.type,
                without_blobs(node.layer).SerializeToString(),
            )
            for (name, decisions), node in zip(self._decisions.items(), self._nodes.values(), strict=True)
            if not (sparse and decisions and _are_all_filled(decisions))
        ]

    def _check_renames(self) -> None:
        names = [name for name, shapes in self._shapes.params.items() if shapes]
        for donor in self._donors:
            for target in donor.renamed - set(names):
                what = "the net has no layer of this name with parameters"
                raise NetError(f"layer '{target}'", what, nearest(target, names))

    def _find_sharers(self) -> dict[tuple[str, int], list[tuple[str, int]]]:
        """The parameters that share one name in the prototxt, and so one memory in Caffe."""
        groups: dict[str, list[tuple[str, int]]] = {}
        for node in self._nodes.values():
            for index, spec in enumerate(node.layer.param):
                if spec.name and index < len(self._shapes.params[node.name]):
                    groups.setdefault(spec.name, []).append((node.name, index))
        return {member: group for group in groups.values() for member in group}

    def _decide(self, node: Node, index: int) -> tuple[Parameter, Tensor]:
        shape = self._shapes.params[node.name][index]
        if node.name in self._interpolate and index == 0:
            parameter = Parameter(node.name, index, shape, FILLED, interpolation.describe(shape))
            return parameter, _interpolate(node, shape)
        sharers = self._sharers.get((node.name, index), [(node.name, index)])
        for name, index_there in sorted(sharers, key=lambda sharer: sharer != (node.name, index)):
            found = self._find_values(name, index_there)
            if found is not None:
                adapted, origin = found
                if name != node.name:
                    adapted = adapted.with_reason(f"shares its values with layer '{name}'")
                parameter = Parameter(node.name, index, shape, adapted.fate, adapted.reason, origin)
                return parameter, adapted.tensor.reshaped(shape)
        owner, owner_index = sharers[0]
        tensor, reason = _fill(self._nodes[owner], owner_index, shape, self._seed)
        return Parameter(node.name, index, shape, FILLED, reason), tensor

    def _find_values(self, name: str, index: int) -> tuple[Adaptation, tuple[str, int]] | None:
        """What the first donor that has the layer gives for a parameter, and which of its own that is."""
        target = make_site(self._nodes[name], self._shapes)
        shape = self._shapes.params[name][index]
        for donor in self._donors:
            layer = donor.layers.get(donor.homes.get(name, ""))
            if layer is None or index >= len(layer.tensors):
                continue
            tensor = layer.tensors[index]
            where = locate(donor.path, layer.name, index)
            try:
                adapted = adapt(tensor, donor.site(layer.name), target, shape)
            except MisfitError as error:
                mend = f"rename one of the layers, or leave it out: {layer.name}="
                raise WeightsError(where, f"does not fit layer '{name}': {error}", mend) from error
            if layer.name in donor.edits:
                adapted = adapted.with_reason(donor.edits[layer.name].what, RESHAPED)
            if tensor.dtype != "float32":  # Caffe's nets compute in float32, and BVLC's reads no float16
                single = adapted.tensor.cast("float32", where)
                adapted = replace(adapted, tensor=single).with_reason(f"{tensor.dtype} to float32")
            return adapted, (layer.name, index)
        return None


def _are_all_filled(decisions: Sequence[tuple[Parameter, Tensor]]) -> bool:
    return all(parameter.fate == FILLED for parameter, _ in decisions)


def _fill(node: Node, index: int, shape: Shape, seed: int) -> tuple[Tensor, str]:
    """The values that a parameter starts with in Caffe, and why; but upscore layers interpolate.

    A Deconvolution without a filler starts at zero in Caffe, and makes a net whose output stays zero for ever;
    that of an FCN is meant to interpolate.
    """
    filler = fillers.find_filler(node.layer, index, shape)
    reason = f"filler {filler.type}" + (f" {filler.value:g}" if filler.type == "constant" else "")
    upsamples = layer_type(node.type).kind is Kind.DECONVOLUTION and index == 0
    if upsamples and not node.layer.convolution_param.HasField("weight_filler"):
        misfit = interpolation.explain_misfit(shape, node.layer.convolution_param.num_output)
        if not misfit:
            return interpolation.make_weights(shape), interpolation.describe(shape)
        reason = f"zero: it has no filler, and {misfit}"
    return fillers.fill(filler, shape, node.name, index, seed), reason


def _interpolate(node: Node, shape: Shape) -> Tensor:
    if layer_type(node.type).kind is not Kind.DECONVOLUTION:
        raise NetError(node, "only a Deconvolution interpolates", "name an upscore layer")
    if misfit := interpolation.explain_misfit(shape, node.layer.convolution_param.num_output):
        mend = "give it a square kernel, and as many channels as classes"
        raise NetError(node, f"cannot interpolate: {misfit}", mend)
    return interpolation.make_weights(shape)
