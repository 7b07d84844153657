"""What a picture of a net shows: a box for each layer, lines for blobs, and what there is to know of a layer.

A layer that works in place of another's top, which nobody else reads before, shares the other's box: a
convolution, its BatchNorm, Scale, ReLU and Dropout are one box.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from caffe_fcn import offsets
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.net.geometry import dims, exact
from caffe_fcn.net.graph import Graph, Node, select_phase
from caffe_fcn.net.layer_types import DataShapes, Role, is_loss, layer_type
from caffe_fcn.net.receptive_fields import receptive_fields
from caffe_fcn.net.shapes import Shapes, assume_size, infer
from caffe_fcn.proto import NetParameter, to_text

# What the roles of layers are called in a picture's legend
ROLES: dict[Role, str] = {
    "data": "data",
    "convolution": "convolution",
    "upsampling": "upsampling",
    "dense": "fully connected",
    "pooling": "pooling",
    "normalization": "normalization",
    "activation": "activation",
    "joining": "join, crop, reshape",
    "loss": "loss, measure",
    "other": "other",
}


@dataclass(frozen=True)
class Card:
    """A layer and all that is known of it; fields that need shapes are empty where these are unknown."""

    name: str
    type: str
    role: Role
    facts: str
    bottoms: list[tuple[str, str]]
    tops: list[tuple[str, str]]
    params: list[str]
    count: int | None
    macs: int | None
    geometry: dict[str, Any]
    field: dict[str, Any]
    text: str


@dataclass
class Box:
    """Layers that share a box, the first of which made the blob that the others work on."""

    cards: list[Card] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """Blobs that lead from one box to another, each with its shape."""

    source: int
    target: int
    blobs: list[tuple[str, str]]


@dataclass(frozen=True)
class Topology:
    """A net as boxes and lines. ``unknown`` says why shapes or offsets are missing, if they are."""

    name: str
    boxes: list[Box]
    lines: list[Line]
    totals: dict[str, int]
    unknown: list[str]


def topology(
    net: NetParameter,
    phase: str | None = None,
    stages: Iterable[str] = (),
    size: tuple[int, int] | None = None,
    data_shapes: DataShapes | None = None,
) -> Topology:
    """The boxes and lines of a net's phase; the arguments are those of `shapes.infer`.

    Raises `NetError` for a net that is not a graph.
    """
    graph, shapes, unknown = _infer_if_possible(net, phase, stages, size, data_shapes)
    tables = _NetTables(net, phase, graph, shapes, unknown)
    boxes: list[Box] = []
    home: dict[int, int] = {}
    lines: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for node in graph.nodes:
        host = home[node.bottoms[0].maker.index] if _shares_box(node) else len(boxes)
        if host == len(boxes):
            boxes.append(Box())
        boxes[host].cards.append(tables.make_card(node))
        home[node.index] = host
        for blob in node.bottoms:
            source = home[blob.maker.index]
            if source != host:
                lines.setdefault((source, host), []).append((blob.name, tables.shape(blob.name)))
    totals = {"layers": len(graph.nodes)}
    if shapes:
        totals |= {"params": shapes.total_params, "macs": shapes.total_macs, "bytes": shapes.activation_bytes}
    return Topology(net.name, boxes, [Line(*ends, blobs) for ends, blobs in lines.items()], totals, unknown)


def _shares_box(node: Node) -> bool:
    if len(node.bottoms) != 1 or len(node.tops) != 1:
        return False
    return node.bottoms[0].name == node.tops[0].name and node.bottoms[0].readers == [node]


def _infer_if_possible(
    net: NetParameter,
    phase: str | None,
    stages: Iterable[str],
    size: tuple[int, int] | None,
    data_shapes: DataShapes | None,
) -> tuple[Graph, Shapes | None, list[str]]:
    """The graph, its shapes, and why there are none, if so."""
    try:
        size = size or assume_size(net, phase, stages, data_shapes)
        shapes = infer(net, phase, stages, size, data_shapes=data_shapes)
    except CaffeFcnError as error:
        return Graph(select_phase(net, phase, stages)), None, [f"shapes: {error}"]
    return shapes.graph, shapes, []


class _NetTables:
    """All tables of a net, of which a card takes its layer's rows."""

    def __init__(
        self, net: NetParameter, phase: str | None, graph: Graph, shapes: Shapes | None, unknown: list[str]
    ) -> None:
        self.shapes = shapes
        self.rows: dict[str, offsets.Row] = {}
        self.fields: dict[str, dict[str, Any]] = {}
        try:
            self.rows = {row.layer: row for row in offsets.table(net, phase)}
            self.fields = {
                name: {key: exact(getattr(axis, key) for axis in axes) for key in axes[0]._fields}
                for name, axes in receptive_fields(graph).items()
            }
        except CaffeFcnError as error:
            unknown.append(f"offsets: {error}")

    def shape(self, blob: str) -> str:
        return dims(self.shapes.blobs[blob]) if self.shapes else ""

    def make_card(self, node: Node) -> Card:
        kind = layer_type(node.type)
        row = self.rows.get(node.name)
        shapes = self.shapes
        return Card(
            name=node.name,
            type=node.type,
            role="loss" if is_loss(node.type) else kind.role,
            facts=kind.summary(node.layer),
            bottoms=[(blob.name, self.shape(blob.name)) for blob in node.bottoms],
            tops=[(blob.name, self.shape(blob.name)) for blob in node.tops],
            params=[dims(shape) for shape in shapes.params[node.name]] if shapes else [],
            count=shapes.count(node.name) if shapes else None,
            macs=shapes.macs[node.name] if shapes else None,
            geometry={key: value for key, value in row.as_json().items() if key not in ("layer", "type")}
            if row
            else {},
            field=next((self.fields[blob.name] for blob in node.tops if blob.name in self.fields), {}),
            text=to_text(node.layer),
        )
