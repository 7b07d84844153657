"""Receptive fields: which pixels of the image a value of a blob depends on.

Three figures an axis: the ``size`` of that patch, the ``stride`` by which it moves from one value to the
next, and the ``centre`` of the first value's patch, all in pixels of the image. Stride and centre are the
inverse of the coordinate map from the image; the size grows with every window by its extent less one
strides, and where paths join, the larger counts.

The size is that of the widest value: behind a deconvolution neighbouring values see patches that differ.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.net.geometry import AxisMap, AxisMismatchError, CoordMap, Window
from caffe_fcn.net.graph import Blob, Graph
from caffe_fcn.net.layer_types import LayerType, layer_type
from caffe_fcn.net.layer_types.shaping import FIRST_COORDINATE


class ReceptiveField(NamedTuple):
    """One axis of a blob: patch size, stride and centre of the first patch, in pixels of the image."""

    size: int
    stride: Fraction
    centre: Fraction


_PIXEL = ReceptiveField(1, Fraction(1), Fraction(0))


def receptive_fields(graph: Graph) -> dict[str, tuple[ReceptiveField, ...]]:
    """For each blob that is still an image: its receptive field, one for all axes or one per axis.

    A blob whose every value sees all of the image (behind InnerProduct, global pooling, ...) has none.
    """
    fields: dict[Blob, tuple[ReceptiveField, ...]] = {}
    first: dict[Blob, int] = {}  # the axis that a blob's fields begin at, where a layer before it has said so
    for node in graph.nodes:
        row = layer_type(node.type)
        if not node.bottoms or is_augmentation(node.layer):  # its tops are the images that the net sees
            fields.update((top, (_PIXEL,)) for top in node.tops)
            continue
        step = row.coords(node.layer)
        followed = [fields[blob] for blob in node.bottoms[: row.follows] if blob in fields]
        if step is None or len(followed) < len(node.bottoms[: row.follows]):
            continue
        windows = (row.field(node.layer) if row.field else ()) or (Window(row.reach(node.layer)),)
        try:
            axis = _first_axis([first[blob] for blob in node.bottoms[: row.follows] if blob in first], step)
            columns = _columns(_merge(followed), step.maps if axis is None else step.from_axis(axis), windows)
        except AxisMismatchError:  # axes of another kind or number, through which nothing is traced
            continue
        each = tuple(_trace_layer(row, *column) for column in columns)
        fields.update((top, each) for top in node.tops)
        if axis is not None:
            first.update((top, axis) for top in node.tops)
    return {blob.name: field for blob, field in fields.items()}


def _trace_layer(row: LayerType, seen: ReceptiveField, step: AxisMap, window: Window) -> ReceptiveField:
    taps = (window.extent - 1) // window.stride if row.upsamples else window.extent - 1
    back = step.inverse()  # from the layer's output coordinates to its input coordinates
    return ReceptiveField(
        int(seen.size + taps * seen.stride), seen.stride * back.scale, seen.centre + seen.stride * back.shift
    )


def _first_axis(known: list[int], step: CoordMap) -> int | None:
    """The axis at which the coordinates of a layer's bottoms begin, else those of the layer."""
    if len(set(known)) > 1:
        raise AxisMismatchError(f"images from axes {' and '.join(map(str, sorted(set(known))))}")
    return known[0] if known else FIRST_COORDINATE if step.keeps else step.axis


def _merge(fields: list[tuple[ReceptiveField, ...]]) -> tuple[ReceptiveField, ...]:
    return tuple(max(column, key=lambda field: field.size) for column in _columns(*fields))


def _columns(*rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """What each row has for an axis, a single value standing for all axes."""
    lengths = {len(row) for row in rows if len(row) != 1} or {1}
    if len(lengths) > 1:
        raise AxisMismatchError(f"{' and '.join(map(str, sorted(lengths)))} axes do not go together")
    length = lengths.pop()
    return list(zip(*(row * length if len(row) == 1 else row for row in rows), strict=True))
