"""The shapes of a net: every blob, every parameter, what it costs to compute and to hold.

    shapes = infer(net, phase="deploy", size=(500, 500))
    shapes.blobs["score"]              # (1, 21, 500, 500)
    shapes.params["conv1"]             # [(96, 3, 11, 11), (96,)]

One pass in execution order through the rules of `layer_types.LAYER_TYPES`; no Caffe, no numbers. No file is opened
either: ``data_shapes`` says what the files of data layers hold (see `layer_types.site.DataShapes`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from caffe_fcn.augmentation import ORIGINAL
from caffe_fcn.errors import CaffeFcnError, NetError, nearest
from caffe_fcn.net.geometry import INT_MAX, MOST_AXES, dims
from caffe_fcn.net.graph import Blob, Graph, Node, input_layer, select_phase
from caffe_fcn.net.layer_types import (
    ANY,
    LAYER_TYPES,
    DataShapes,
    Kind,
    LayerType,
    Origin,
    Shape,
    Site,
    is_loss,
    lacks_shapes,
    layer_type,
    origin_of,
)
from caffe_fcn.net.layer_types.site import TELL_SHAPES
from caffe_fcn.net.shared_parameters import Sharing
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import with_layers
from caffe_fcn.proto.dialects.table import find_forks

_FLOAT_BYTES = 4
ANY_SIZE = (500, 500)  # that every net of the family takes; convolutions have the same parameters at any size

# Tops of the reference's Python data layers that are not colour images; the others have three channels.
_ONE_CHANNEL = {"label", "sem", "geo", "depth"}


@dataclass(frozen=True)
class Shapes:
    """What `infer` found.

    ``blobs`` by name (of an in-place blob the last version, which has the same shape), ``params`` and
    ``macs`` by layer name: the parameters' shapes in Caffe's order, the multiply-accumulates of one
    forward pass. ``sharing`` says which parameters are one.
    """

    graph: Graph
    blobs: dict[str, Shape] = field(default_factory=dict)
    params: dict[str, list[Shape]] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=Sharing)

    def count(self, layer: str) -> int:
        """The number of parameters of a layer."""
        return sum(map(math.prod, self.params[layer]))

    @property
    def total_params(self) -> int:
        """All parameters, those that layers share by `param { name }` counted once."""
        return sum(math.prod(self.params[layer][index]) for layer, index in self.sharing.multipliers)

    @property
    def total_macs(self) -> int:
        """The multiply-accumulates of one forward pass."""
        return sum(self.macs.values())

    @property
    def parameter_bytes(self) -> int:
        """What all parameters hold in float32."""
        return _FLOAT_BYTES * self.total_params

    @property
    def activation_bytes(self) -> int:
        """What all blobs hold in float32, an in-place blob once."""
        return _FLOAT_BYTES * sum(map(math.prod, self.blobs.values()))


def infer(
    net: NetParameter,
    phase: str | None = None,
    stages: Iterable[str] = (),
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Shape] | None = None,
    data_shapes: DataShapes | None = None,
) -> Shapes:
    """The shapes of ``net`` in a phase (see `graph.select_phase`).

    ``inputs`` has the shapes of blobs by name: of what sources make, of what layers make that only their code knows
    (Python layers, types that no known Caffe has), and of blobs that no layer makes, which are then inputs.
    ``size`` (H, W) is used instead of the image size that the net's sources declare, and where they declare none:
    for Input and data layers with 4 axes, and for Python data layers.
    ``data_shapes`` looks into the files of data layers. Raises `NetError` for what does not fit, naming
    layer and blob, and what ``data_shapes`` raises.
    """
    selected = select_phase(net, phase, stages)
    graph = Graph(tell_shapes(selected, inputs) if inputs else selected)
    return infer_graph(graph, size, {**_infer_inputs(net, graph, size, data_shapes), **(inputs or {})}, data_shapes)


def tell_shapes(net: NetParameter, shapes: Mapping[str, Shape]) -> NetParameter:
    """A copy of a net that knows the shapes of these blobs, where only code or data know them.

    A layer whose code alone knows what it makes gets them as its custom_param, and a blob that no layer makes gets an
    Input layer. Raises `NetError` for a blob that the net does not have.
    """
    makers = {top: layer for layer in net.layer for top in layer.top}
    read = {bottom for layer in net.layer for bottom in layer.bottom}
    for name in shapes.keys() - makers.keys() - read:
        raise NetError(f"blob '{name}'", "the net has no such blob", nearest(name, [*makers, *read]))
    result = with_layers(net, [*(input_layer(name, shapes[name]) for name in shapes if name not in makers), *net.layer])
    for layer in result.layer:
        if _is_unknowable(layer.type) and layer.top and all(top in shapes for top in layer.top):
            del layer.custom_param.shape[:]
            for top in layer.top:
                layer.custom_param.shape.add(dim=shapes[top])
    return result


def forget_shapes(net: NetParameter, before: NetParameter) -> NetParameter:
    """A copy of ``net`` without what `tell_shapes` added to ``before``, the net that it was made of."""
    added = len(net.layer) - len(before.layer)
    result = with_layers(net, net.layer[added:])
    for layer, known in zip(result.layer, before.layer, strict=True):
        layer.ClearField("custom_param")
        if known.HasField("custom_param"):
            layer.custom_param.CopyFrom(known.custom_param)
    return result


def _is_unknowable(type_name: str) -> bool:
    """Whether only the code of a layer type knows what its layers make."""
    return type_name not in LAYER_TYPES or LAYER_TYPES[type_name].origin is Origin.CODE


def find_shapeless_inputs(graph: Graph) -> list[Node]:
    """The Input layers without a shape, such as those that replace the data layers of an all-in-one net."""
    return [node for node in graph.nodes if origin_of(node.layer) is Origin.INPUT and lacks_shapes(node.layer)]


def assume_size(
    net: NetParameter,
    phase: str | None = None,
    stages: Iterable[str] = (),
    data_shapes: DataShapes | None = None,
) -> tuple[int, int] | None:
    """The size (H, W) at which to show a net that takes images of any size; None for a net that has a size.

    A net has a size where an input has a shape, where the data layers have one, or where a layer is fully connected.
    """
    graph = Graph(select_phase(net, phase, stages))
    dense = any(layer_type(node.type).kind is Kind.INNER_PRODUCT for node in graph.nodes)
    return (
        None if dense or not find_shapeless_inputs(graph) or _infer_inputs(net, graph, None, data_shapes) else ANY_SIZE
    )


def _infer_inputs(
    net: NetParameter, graph: Graph, size: tuple[int, int] | None, data_shapes: DataShapes | None
) -> dict[str, Shape]:
    """The shape of the image that the deploy form of an all-in-one net takes: that of its data layers."""
    shapeless = find_shapeless_inputs(graph)
    origins = ((layer, origin_of(layer)) for layer in net.layer)
    reader = next((layer for layer, origin in origins if origin and origin.reads_images), None)
    if len(shapeless) != 1 or reader is None:
        return {}
    try:
        _, channels, *image = LAYER_TYPES[reader.type].tops(Site(reader, data_shapes=data_shapes))[0]
    except CaffeFcnError:  # its files are elsewhere, or not named; the layer itself may say a size
        rules = reader.transform_param
        channels = 1 if rules.force_gray else 3
        image = [rules.crop_size] * 2 if rules.crop_size else []
    image = list(size or image)
    return {shapeless[0].layer.top[0]: (1, channels, *image)} if len(image) == 2 else {}


def infer_graph(
    graph: Graph,
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Shape] | None = None,
    data_shapes: DataShapes | None = None,
) -> Shapes:
    """The shapes of a graph; as `infer`."""
    shapes = Shapes(graph)
    given = dict(inputs or {})
    for unknown in given.keys() - graph.blobs.keys():
        raise NetError(f"blob '{unknown}'", "the net has no such blob", nearest(unknown, graph.blobs))
    found: dict[Blob, Shape] = {}
    for node in graph.nodes:
        told = _find_told_tops(node, given)
        row = row_of(node) if told is None else layer_type(node.type)
        names, read = [blob.name for blob in node.bottoms], [found[blob] for blob in node.bottoms]
        site = Site(node.layer, names, read, data_shapes, size)
        if told is not None:
            tops = told
        elif origin_of(node.layer):
            tops = _source_tops(node, site, row, size, given)
        else:
            tops = _tops(site, row)
            _check_given(node, tops, given)
        for blob, shape in zip(node.tops, tops, strict=True):
            _check_blob(node, f"'{blob.name}'", shape)
            found[blob] = shapes.blobs[blob.name] = shape
        _check_loss_weights(node)
        shapes.params[node.name] = row.params(site)
        for shape in shapes.params[node.name]:
            _check_blob(node, "a parameter", shape)
        shapes.sharing.add(node, shapes.params[node.name])
        shapes.macs[node.name] = row.macs(site, tops)
    return shapes


_UNHEARD = "no known Caffe has such a layer type"


def row_of(node: Node) -> LayerType:
    """The row of the table for a node's layer; raises `NetError` for a type or a count that does not exist."""
    row = LAYER_TYPES.get(node.type)
    if row is None and node.layer.custom_param.shape:
        return layer_type(node.type)
    if row is None:
        forks = find_forks(node.type)
        what = f"is a layer type of forks ({', '.join(forks)}); what it makes is not known" if forks else _UNHEARD
        similar = "" if forks else nearest(node.type, LAYER_TYPES)
        raise NetError(node, what, "; or ".join(filter(None, [similar, TELL_SHAPES])))
    for kind, count, (low, high) in (
        ("bottom", len(node.bottoms), row.bottoms),
        ("top", len(node.tops), row.makes),
    ):
        if not low <= count <= high:
            wanted = str(low) if low == high else f"{low} or more" if high == ANY else f"{low} to {high}"
            raise NetError(node, f"has {count} {kind}s", f"it takes {wanted}")
    return row


def _find_told_tops(node: Node, given: Mapping[str, Shape]) -> list[Shape] | None:
    """The shapes of the tops of a layer that only its code knows, as the caller or its custom_param tells them."""
    if not _is_unknowable(node.type):
        return None
    custom = [tuple(shape.dim) for shape in node.layer.custom_param.shape]  # as HiSilicon's NNIE has it
    told = {blob.name: shape for blob, shape in zip(node.tops, custom, strict=False)} | dict(given)
    names = [blob.name for blob in node.tops]
    return [told[name] for name in names] if all(name in told for name in names) else None


def _check_given(node: Node, tops: list[Shape], given: Mapping[str, Shape]) -> None:
    """Raise `NetError` where the caller gives another shape than the layer makes."""
    for blob, shape in zip(node.tops, tops, strict=True):
        if tuple(given.get(blob.name, shape)) != shape and blob.name not in {each.name for each in node.bottoms}:
            raise NetError(
                node, f"makes '{blob.name}' {dims(shape)}", f"leave out its `shape` {dims(given[blob.name])}"
            )


def _check_blob(node: Node, name: str, shape: Shape) -> None:
    """Raise `NetError` for a shape that Caffe refuses (Blob::Reshape)."""
    if len(shape) > MOST_AXES:
        raise NetError(node, f"gives {name} {len(shape)} axes", f"Caffe has {MOST_AXES} at most")
    if any(dim < 0 for dim in shape):
        raise NetError(node, f"gives {name} the shape {dims(shape)}", "no axis is shorter than 0")
    if math.prod(shape) > INT_MAX:
        raise NetError(node, f"makes {name} too large: {dims(shape)}", f"Caffe's blobs have {INT_MAX} values at most")


def _check_loss_weights(node: Node) -> None:
    """Raise `NetError` unless there is one weight per top; a loss layer that sets none has one, for its first top."""
    weights = len(node.layer.loss_weight) or (1 if is_loss(node.type) else 0)
    if weights not in (0, len(node.tops)) and node.tops:
        raise NetError(node, f"has {weights} loss_weight for {len(node.tops)} tops", "give one each, 0 for no loss")


def _tops(site: Site, row: LayerType) -> list[Shape]:
    return row.tops(site)[: len(site.layer.top)]


def _source_tops(
    node: Node, site: Site, row: LayerType, size: tuple[int, int] | None, given: Mapping[str, Shape]
) -> list[Shape]:
    names = list(node.layer.top)
    if all(name in given for name in names):
        return [given[name] for name in names]
    if row.fork:
        return [given.get(name, shape) for name, shape in zip(names, _tops(site, row), strict=True)]
    if size and lacks_shapes(node.layer):
        batch = _batch(site, row)
        channels = (1 if name.removesuffix(ORIGINAL) in _ONE_CHANNEL else 3 for name in names)
        shapes: list[Shape] = [(batch, count, *size) for count in channels]
        if row.origin not in _ONE_IMAGE:
            shapes[1:] = [(batch,)] * (len(names) - 1)
    else:
        shapes = _tops(site, row)
    if size:
        shapes = [(*shape[:-2], *size) if len(shape) == 4 else shape for shape in shapes]
    return [given.get(name, shape) for name, shape in zip(names, shapes, strict=True)]


_ONE_IMAGE = (Origin.CODE, Origin.INPUT)  # sources that give one image, and others beside it, where nobody says more


def _batch(site: Site, row: LayerType) -> int:
    return 1 if row.origin in _ONE_IMAGE else int(site.param.batch_size)
