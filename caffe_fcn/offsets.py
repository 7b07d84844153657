"""Crop offsets and the scale/offset table: how the blobs of a net lie on one another.

    crop_offset(net, "upscore", "data")        # 18 for FCN-AlexNet: where a Crop of upscore to data begins
    crops(net)                                 # every Crop: what it declares and what follows from the net
    table(net)                                 # stride, pad, kernel, scale and offset of each layer with a window

In a NetSpec `crop` and `coord_map_from_to` mean what they mean in pycaffe (python/caffe/coord_map.py).

The map between two blobs is found by walking backwards from both (`caffe_fcn.net.walk`); what follows from it
for a Crop is in `caffe_fcn.net.crops`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from caffe_fcn.errors import OffsetError
from caffe_fcn.net.crops import Crop, FractionError, align_crops, crops, whole_offsets
from caffe_fcn.net.geometry import POINTWISE, CoordMap, broadcast, exact
from caffe_fcn.net.graph import PHASES, Blob, Graph, Node, select_phase
from caffe_fcn.net.shapes import row_of
from caffe_fcn.net.walk import Alignment, align, map_of
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import copy_message

__all__ = [
    "Crop",
    "FractionError",
    "Row",
    "Table",
    "align",
    "between",
    "coord_map_between",
    "coord_map_from_to",
    "correct_crops",
    "crop",
    "crop_offset",
    "crops",
    "fixed",
    "table",
]

_Value = TypeVar("_Value")


# Between two blobs


def crop_offset(net: NetParameter, source: str, target: str, phase: str | None = None) -> int | list[int]:
    """The offset at which a Crop of blob ``source`` to blob ``target`` begins, per axis where axes differ.

    Raises `OffsetError` where the blobs are not connected, their scale is not 1, or the offset is
    negative or not whole; `NetError` for a blob that is not there.
    """
    graph = Graph(select_phase(net, phase))
    alignment = align(graph, graph.blob(source), graph.blob(target))
    return _collapse(whole_offsets(alignment, f"crop of '{source}' to '{target}'"))


def coord_map_between(net: NetParameter, source: str, target: str, phase: str | None = None) -> CoordMap:
    """The map from the coordinates of blob ``source`` to those of blob ``target``; raises `OffsetError`."""
    graph = Graph(select_phase(net, phase))
    return align(graph, graph.blob(source), graph.blob(target)).map


def coord_map_from_to(top_from: Any, top_to: Any) -> tuple[int | None, Any, Any]:
    """(axis, scale, shift) from the coordinates of one NetSpec Top to those of another, as pycaffe gives it.

    ``axis`` is the last one that is not a coordinate (1 of N x C x H x W). Scale and shift are arrays of exact
    fractions, with one entry where all spatial axes agree and one per axis where they differ; where no layer in
    between has spatial axes the map is (None, 1, 0). Raises `OffsetError`.
    """
    found = _align_tops(top_from, top_to).map
    if found.axis is None:
        return None, 1, 0
    import numpy as np

    maps = found.maps if len(set(found.maps)) > 1 else found.maps[:1]
    return found.axis - 1, np.array([each.scale for each in maps]), np.array([each.shift for each in maps])


def crop(top_from: Any, top_to: Any) -> Any:
    """A Crop layer (a NetSpec Top) that lays ``top_from`` on ``top_to``; its offset is derived as in `crop_offset`."""
    alignment = _align_tops(top_from, top_to)
    where = f"crop of '{alignment.source.name}' to '{alignment.target.name}'"
    offset = _collapse(whole_offsets(alignment, where))
    axis = 2 if alignment.map.axis is None else alignment.map.axis
    return top_from.layer("Crop", (top_from, top_to), {"crop_param": {"axis": axis, "offset": offset}})


def _align_tops(top_from: Any, top_to: Any) -> Alignment:
    net, source, target = top_from.net_with(top_to)
    graph = Graph(net)
    return align(graph, graph.blob(source), graph.blob(target))


# Every Crop of a net


def correct_crops(net: NetParameter) -> NetParameter:
    """A copy of the net, all its phases together, in which every Crop has the offset that follows from the net."""
    result = copy_message(net)
    right = {(crop.layer, crop.top): crop for phase in PHASES for crop in crops(net, phase)}
    for layer in result.layer:
        crop = next((crop for crop in right.values() if crop.belongs_to(layer)), None)
        if crop is not None and not crop.ok:
            offsets = _collapse(list(crop.computed))
            layer.crop_param.offset[:] = offsets if isinstance(offsets, list) else [offsets]
    return result


# The table


@dataclass(frozen=True)
class Row:
    """A layer with a window: its figures per axis, and those of the path that leads to it.

    ``cumulative_scale`` is the scale from the target's coordinates to those of the layer's output,
    ``cumulative_offset`` the shift from the layer's input to the source, in pixels of the source.
    """

    layer: str
    type: str
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    kernel: tuple[int, ...]
    scale: tuple[Fraction, ...]
    cumulative_scale: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    cumulative_offset: tuple[Fraction, ...]

    def as_json(self) -> dict[str, Any]:
        """The row as JSON: each figure an exact string, or a list of them where the axes differ."""
        return {
            name: value if isinstance(value, str) else exact(value)
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }


class Table(list[Row]):
    """The rows of a scale/offset table; a notebook shows it as a table.

    ``disagreements`` says where several paths lead to the image by different maps: the rows are those of the first.
    """

    disagreements: tuple[OffsetError, ...] = ()


def table(net: NetParameter, phase: str | None = None, source: str | None = None, target: str | None = None) -> Table:
    """The scale/offset table, in execution order.

    With ``source`` and ``target``, the table has the layers between those two blobs. Without them, it has the layers
    that lead from an image to its Crops; in a net without Crops, those that lead to the last blob that is an image,
    also where their paths disagree.
    """
    graph = Graph(select_phase(net, phase))
    if source and target:
        alignments = [align(graph, graph.blob(source), graph.blob(target))]
    else:
        alignments = [each for _, each in align_crops(graph) if each] or _to_last_image(graph)
    rows: dict[int, Row] = {}
    for alignment in reversed(alignments):
        for node, row in _rows(alignment):
            rows.setdefault(node.index, row)
    result = Table(rows[index] for index in sorted(rows))
    result.disagreements = tuple(each for alignment in alignments for each in alignment.disagreements)
    return result


def _rows(alignment: Alignment) -> Iterator[tuple[Node, Row]]:
    forward = alignment.map.inverse()
    for blob, route in alignment.routes.items():
        node, trace = blob.maker, route.source or route.target
        window = row_of(node).field
        if window is None or trace is None or blob is not node.tops[0] or route.relation:
            continue
        step = map_of(node, alignment.replacements)
        if step is None:
            continue
        end = forward if route.source else POINTWISE
        maps, own = broadcast(step.then(trace.map).maps, step.maps)
        behind, whole = broadcast(trace.map.maps, end.maps)
        windows = window(node.layer)
        yield (
            node,
            Row(
                node.name,
                node.type,
                tuple(each.stride for each in windows),
                tuple(each.pad for each in windows),
                tuple(each.extent for each in windows),
                tuple(each.scale for each in own),
                tuple(total.scale / rest.scale for total, rest in zip(whole, behind, strict=True)),
                tuple(each.shift for each in own),
                tuple(each.shift for each in maps),
            ),
        )


def _to_last_image(graph: Graph) -> list[Alignment]:
    """From the last blob whose coordinates still lead back to a source, to that source."""
    origin: dict[Blob, Blob] = {}
    last = None
    for node in graph.nodes:
        row = row_of(node)
        followed = [origin[blob] for blob in node.bottoms[: row.follows] if blob in origin]
        for top in node.tops:
            if not node.bottoms:
                origin[top] = top
            elif followed and row.coords(node.layer) is not None:
                origin[top] = followed[0]
                last = top
    return [align(graph, last, origin[last], strict=False)] if last else []


def _collapse(values: list[_Value]) -> _Value | list[_Value]:
    """The value that all axes have, or the list where they differ."""
    return values[0] if all(value == values[0] for value in values) else values


# Earlier names of this module's functions
fixed = correct_crops
between = coord_map_between
