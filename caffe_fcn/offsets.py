"""Offsets: where a Crop must begin so that its output lies on the blob that it is cropped to.

Walking backwards from two blobs and composing the coordinate maps on the way, the two walks meet at a
common ancestor, and the map from one blob to the other follows. For a Crop its scale must be 1, and its
shift is the negative of the offset.

    crop_offset(net, "upscore", "data")        # 18 for FCN-AlexNet

Where several paths lead to an ancestor all must give the same map; otherwise the net is misaligned and
the error names both. The meaning is that of caffe.coord_map (python/caffe/coord_map.py); the figures are
exact, and the walk goes once over the layers between the two blobs, however many paths join them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from caffe_fcn.errors import OffsetError
from caffe_fcn.net.geometry import INT_MAX, POINTWISE, AxisMismatchError, CoordMap, broadcast, exact
from caffe_fcn.net.graph import PHASES, Blob, Graph, Node, split
from caffe_fcn.net.layer_types.shaping import crop_map
from caffe_fcn.net.layer_types.site import image_axis
from caffe_fcn.net.shapes import row_of
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import copy_message

_IMAGE_AXES = 2  # H and W

Declared = Mapping[str, CoordMap]  # layer name -> the map that stands in for the layer's own


class FractionError(OffsetError):
    """An offset that is not whole."""


# Between two blobs


def crop_offset(net: NetParameter, source: str, target: str, phase: str | None = None) -> int | list[int]:
    """The offset at which a Crop of blob ``source`` to blob ``target`` begins, per axis where axes differ.

    Raises `OffsetError` where the blobs are not connected, their scale is not 1, or the offset is
    negative or not whole; `NetError` for a blob that is not there.
    """
    graph = Graph(split(net, phase))
    where = f"crop of '{source}' to '{target}'"
    alignment = align(graph, graph.blob(source), graph.blob(target))
    offset: int | list[int] = _simple(_offsets(alignment, where))
    return offset


def coord_map_from_to(top_from: Any, top_to: Any) -> tuple[int | None, Any, Any]:
    """(axis, scale, shift) from the coordinates of one NetSpec Top to those of another, as pycaffe gives it.

    ``axis`` is the last one that is no coordinate (1 of N x C x H x W). Scale and shift are arrays of exact
    fractions, with one entry where all spatial axes agree and one per axis where they differ; where no layer in
    between has spatial axes the map is (None, 1, 0). Raises `OffsetError`.
    """
    found = _between(top_from, top_to).map
    if found.axis is None:
        return None, 1, 0
    import numpy as np

    maps = found.maps if len(set(found.maps)) > 1 else found.maps[:1]
    return found.axis - 1, np.array([each.scale for each in maps]), np.array([each.shift for each in maps])


def crop(top_from: Any, top_to: Any) -> Any:
    """A Crop layer (a NetSpec Top) that lays ``top_from`` on ``top_to``, its offset derived; as `crop_offset`."""
    alignment = _between(top_from, top_to)
    offset = _simple(_offsets(alignment, f"crop of '{alignment.source.name}' to '{alignment.target.name}'"))
    axis = 2 if alignment.map.axis is None else alignment.map.axis
    return top_from.layer("Crop", (top_from, top_to), {"crop_param": {"axis": axis, "offset": offset}})


def _between(top_from: Any, top_to: Any) -> Alignment:
    net, source, target = top_from.net_with(top_to)
    graph = Graph(net)
    return align(graph, graph.blob(source), graph.blob(target))


# Every Crop of a net


@dataclass(frozen=True)
class Crop:
    """A Crop layer: the offsets that it declares and those that follow from the net, one per axis.

    Nothing follows (``derived`` is false) for a Crop to the size of a blob that shows no image: what it declares holds.
    """

    layer: str
    axis: int
    declared: tuple[int, ...]
    computed: tuple[int, ...]
    derived: bool = True

    @property
    def ok(self) -> bool:
        """Whether the layer declares what follows from the net."""
        length = max(len(self.declared), len(self.computed))
        return _stretched(self.declared, length) == _stretched(self.computed, length)

    def as_json(self) -> dict[str, Any]:
        """The row of ``offsets --json``."""
        return {
            "layer": self.layer,
            "axis": self.axis,
            "declared": exact(self.declared),
            "computed": exact(self.computed),
            "ok": self.ok,
            **({} if self.derived else {"derived": False}),
        }


def crops(net: NetParameter, phase: str | None = None) -> list[Crop]:
    """Every Crop in execution order, computed as if the Crops before it were already right.

    Raises `OffsetError` for a Crop that cannot be aligned.
    """
    return [crop for crop, _ in _aligned_crops(Graph(split(net, phase)))]


def fixed(net: NetParameter) -> NetParameter:
    """A copy of the net, all its phases together, with every Crop offset put right."""
    result = copy_message(net)
    right: dict[str, Crop] = {}
    for phase in PHASES:
        right |= {crop.layer: crop for crop in crops(net, phase)}
    for layer in result.layer:
        if layer.type == "Crop" and layer.name in right and not right[layer.name].ok:
            offsets = _simple(list(right[layer.name].computed))
            layer.crop_param.offset[:] = offsets if isinstance(offsets, list) else [offsets]
    return result


def _aligned_crops(graph: Graph) -> Iterator[tuple[Crop, Alignment | None]]:
    declared: dict[str, CoordMap] = {}
    for node in graph.nodes:
        if node.type == "Crop":
            row_of(node)
            crop, alignment = _aligned_crop(graph, node, declared)
            yield crop, alignment
            declared[node.name] = crop_map(image_axis(crop.axis), crop.computed)


def _aligned_crop(graph: Graph, node: Node, before: Declared) -> tuple[Crop, Alignment | None]:
    axis, declared = int(node.layer.crop_param.axis), tuple(node.layer.crop_param.offset) or (0,)
    if _is_only_a_size(node.bottoms[1]):
        return Crop(node.name, axis, declared, declared, derived=False), None
    alignment = align(graph, node.bottoms[0], node.bottoms[1], before)
    offsets = _offsets(alignment, str(node))
    first = alignment.map.axis
    if first is None or first == image_axis(axis):
        return Crop(node.name, axis, declared, tuple(offsets)), alignment
    return Crop(node.name, axis, declared, _from_axis(node, declared, offsets, first)), alignment


def _is_only_a_size(blob: Blob) -> bool:
    """Whether a blob shows no image: a Crop to it takes its size, and begins where the net says."""
    return blob.maker.type in ("DummyData", "Parameter")


def _from_axis(node: Node, declared: tuple[int, ...], offsets: list[int], first: int) -> tuple[int, ...]:
    """The offsets of coordinates, which begin at axis ``first``, as those of a Crop that begins at another axis.

    In front of them stay the offsets that the layer declares for images and channels.
    """
    axis = image_axis(node.layer.crop_param.axis)
    if axis < first:
        channels = declared[: first - axis] if len(declared) > 1 else declared * (first - axis)
        if set(channels) == set(offsets):
            return tuple(offsets[:1])
        given = len(declared) - len(channels) if len(declared) > 1 else _IMAGE_AXES
        return (*channels, *(offsets * max(given, 1) if len(offsets) == 1 else offsets))
    each = offsets * (axis - first + 1) if len(offsets) == 1 else offsets
    if any(each[: axis - first]):
        raise OffsetError(
            node,
            f"crops from axis {axis}, and from axis {first} on its bottoms lie {each[0]} apart",
            f"set axis: {first}",
        )
    return tuple(each[axis - first :])


# The table


@dataclass(frozen=True)
class Row:
    """A layer with a window: its figures per axis, and what has come together up to it.

    ``cumulative_scale`` is that from the target's coordinates to the layer's output;
    ``cumulative_offset`` the shift from the layer's input to the source, in the source's pixels.
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
        """The row of ``offsets --json``: exact strings, lists of them where the axes differ."""
        return {
            name: value if isinstance(value, str) else exact(value)
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }


def table(
    net: NetParameter, phase: str | None = None, source: str | None = None, target: str | None = None
) -> list[Row]:
    """The scale/offset table, in execution order.

    Between two blobs where they are named; else over what leads from an image to a Crop of it, all such
    Crops together; in a net without Crops up to the last blob that is still an image.
    """
    graph = Graph(split(net, phase))
    if source and target:
        alignments = [align(graph, graph.blob(source), graph.blob(target))]
    else:
        alignments = [each for _, each in _aligned_crops(graph) if each] or _to_last_image(graph)
    rows: dict[int, Row] = {}
    for alignment in reversed(alignments):
        for node, row in _rows(alignment):
            rows.setdefault(node.index, row)
    return [rows[index] for index in sorted(rows)]


def between(net: NetParameter, source: str, target: str, phase: str | None = None) -> CoordMap:
    """The map from the coordinates of blob ``source`` to those of blob ``target``; raises `OffsetError`."""
    graph = Graph(split(net, phase))
    return align(graph, graph.blob(source), graph.blob(target)).map


def _rows(alignment: Alignment) -> Iterator[tuple[Node, Row]]:
    forward = alignment.map.inverse()
    for blob, route in alignment.routes.items():
        node, trace = blob.maker, route.source or route.target
        window = row_of(node).field
        if window is None or trace is None or blob is not node.tops[0] or route.relation:
            continue
        step = _step(node, alignment.declared)
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
    return [align(graph, last, origin[last])] if last else []


# The walk


class Trace(NamedTuple):
    """The map from a blob to the end of a walk, and the layers on the way, as a linked list."""

    map: CoordMap
    node: Node | None = None
    rest: Trace | None = None

    def nodes(self) -> Iterator[Node]:
        """The layers from the blob to the end of the walk."""
        trace: Trace | None = self
        while trace is not None and trace.node is not None:
            yield trace.node
            trace = trace.rest


class Route(NamedTuple):
    """How a blob leads to the source of an alignment, to its target, or to both."""

    source: Trace | None
    target: Trace | None

    @property
    def relation(self) -> CoordMap | None:
        """The map from source to target where the blob leads to both."""
        return self.source.map.inverse().then(self.target.map) if self.source and self.target else None

    def check_axes(self) -> None:
        """Raise `AxisMismatchError` where the blob has no `relation`, because the two ways have different axes."""
        _ = self.relation


@dataclass(frozen=True)
class Alignment:
    """The ``map`` from source coordinates to target coordinates, the walk that found it and where it met."""

    source: Blob
    target: Blob
    map: CoordMap
    meeting: Route
    routes: dict[Blob, Route]
    declared: Declared


def align(graph: Graph, source: Blob, target: Blob, declared: Declared | None = None) -> Alignment:
    """Walk backwards from both blobs until the walks have met.

    Blobs are taken from the last made to the first, so that each is complete when its turn comes. Once a
    single blob is left and it leads to both ends, all that lies before it is common and cannot matter.
    ``declared`` holds maps that stand in for those of layers. Raises `OffsetError`.
    """
    where = f"'{source.name}' against '{target.name}'"
    start = Trace(POINTWISE)
    routes = {source: Route(start, None)}
    routes[target] = Route(start, start) if source is target else Route(None, start)
    queue = [(-blob.maker.index, number, blob) for number, blob in enumerate(routes)]
    heapq.heapify(queue)
    stops: list[Node] = []
    met: list[Route] = []
    counter = len(queue)
    while queue:
        blob = heapq.heappop(queue)[2]
        route, node = routes[blob], blob.maker
        step = _step(node, declared or {})
        if route.relation and (not queue or not node.bottoms or step is None):
            met.append(route)
            continue
        if step is None or not node.bottoms:
            stops.append(node)
            continue
        for bottom in node.bottoms[: row_of(node).follows]:
            longer = _extended(route, node, step, where)
            if bottom in routes:
                routes[bottom] = _joined(routes[bottom], longer, bottom, where)
            else:
                routes[bottom] = longer
                heapq.heappush(queue, (-bottom.maker.index, counter, bottom))
                counter += 1
    if not met:
        raise _unconnected(where, stops)
    for other in met[1:]:
        if not _same_relation(met[0], other):
            raise _disagreement(where, "two inputs", met[0], other)
    relation = met[0].relation or POINTWISE
    return Alignment(source, target, relation, met[0], routes, declared or {})


def _step(node: Node, declared: Declared) -> CoordMap | None:
    return declared[node.name] if node.name in declared else row_of(node).coords(node.layer)


def _extended(route: Route, node: Node, step: CoordMap, where: str) -> Route:
    try:
        longer = Route(*(trace and Trace(step.then(trace.map), node, trace) for trace in route))
        longer.check_axes()
    except AxisMismatchError as error:
        raise OffsetError(where, f"{node} does not share its axes: {error}", "align axes of one kind") from error
    return longer


def _joined(known: Route, new: Route, blob: Blob, where: str) -> Route:
    """Both ways from one blob as one; where they disagree the net is misaligned."""
    if not (known.relation and new.relation and _same_relation(known, new)):
        for mine, other in zip(known, new, strict=True):
            if mine and other and not mine.map.same_as(other.map):
                raise _disagreement(where, f"'{blob.name}'", known, new)
    try:
        joined = Route(known.source or new.source, known.target or new.target)
        joined.check_axes()
    except AxisMismatchError as error:
        raise OffsetError(where, f"they do not share their axes: {error}", "align axes of one kind") from error
    return joined


def _same_relation(a: Route, b: Route) -> bool:
    return a.relation is not None and b.relation is not None and a.relation.same_as(b.relation)


# What to say


def _offsets(alignment: Alignment, where: str) -> list[int]:
    maps = alignment.map.maps
    if any(each.scale != 1 for each in maps):
        scale = exact(each.scale for each in maps)
        end = next(iter(alignment.meeting.source.nodes()), None) if alignment.meeting.source else None
        raise OffsetError(
            where,
            f"'{alignment.source.name}' has {scale} pixels of '{alignment.target.name}' to one of its own",
            f"strides between {f'{end} and the crop' if end else 'them'} must multiply to 1",
        )
    offsets = [-each.shift for each in maps]
    for offset in offsets:
        if offset.denominator != 1:
            raise FractionError(where, f"the offset is {offset}, not whole", _advice(alignment, offset))
        if offset < 0:
            raise OffsetError(where, f"the offset is {offset}, negative", _advice(alignment, offset))
        if offset > INT_MAX:
            raise OffsetError(where, f"the offset is {offset}", f"Caffe's integers end at {INT_MAX}: use less padding")
    return [int(offset) for offset in offsets]


def _advice(alignment: Alignment, offset: Fraction) -> str:
    """The smallest change of one padding or kernel that makes the offset whole and non-negative."""
    choices = []
    for trace, sign in ((alignment.meeting.source, 1), (alignment.meeting.target, -1)):
        while trace is not None and trace.node is not None and trace.rest is not None:
            row = row_of(trace.node)
            if row.field and (windows := row.field(trace.node.layer)):
                after = trace.rest.map.maps[0].scale
                down = not row.upsamples
                pad = sign * after * (Fraction(1, windows[0].stride) if down else -1)
                kernel = -pad * windows[0].dilation / 2
                for rank, (what, value, effect) in enumerate(
                    (("pad", windows[0].pad, pad), ("kernel_size", windows[0].kernel, kernel))
                ):
                    change = _change(offset, effect, low=-value if what == "pad" else 1 - value)
                    if change:
                        size = (abs(change) + rank * 2, rank)
                        choices.append((size, f"set {what} of '{trace.node.name}' to {value + change}"))
            trace = trace.rest
    return min(choices)[1] if choices else "change a padding or a kernel on the way"


def _change(offset: Fraction, effect: Fraction, low: int, most: int = 256) -> int:
    """The smallest whole change that makes ``offset + change * effect`` whole and >= 0; 0 where none does."""
    first = max(1, math.ceil(-offset / effect)) if offset < 0 and effect > 0 else 1
    for size in range(first, most):
        for change in (size, -size):
            result = offset + change * effect
            if change >= low and result >= 0 and result.denominator == 1:
                return change
    return 0


def _unconnected(where: str, stops: list[Node]) -> OffsetError:
    ends = [node for node in stops if node.bottoms]
    if ends:
        return OffsetError(
            where,
            f"no path joins them: beyond {ends[0]} nothing can be aligned",
            "make it a convolution: caffe-fcn net convolutionize",
        )
    return OffsetError(where, "no path joins them", "crop to a blob of the same image")


def _disagreement(where: str, meeting: str, a: Route, b: Route) -> OffsetError:
    first, second = next(
        ((x, y) for x, y in zip(a, b, strict=True) if x and y and not x.map.same_as(y.map)), (a.source, b.source)
    )
    ours, theirs = _apart(first, second)
    return OffsetError(
        where,
        f"two paths from {meeting} disagree: {ours} and {theirs}",
        "give both paths the same strides and paddings",
    )


def _apart(a: Trace | None, b: Trace | None) -> tuple[str, str]:
    """Both paths as text, up to where they come together."""
    common = {id(trace) for trace in _links(b)}
    join = next((id(trace) for trace in _links(a) if id(trace) in common), None)
    return _told(a, join), _told(b, join)


def _links(trace: Trace | None) -> Iterator[Trace]:
    while trace is not None:
        yield trace
        trace = trace.rest


def _told(trace: Trace | None, join: int | None, most: int = 12) -> str:
    names = []
    for link in _links(trace):
        if id(link) == join or link.node is None:
            break
        names.append(link.node.name)
    if len(names) > most:
        names[most // 2 : -most // 2] = ["..."]
    maps = trace.map.maps if trace else POINTWISE.maps
    scale, shift = exact(each.scale for each in maps), exact(each.shift for each in maps)
    return f"{' > '.join(names) or 'directly'} (scale {scale}, shift {shift})"


def _simple(values: list[Any]) -> Any:
    """One value where all axes agree, else the list."""
    return values[0] if all(value == values[0] for value in values) else values


def _stretched(values: tuple[int, ...], length: int) -> tuple[int, ...]:
    return values * length if len(values) == 1 else values
