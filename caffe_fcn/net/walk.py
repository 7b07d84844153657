"""The walk between two blobs: from both backwards, until the two walks have met.

    alignment = align(graph, graph.blob("upscore"), graph.blob("data"))
    alignment.map                      # from the coordinates of upscore to those of data

Walking backwards from both blobs and composing the coordinate maps on the way, the two walks meet at a common
ancestor, and the map from one blob to the other follows. Where several paths lead to an ancestor, all must give
the same map; otherwise the net is misaligned, and the error names both.

The meaning is that of caffe.coord_map (python/caffe/coord_map.py); the figures are exact, and the walk goes once
over the layers between the two blobs, however many paths join them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from caffe_fcn.errors import OffsetError
from caffe_fcn.net.geometry import POINTWISE, AxisMismatchError, CoordMap, exact
from caffe_fcn.net.graph import Blob, Graph, Node
from caffe_fcn.net.shapes import row_of

Replacements: TypeAlias = Mapping[str, CoordMap]
"""By the name of a layer, the map that is used instead of the layer's own."""


class Trace(NamedTuple):
    """The map from a blob to the end of a walk, and the layers on the way as a linked list."""

    map: CoordMap
    node: Node | None = None
    rest: Trace | None = None

    def links(self) -> Iterator[Trace]:
        """This trace, and what is left of it after each layer."""
        trace: Trace | None = self
        while trace is not None:
            yield trace
            trace = trace.rest

    def nodes(self) -> Iterator[Node]:
        """The layers from the blob to the end of the walk."""
        return (trace.node for trace in self.links() if trace.node is not None)


class Route(NamedTuple):
    """How a blob leads to the source of an alignment, to its target, or to both."""

    source: Trace | None
    target: Trace | None

    @property
    def relation(self) -> CoordMap | None:
        """The map from source to target where the blob leads to both."""
        return self.source.map.inverse().then(self.target.map) if self.source and self.target else None

    def check_axes(self) -> None:
        """Raise `AxisMismatchError` where the blob has no `relation` because its two traces have different axes."""
        _ = self.relation


@dataclass(frozen=True)
class Alignment:
    """The ``map`` from source coordinates to target coordinates, the walk that found it and where it met.

    ``disagreements`` says where a path gives another map than the first that was found.
    """

    source: Blob
    target: Blob
    map: CoordMap
    meeting: Route
    routes: dict[Blob, Route]
    replacements: Replacements
    disagreements: tuple[OffsetError, ...] = ()


def align(
    graph: Graph, source: Blob, target: Blob, replacements: Replacements | None = None, *, strict: bool = True
) -> Alignment:
    """The alignment of two blobs.

    Blobs are taken from the last made to the first, so that each is complete when its turn comes. Once a single
    blob is left and it leads to both ends, everything before it is common to both and cannot matter.
    ``replacements`` has maps that stand in for those of layers. Raises `OffsetError` where the blobs are not
    connected, or, if it is ``strict``, where two paths disagree.
    """
    where = f"'{source.name}' against '{target.name}'"
    start = Trace(POINTWISE)
    routes = {source: Route(start, None)}
    routes[target] = Route(start, start) if source is target else Route(None, start)
    queue = [(-blob.maker.index, number, blob) for number, blob in enumerate(routes)]
    heapq.heapify(queue)
    stops: list[Node] = []
    met: list[Route] = []
    disagreements: list[OffsetError] = []
    counter = len(queue)
    while queue:
        blob = heapq.heappop(queue)[2]
        route, node = routes[blob], blob.maker
        step = map_of(node, replacements or {})
        if route.relation and (not queue or not node.bottoms or step is None):
            met.append(route)
            continue
        if step is None or not node.bottoms:
            stops.append(node)
            continue
        for bottom in node.bottoms[: row_of(node).follows]:
            longer = _extend(route, node, step, where)
            if bottom in routes:
                try:
                    routes[bottom] = _join(routes[bottom], longer, bottom, where)
                except OffsetError as error:
                    if strict:
                        raise
                    disagreements.append(error)
            else:
                routes[bottom] = longer
                heapq.heappush(queue, (-bottom.maker.index, counter, bottom))
                counter += 1
    if not met:
        raise _explain_missing_path(where, stops)
    for other in met[1:]:
        if not _agree(met[0], other):
            disagreements.append(_explain_disagreement(where, "two inputs", met[0], other))
            if strict:
                raise disagreements[-1]
    relation = met[0].relation or POINTWISE
    return Alignment(source, target, relation, met[0], routes, replacements or {}, tuple(disagreements))


def map_of(node: Node, replacements: Replacements) -> CoordMap | None:
    """The coordinate map of a layer, or what replaces it; None where coordinates end."""
    return replacements[node.name] if node.name in replacements else row_of(node).coords(node.layer)


def _extend(route: Route, node: Node, step: CoordMap, where: str) -> Route:
    """The route of a layer's bottom, from that of its top."""
    try:
        longer = Route(*(trace and Trace(step.then(trace.map), node, trace) for trace in route))
        longer.check_axes()
    except AxisMismatchError as error:
        raise OffsetError(where, f"{node} does not share its axes: {error}", "align axes of one kind") from error
    return longer


def _join(known: Route, new: Route, blob: Blob, where: str) -> Route:
    """Two routes from one blob as one; raises `OffsetError` where they disagree."""
    if not (known.relation and new.relation and _agree(known, new)):
        for mine, other in zip(known, new, strict=True):
            if mine and other and not mine.map.same_as(other.map):
                raise _explain_disagreement(where, f"'{blob.name}'", known, new)
    try:
        joined = Route(known.source or new.source, known.target or new.target)
        joined.check_axes()
    except AxisMismatchError as error:
        raise OffsetError(where, f"they do not share their axes: {error}", "align axes of one kind") from error
    return joined


def _agree(a: Route, b: Route) -> bool:
    """Whether two routes relate source and target in the same way."""
    return a.relation is not None and b.relation is not None and a.relation.same_as(b.relation)


# What went wrong


def _explain_missing_path(where: str, stops: list[Node]) -> OffsetError:
    ends = [node for node in stops if node.bottoms]
    if ends:
        return OffsetError(
            where,
            f"no path joins them: beyond {ends[0]} nothing can be aligned",
            "make it a convolution: caffe-fcn net convolutionize",
        )
    return OffsetError(where, "no path joins them", "crop to a blob of the same image")


def _explain_disagreement(where: str, meeting: str, a: Route, b: Route) -> OffsetError:
    first, second = next(
        ((x, y) for x, y in zip(a, b, strict=True) if x and y and not x.map.same_as(y.map)), (a.source, b.source)
    )
    ours, theirs = _find_diverging_paths(first, second)
    return OffsetError(
        where,
        f"two paths from {meeting} disagree: {ours} and {theirs}",
        "give both paths the same strides and paddings",
    )


def _find_diverging_paths(a: Trace | None, b: Trace | None) -> tuple[str, str]:
    """Both paths as text, each up to where they come together."""
    common = {id(trace) for trace in b.links()} if b else set()
    join = next((id(trace) for trace in a.links() if id(trace) in common), None) if a else None
    return _describe_path(a, join), _describe_path(b, join)


def _describe_path(trace: Trace | None, join: int | None, most: int = 12) -> str:
    """``conv1 > pool1 (scale 1/8, shift 3)``: the layers of a path as far as ``join``, and the map of all of it."""
    names = []
    for link in trace.links() if trace else ():
        if id(link) == join or link.node is None:
            break
        names.append(link.node.name)
    if len(names) > most:
        names[most // 2 : -most // 2] = ["..."]
    maps = trace.map.maps if trace else POINTWISE.maps
    scale, shift = exact(each.scale for each in maps), exact(each.shift for each in maps)
    return f"{' > '.join(names) or 'directly'} (scale {scale}, shift {shift})"
