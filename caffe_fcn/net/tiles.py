"""Tiles: an image cut into overlapping parts whose outputs, put together, are the output of the whole image.

    plan = plan_tiles(net, ["data"], "score", size=(3000, 4000), tile=(768, 768))
    for tile in plan.tiles:
        tile.reads, tile.gives, tile.at         # of the image, of its own output, of the whole output

An output value of a tile equals that of the whole image if nothing that it depends on differs. Two things can differ.

1. *Where strides begin.* A net whose blobs have the strides s_1, s_2, ... (of `receptive_fields`) gives the same
   values, moved, for an image that is moved by a common multiple of all of them: every layer then begins its windows at
   the same pixels. So tiles begin at multiples of that number (32 for FCN-8s). A tile that ends where the image ends is
   smaller than the image by such a multiple, too, so that all sizes and roundings at that end are those of the image.
2. *What lies beyond a cut.* There the image has pixels and the tile has zeros: the padding of the first layer, and of
   every later one. Where a tile ends at the edge of the image both have the same zeros, and nothing differs, whatever
   the padding is. At a cut, the values are followed forward, layer by layer: where of a bottom the values from a up to
   b - 1 are right, those of a top are right whose windows read nothing else:

       layer                    the first                           the last
       convolution, pooling     ceil((a + pad) / stride)            floor((b - extent + pad) / stride)
       deconvolution            (a - 1) * stride + extent - pad     b * stride - pad - 1
       Crop                     a - offset                          b - 1 - offset
       several bottoms          what is right in all of them

   Behind the last layer this is the receptive field, each side by itself, as the strides round it: for FCN-8s, whose
   receptive field is 460 (404 for fc7, and its upscores), 217 pixels before and 223 behind a cut. A tile of 768 so
   gives 328 pixels between its margins, one of 1280 gives 840: larger tiles compute less twice.

What is left of neighbouring tiles must meet, which is why tiles overlap. So the outputs are equal *everywhere*, up to
the rounding of the arithmetic, which may depend on the size of a blob. Layers that look at all of an image (MVN,
InnerProduct, global pooling, Interp) cannot be tiled, and are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Blob, Graph, Node, select_phase
from caffe_fcn.net.layer_types import Kind, LayerType, layer_type
from caffe_fcn.net.receptive_fields import receptive_fields
from caffe_fcn.net.shapes import infer_graph
from caffe_fcn.proto import NetParameter

Size: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]
"""The first place along an axis, and the one after the last."""
_Right: TypeAlias = tuple[float, float]
"""A `Span` of the values that are right; minus or plus infinity where the side is the edge of the image."""


@dataclass(frozen=True)
class Tile:
    """A part of an image; each field has a span for H and one for W.

    ``reads`` is the part. Of its output, ``gives`` is what is taken, and ``at`` where that lies in the whole output.
    """

    reads: tuple[Span, Span]
    gives: tuple[Span, Span]
    at: tuple[Span, Span]


@dataclass(frozen=True)
class TilePlan:
    """The tiles of an image, and the ``size`` (H, W) of the whole output.

    Tiles begin at multiples of ``stride``. ``margin`` is how many pixels of a tile, at a cut before and behind it, give
    no output, for each axis.
    """

    tiles: Sequence[Tile]
    size: Size
    stride: Size
    margin: tuple[Span, Span]


def plan_tiles(net: NetParameter, inputs: Sequence[str], output: str, size: Size, tile: Size) -> TilePlan:
    """Plan the tiles, of at most ``tile`` (H, W) pixels, of an image of ``size`` for the deploy net.

    ``inputs`` are the blobs that take images of that size. Raises `NetError` for a layer that cannot be tiled, and for
    tiles of which nothing is left between their borders.
    """
    graph = Graph(select_phase(net, "deploy"))
    axes = [_Axis(graph, inputs, output, axis, size) for axis in (0, 1)]
    columns = [each.cut(side) for each, side in zip(axes, tile, strict=True)]
    tiles = [
        Tile((row.reads, column.reads), (row.gives, column.gives), (row.at, column.at))
        for row in columns[0]
        for column in columns[1]
    ]
    (height, width), (rows, lines) = (each.whole for each in axes), (each.stride for each in axes)
    return TilePlan(tiles, (height, width), (rows, lines), (axes[0].margin, axes[1].margin))


@dataclass(frozen=True)
class _Strip:
    """A tile along one axis, as `Tile`."""

    reads: Span
    gives: Span
    at: Span


class _Axis:
    """One axis of an image: how it is cut. ``whole`` is the size of the output along it."""

    def __init__(self, graph: Graph, inputs: Sequence[str], output: str, axis: int, size: Size) -> None:
        self._graph, self._inputs, self._output, self._axis, self._size = graph, inputs, output, axis, size
        self._nodes = _find_path(graph, inputs, output)
        fields = receptive_fields(graph)
        names = [*inputs, *(top.name for node in self._nodes for top in node.tops)]
        strides = {name: (fields[name] * 2)[axis].stride for name in names if name in fields}
        self.stride = math.lcm(*(each.numerator for each in strides.values()))
        self._output_stride: Fraction = strides[output]
        self.whole = self._measure(size[axis])
        far = self._trace(1 << 20, True, True)
        first, after = far[0] * self._output_stride, (1 << 20) - far[1] * self._output_stride
        self.margin = (max(0, math.ceil(first)), max(0, math.ceil(after)))

    def cut(self, most: int) -> list[_Strip]:
        """Cut the axis into parts of at most ``most`` pixels."""
        side = self._size[self._axis]
        if most >= side:
            return [_Strip((0, side), (0, self.whole), (0, self.whole))]
        strips: list[_Strip] = []
        start, covered = 0, 0
        while covered < self.whole:
            is_first, is_last = start == 0, start + most >= side
            if is_last:
                start = -(-(side - most) // self.stride) * self.stride
            reads = (start, side if is_last else start + most)
            shift = int(start / self._output_stride)
            begin, end = self._trace(reads[1] - reads[0], not is_first, not is_last)
            stop = self.whole if is_last else int(end) + shift
            if stop <= covered or (not is_first and begin + shift > covered):
                raise self._explain_small(most)
            strips.append(_Strip(reads, (covered - shift, stop - shift), (covered, stop)))
            covered = stop
            following = self._begin_next(covered)
            if covered < self.whole and following <= start:
                raise self._explain_small(most)
            start = following
        return strips

    def _begin_next(self, covered: int) -> int:
        """The last place where a tile may begin that gives the output from ``covered`` on."""
        begin = self._trace(1 << 20, True, True)[0]
        return max(0, math.floor((covered - begin) * self._output_stride / self.stride)) * self.stride

    def _measure(self, side: int) -> int:
        """The size of the output for a side of the image."""
        size = [*self._size]
        size[self._axis] = side
        shapes = infer_graph(self._graph)
        inputs = {name: (*shapes.blobs[name][:2], *size) for name in self._inputs}
        return infer_graph(self._graph, inputs=inputs).blobs[self._output][2 + self._axis]

    def _trace(self, side: int, cut_before: bool, cut_after: bool) -> _Right:
        """The right values of the output for a tile of a size that is cut on these sides."""
        start = (0.0 if cut_before else -math.inf, float(side) if cut_after else math.inf)
        sources = [top for node in self._graph.nodes if not node.bottoms for top in node.tops]
        spans: dict[Blob, _Right] = {top: start for top in sources if top.name in self._inputs}
        for node in self._nodes:
            row = layer_type(node.type)
            read = [spans[blob] for blob in node.bottoms[: row.follows] if blob in spans]
            joined = max(span[0] for span in read), min(span[1] for span in read)
            made = _follow(node, row, joined, self._axis)
            spans.update((top, made) for top in node.tops)
        return spans[self._graph.blob(self._output)]

    def _explain_small(self, most: int) -> NetError:
        least = sum(self.margin) + 2 * self.stride
        what = (
            f"{most} pixels are too few: {self.margin[0]} before and {self.margin[1]} behind depend on what is beyond"
        )
        return NetError("`tile`", what, f"at least {-(-least // self.stride) * self.stride}")


def _find_path(graph: Graph, inputs: Sequence[str], output: str) -> list[Node]:
    """The layers between the inputs and the output; raises `NetError` for one that cannot be tiled."""
    wanted, path = {graph.blob(output)}, []
    for node in reversed(graph.nodes):
        if not wanted.isdisjoint(node.tops):
            wanted.update(node.bottoms)
            path.append(node)
    path = [node for node in reversed(path) if not any(top.name in inputs and not node.bottoms for top in node.tops)]
    for node in path:
        if not node.bottoms or not _is_local(node):
            what = "looks at more of an image than a window" if node.bottoms else "gives a blob of one size"
            raise NetError(node, f"{what}, so the net cannot be run in tiles", "run it on whole images")
    return path


def _is_local(node: Node) -> bool:
    """Whether a layer's values depend on windows of its bottoms, at whatever size these have."""
    row = layer_type(node.type)
    if row.kind is Kind.CROP:
        return bool(row.coords(node.layer))
    if row.field:
        return bool(row.field(node.layer))
    return bool(row.local(node.layer) and row.coords(node.layer))


def _follow(node: Node, row: LayerType, right: _Right, axis: int) -> _Right:
    """The right values of a layer's tops."""
    begin, end = right
    if row.kind is Kind.CROP:
        step = row.coords(node.layer)
        shift = int((step.from_axis(2) * 2)[axis].shift) if step else 0
        return begin + shift, end + shift
    windows = row.field(node.layer) if row.field else ()
    window = (windows * 2)[axis] if windows else Window(row.reach(node.layer), pad=row.reach(node.layer) // 2)
    if row.upsamples:
        return (begin - 1) * window.stride + window.extent - window.pad, end * window.stride - window.pad
    return (
        _round(math.ceil, (begin + window.pad) / window.stride),
        _round(math.floor, (end - window.extent + window.pad) / window.stride) + 1,
    )


def _round(function: Callable[[float], int], value: float) -> float:
    return value if math.isinf(value) else function(value)
