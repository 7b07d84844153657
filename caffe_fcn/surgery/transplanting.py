"""A classifier's weights into another net, parameter by parameter, without Caffe.

    report = transplant("bvlc_alexnet.caffemodel", "voc-fcn-alexnet/deploy.prototxt", "fcn_alexnet.caffemodel")
    for each in report.parameters:
        print(each.layer, each.index, each.fate, each.reason)

Layers meet by name. Each parameter of the target has one fate, and so has each of the source that finds no
place: copied, reshaped (the same values under another shape), filled (as the target's prototxt says, an
upscore layer with its interpolation kernel), or dropped. First everything is planned on handles, then the
file is written in one pass.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Kind, Origin, Site, layer_type, origin_of
from caffe_fcn.net.shapes import ANY_SIZE, Shapes, infer, size_to_assume
from caffe_fcn.proto import LayerParameter, NetParameter, read_net
from caffe_fcn.proto.copying import without_blobs
from caffe_fcn.surgery.edits import Edit
from caffe_fcn.surgery.fitting import COPIED, RESHAPED, Fit, MisfitError, fit
from caffe_fcn.weights import fillers, interpolation
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer, locate
from caffe_fcn.weights.tensors import Shape, Tensor

FILLED, DROPPED, MISSING = "filled", "dropped", "missing"


@dataclass(frozen=True)
class Parameter:
    """What became of one parameter; ``source`` is the (layer, index) that its values come from."""

    layer: str
    index: int
    shape: Shape
    fate: str
    reason: str = ""
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Report:
    """Every parameter of the target in its order, then those of the source that were dropped."""

    output: str
    parameters: list[Parameter] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many parameters had each fate."""
        fates = (COPIED, RESHAPED, FILLED, DROPPED, MISSING)
        return {fate: sum(each.fate == fate for each in self.parameters) for fate in fates}


@dataclass(frozen=True)
class Donor:
    """Weights to take from: which of its layers goes to which of the target's.

    ``renames`` maps a layer of the weights to one of the net, or to "" to leave it out; all others go to
    the layer of their own name with ``suffix`` behind it. ``edits`` change layers of the weights on the way.
    ``net`` is the net of the weights, where the file does not say it.
    """

    weights: PathLike
    renames: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    edits: Mapping[str, Edit] = field(default_factory=dict)
    net: NetParameter | PathLike | None = None


def transplant(
    weights: PathLike | Sequence[Donor],
    to_net: NetParameter | PathLike,
    output: PathLike,
    *,
    renames: Mapping[str, str] | None = None,
    suffix: str = "",
    from_net: NetParameter | PathLike | None = None,
    phase: str | None = None,
    size: tuple[int, int] | None = None,
    interpolate: Iterable[str] = (),
    strict: bool = False,
    sparse: bool = False,
    seed: int = 0,
) -> Report:
    """Write weights for ``to_net`` to ``output``, taken from ``weights`` wherever they fit.

    ``weights`` is a file (with ``renames``, ``suffix`` and ``from_net`` as in `Donor`) or several donors, of
    which the first that has a layer gives it. ``phase`` is the target's (default: deploy), ``size`` (H, W) its
    image size where its data layers don't tell. Layers in ``interpolate`` get the interpolation kernel whatever
    else there is for them, as a Deconvolution without values and without a filler always does. ``strict``
    refuses to drop or to fill anything, ``sparse`` leaves layers out that get nothing from the weights,
    ``seed`` makes fillers reproducible.

    Raises `WeightsError` for a layer whose shape does not fit, and for weights that share no layer with
    the net; `NetError` for a net whose shapes cannot be inferred.
    """
    net = net_of(to_net)
    donors = (
        [Donor(weights, renames or {}, suffix, net=from_net)] if isinstance(weights, (str, os.PathLike)) else weights
    )
    sources = [_Source(donor) for donor in donors]
    plan = _Plan(shapes_of(net, phase, size), sources, frozenset(interpolate), seed)
    report = Report(str(output), [*plan.parameters(sparse), *plan.dropped()])
    _refuse(report, donors, strict)
    save_weights(output, plan.layers(sparse), NetParameter(name=net.name).SerializeToString())
    return report


def net_of(given: NetParameter | PathLike) -> NetParameter:
    """The net itself, read where a path is given."""
    return read_net(given) if isinstance(given, (str, os.PathLike)) else given


def shapes_of(net: NetParameter, phase: str | None, size: tuple[int, int] | None) -> Shapes:
    """Shapes of a net whose Python data layers, or whose deploy form, may leave the image size open.

    Convolutions have the same parameters at any size.
    """
    untold = any(origin_of(layer) is Origin.CODE for layer in net.layer)
    size = size or (ANY_SIZE if untold else size_to_assume(net, phase, data_shapes=read_record_shapes))
    return infer(net, phase, size=size, data_shapes=read_record_shapes)


class _Source:
    """A donor, opened: its parameters by the target's layer names."""

    def __init__(self, donor: Donor) -> None:
        self.weights = open_weights(donor.weights)
        self.path = self.weights.path
        self.layers = {layer.name: layer for layer in self.weights.layers if layer.tensors}
        for name in (*donor.renames, *donor.edits):
            if name not in self.layers:
                raise WeightsError(self.path, f"has no parameters of a layer '{name}'", nearest(name, self.layers))
        self.targets: dict[str, str] = {}  # the net's layer -> the weights' layer
        for name in self.layers:
            target = donor.renames.get(name, name + donor.suffix)
            if target in self.targets:
                both = f"'{self.targets[target]}' and '{name}'"
                raise WeightsError(
                    self.path, f"layers {both} both go to '{target}'", "map one of them to nothing: NAME="
                )
            if target:
                self.targets[target] = name
        self.renamed = {target for name, target in donor.renames.items() if target}
        self._sites = self._known_sites(donor.net)
        self.edits = donor.edits
        for name, edit in donor.edits.items():
            tensors = edit.apply(self.layers[name].tensors, locate(self.path, name))
            self.layers[name] = replace(self.layers[name], tensors=tensors)

    def site(self, name: str) -> Site:
        """A layer of the weights, with the shapes that it reads where they are known."""
        return self._sites.get(name) or Site(LayerParameter(name=name, type=self.layers[name].type))

    def _known_sites(self, given: NetParameter | PathLike | None) -> dict[str, Site]:
        if given is not None:
            shapes = shapes_of(net_of(given), None, None)
            self._adopt(shapes)
            return _sites(shapes)
        if not self.weights.layers[0].definition:
            return {}
        net = read_net(self.path)
        try:
            if (size := _crop_size(net)) or not _reads_files(net):
                return _sites(infer(net, size=size, data_shapes=read_record_shapes))
        except NetError:  # a fork's layer type: its shapes stay unknown
            pass
        return {layer.name: Site(layer) for layer in net.layer}

    def _adopt(self, shapes: Shapes) -> None:
        """Give parameters without a shape of their own those of the net; refuse a net that is not theirs.

        That the file ends between two of its layers, nothing else can tell.
        """
        for node in shapes.graph.nodes:
            shares = any(spec.name for spec in node.layer.param)  # with a layer that may have them for both
            if shapes.params[node.name] and node.name not in self.layers and not shares:
                what = f"has no parameters of layer '{node.name}', which its net has"
                raise WeightsError(self.path, what, "the file is cut off, or --from-net is another's")
        for name, layer in self.layers.items():
            wanted = shapes.params.get(name, [])
            if len(wanted) != len(layer.tensors):
                raise self._foreign(name, f"{len(layer.tensors)} parameters, in the net {len(wanted)}")
            for index, (tensor, shape) in enumerate(zip(layer.tensors, wanted, strict=True)):
                if tensor.count != math.prod(shape):
                    raise self._foreign(name, f"{dims(tensor.shape)} for parameter {index}, in the net {dims(shape)}")
            tensors = [t.reshaped(s) if len(t.shape) == 1 else t for t, s in zip(layer.tensors, wanted, strict=True)]
            self.layers[name] = replace(layer, tensors=tuple(tensors))

    def _foreign(self, name: str, what: str) -> WeightsError:
        return WeightsError(locate(self.path, name), f"has {what}", "name the net of these weights as --from-net")


def _sites(shapes: Shapes) -> dict[str, Site]:
    return {node.name: _site(node, shapes) for node in shapes.graph.nodes}


def _site(node: Node, shapes: Shapes) -> Site:
    names = [blob.name for blob in node.bottoms]
    return Site(node.layer, names, [shapes.blobs[name] for name in names])


def _reads_files(net: NetParameter) -> bool:
    origins = (layer_type(layer.type).origin for layer in net.layer)
    return any(origin is not None and origin.hides_shapes for origin in origins)


def _crop_size(net: NetParameter) -> tuple[int, int] | None:
    """The image size that a data layer's cropping gives, so that nothing needs to look at its data."""
    crops = {layer.transform_param.crop_size for layer in net.layer if layer.transform_param.crop_size}
    return (side := crops.pop(), side) if len(crops) == 1 else None


class _Plan:
    """For every parameter of the target its fate and, but for those that are filled, its values."""

    def __init__(self, shapes: Shapes, sources: Sequence[_Source], interpolate: frozenset[str], seed: int) -> None:
        self._shapes, self._sources, self._interpolate, self._seed = shapes, sources, interpolate, seed
        self._nodes = {node.name: node for node in shapes.graph.nodes}
        for name in interpolate:
            if name not in self._nodes:
                raise NetError(f"layer '{name}'", "the net has no such layer", nearest(name, self._nodes))
        self._sharers = self._sharing()
        self._check_renames()
        self._decided = {
            name: [self._decide(node, index) for index in range(len(shapes.params[name]))]
            for name, node in self._nodes.items()
        }

    def parameters(self, sparse: bool) -> Iterator[Parameter]:
        """Every parameter of the target with its fate."""
        for decided in self._decided.values():
            left_out = sparse and all(parameter.fate == FILLED for parameter, _ in decided)
            for parameter, _ in decided:
                yield replace(parameter, fate=MISSING, reason="not in the weights") if left_out else parameter

    def dropped(self) -> Iterator[Parameter]:
        """Every parameter of the weights that has no place in the target."""
        for source in self._sources:
            homes = {name: target for target, name in source.targets.items()}
            for layer in source.layers.values():
                target = homes.get(layer.name, "")
                room = len(self._decided.get(target, ()))
                why = f"'{target}' has {room} parameters" if room else f"no layer '{target}' with parameters in the net"
                for index, tensor in list(enumerate(layer.tensors))[room:]:
                    yield Parameter(layer.name, index, tensor.shape, DROPPED, why if target else "as asked")

    def layers(self, sparse: bool) -> list[Layer]:
        """What to write: the target's layers with their parameters."""
        return [
            Layer(name, tuple(tensor for _, tensor in decided), node.type, _definition(node.layer))
            for (name, decided), node in zip(self._decided.items(), self._nodes.values(), strict=True)
            if not (sparse and decided and all(parameter.fate == FILLED for parameter, _ in decided))
        ]

    def _check_renames(self) -> None:
        homes = [name for name, shapes in self._shapes.params.items() if shapes]
        for source in self._sources:
            for target in source.renamed - set(homes):
                raise NetError(
                    f"layer '{target}'", "the net has no layer of this name with parameters", nearest(target, homes)
                )

    def _sharing(self) -> dict[tuple[str, int], list[tuple[str, int]]]:
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
            return Parameter(node.name, index, shape, FILLED, interpolation.describe(shape)), _interpolated(node, shape)
        sharers = self._sharers.get((node.name, index), [(node.name, index)])
        for name, place_there in sorted(sharers, key=lambda sharer: sharer != (node.name, index)):
            found = self._found(name, place_there)
            if found is not None:
                fitted, origin = found
                if name != node.name:
                    fitted = fitted.noted(f"shares its values with layer '{name}'")
                parameter = Parameter(node.name, index, shape, fitted.fate, fitted.reason, origin)
                return parameter, fitted.tensor.reshaped(shape)
        owner, owner_index = sharers[0]
        tensor, reason = _filled(self._nodes[owner], owner_index, shape, self._seed)
        return Parameter(node.name, index, shape, FILLED, reason), tensor

    def _found(self, name: str, index: int) -> tuple[Fit, tuple[str, int]] | None:
        """What the first source that has the layer gives for a parameter."""
        target = _site(self._nodes[name], self._shapes)
        shape = self._shapes.params[name][index]
        for source in self._sources:
            layer = source.layers.get(source.targets.get(name, ""))
            if layer is None or index >= len(layer.tensors):
                continue
            tensor = layer.tensors[index]
            where = locate(source.path, layer.name, index)
            try:
                fitted = fit(tensor, source.site(layer.name), target, shape)
            except MisfitError as error:
                mend = f"rename one of the layers, or leave it out: {layer.name}="
                raise WeightsError(where, f"does not fit layer '{name}': {error}", mend) from error
            if layer.name in source.edits:
                fitted = fitted.noted(source.edits[layer.name].what, RESHAPED)
            if tensor.dtype != "float32":  # Caffe's nets compute in float32, and BVLC's reads no float16
                fitted = replace(fitted, tensor=fitted.tensor.cast("float32", where)).noted(
                    f"{tensor.dtype} to float32"
                )
            return fitted, (layer.name, index)
        return None


def _filled(node: Node, index: int, shape: Shape, seed: int) -> tuple[Tensor, str]:
    """What a parameter starts with, as Caffe would start it, but for upscore layers.

    A Deconvolution without a filler starts at zero in Caffe, and makes a net whose output is zero for ever;
    that of an FCN is meant to interpolate.
    """
    filler = fillers.find_filler(node.layer, index, shape)
    reason = f"filler {filler.type}" + (f" {filler.value:g}" if filler.type == "constant" else "")
    upsamples = layer_type(node.type).kind is Kind.DECONVOLUTION and index == 0
    if upsamples and not node.layer.convolution_param.HasField("weight_filler"):
        why_not = interpolation.explain_misfit(shape, node.layer.convolution_param.num_output)
        if not why_not:
            return interpolation.make_weights(shape), interpolation.describe(shape)
        reason = f"zero: it has no filler, and {why_not}"
    return fillers.fill(filler, shape, node.name, index, seed), reason


def _interpolated(node: Node, shape: Shape) -> Tensor:
    if layer_type(node.type).kind is not Kind.DECONVOLUTION:
        raise NetError(node, "only a Deconvolution interpolates", "name an upscore layer")
    if why_not := interpolation.explain_misfit(shape, node.layer.convolution_param.num_output):
        raise NetError(
            node, f"cannot interpolate: {why_not}", "give it a square kernel, and as many channels as classes"
        )
    return interpolation.make_weights(shape)


def _definition(layer: LayerParameter) -> bytes:
    return bytes(without_blobs(layer).SerializeToString())


def _refuse(report: Report, donors: Sequence[Donor], strict: bool) -> None:
    counts = report.counts()
    files = " and ".join(str(donor.weights) for donor in donors)
    if not counts[COPIED] + counts[RESHAPED]:
        raise WeightsError(files, "no layer has the name of a layer of the net", "map names: fc6=conv6")
    lost = [each for each in report.parameters if each.fate not in (COPIED, RESHAPED)]
    if strict and lost:
        first = f"layer '{lost[0].layer}', parameter {lost[0].index} is {lost[0].fate} ({lost[0].reason})"
        raise WeightsError(files, f"{first}, and {len(lost) - 1} more are not taken over", "run without strict")
