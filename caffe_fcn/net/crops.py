"""Every Crop of a net: the offsets that it declares, and those that follow from the net.

A Crop cuts its first bottom to the size of its second. The two lie on each other where the map from one to the
other (`walk.align`) has scale 1; the offset is then the negative of the map's shift.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from caffe_fcn.errors import OffsetError
from caffe_fcn.net.geometry import INT_MAX, CoordMap, exact
from caffe_fcn.net.graph import Blob, Graph, Node, select_phase
from caffe_fcn.net.layer_types import Kind, Origin, layer_type, origin_of
from caffe_fcn.net.layer_types.shaping import crop_map
from caffe_fcn.net.layer_types.site import image_axis
from caffe_fcn.net.shapes import row_of
from caffe_fcn.net.walk import Alignment, Replacements, align
from caffe_fcn.proto import LayerParameter, NetParameter

_IMAGE_AXES = 2  # H and W


class FractionError(OffsetError):
    """An offset that is not whole."""


@dataclass(frozen=True)
class Crop:
    """A Crop layer: the offsets that it declares and those that follow from the net, one per axis.

    Nothing follows (``derived`` is false) for a Crop to the size of a blob that shows no image: what it declares holds.
    ``layer`` is the name of its node (see `graph.Node`), ``top`` the blob that it makes.
    """

    layer: str
    axis: int
    declared: tuple[int, ...]
    computed: tuple[int, ...]
    derived: bool = True
    top: str = ""

    def belongs_to(self, layer: LayerParameter) -> bool:
        """Whether this is what follows for ``layer``, of the net or of a copy; several may have one name."""
        return is_crop(layer) and self.layer.startswith(layer.name) and self.top in layer.top

    @property
    def ok(self) -> bool:
        """Whether the layer declares what follows from the net."""
        length = max(len(self.declared), len(self.computed))
        return _repeat(self.declared, length) == _repeat(self.computed, length)

    def as_json(self) -> dict[str, Any]:
        """The Crop as JSON, each figure an exact string."""
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
    return [crop for crop, _ in align_crops(Graph(select_phase(net, phase)))]


def has_crops(net: NetParameter) -> bool:
    """Whether any layer of the net is a Crop."""
    return any(is_crop(layer) for layer in net.layer)


def is_crop(layer: LayerParameter) -> bool:
    """Whether the layer is a Crop."""
    return layer_type(layer.type).kind is Kind.CROP


def align_crops(graph: Graph) -> Iterator[tuple[Crop, Alignment | None]]:
    """Every Crop, as `crops`, with the alignment that its offsets follow from, if they do."""
    right: dict[str, CoordMap] = {}
    for node in graph.nodes:
        if is_crop(node.layer):
            row_of(node)
            crop, alignment = _align_crop(graph, node, right)
            yield crop, alignment
            right[node.name] = crop_map(image_axis(crop.axis), crop.computed)


def _align_crop(graph: Graph, node: Node, before: Replacements) -> tuple[Crop, Alignment | None]:
    axis, declared = int(node.layer.crop_param.axis), tuple(node.layer.crop_param.offset) or (0,)
    top = node.tops[0].name
    if _is_only_a_size(node.bottoms[1]):
        return Crop(node.name, axis, declared, declared, derived=False, top=top), None
    alignment = align(graph, node.bottoms[0], node.bottoms[1], before)
    offsets = whole_offsets(alignment, str(node))
    first = alignment.map.axis
    if first is None or first == image_axis(axis):
        return Crop(node.name, axis, declared, tuple(offsets), top=top), alignment
    return Crop(node.name, axis, declared, _from_axis(node, declared, offsets, first), top=top), alignment


def _is_only_a_size(blob: Blob) -> bool:
    """Whether a blob shows no image, for fillers or a parameter make it: a Crop to it begins where the net says."""
    return not blob.maker.bottoms and origin_of(blob.maker.layer) in (None, Origin.FILLERS)


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


def _repeat(values: tuple[int, ...], length: int) -> tuple[int, ...]:
    """One value per axis: a single one stands for all."""
    return values * length if len(values) == 1 else values


# From an alignment to offsets


def whole_offsets(alignment: Alignment, where: str) -> list[int]:
    """The offsets of a Crop from the source of an alignment to its target, one for all axes or one per axis.

    Raises `OffsetError` where the scale is not 1, or an offset is negative or not whole (`FractionError`).
    """
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
            raise FractionError(where, f"the offset is {offset}, not whole", _suggest_change(alignment, offset))
        if offset < 0:
            raise OffsetError(where, f"the offset is {offset}, negative", _suggest_change(alignment, offset))
        if offset > INT_MAX:
            raise OffsetError(where, f"the offset is {offset}", f"Caffe's integers end at {INT_MAX}: use less padding")
    return [int(offset) for offset in offsets]


def _suggest_change(alignment: Alignment, offset: Fraction) -> str:
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
                    change = _smallest_change(offset, effect, low=-value if what == "pad" else 1 - value)
                    if change:
                        size = (abs(change) + rank * 2, rank)
                        choices.append((size, f"set {what} of '{trace.node.name}' to {value + change}"))
            trace = trace.rest
    return min(choices)[1] if choices else "change a padding or a kernel on the way"


def _smallest_change(offset: Fraction, effect: Fraction, low: int, most: int = 256) -> int:
    """The smallest whole change that makes ``offset + change * effect`` whole and >= 0; 0 where none does."""
    first = max(1, math.ceil(-offset / effect)) if offset < 0 and effect > 0 else 1
    for size in range(first, most):
        for change in (size, -size):
            result = offset + change * effect
            if change >= low and result >= 0 and result.denominator == 1:
                return change
    return 0
