"""Layers that move values without changing them: Concat, Slice, Crop, Reshape, ..."""

from __future__ import annotations

from itertools import repeat

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.net.layer_types import Shape


def reshape_to(place: Place, x: str, shape: Shape) -> str:
    """Append a Reshape to a shape that the graph fixes."""
    return place.add("Reshape", x, place.graph.add_integers(shape))


@converts("Flatten", "Reshape")
def convert_reshape(place: Place) -> list[str]:
    """The same values in another shape.

    Of axes whose size the graph does not fix, those that stay where they are are copied (0 in ONNX), and one other may
    take what is left (-1).
    """
    shape, varying = list(place.tops[0]), place.varying_tops[0]
    copied = {axis for axis in varying if axis in place.varying[0] and place.shape[axis] == shape[axis]}
    taking = varying - copied
    if len(taking) > 1:
        place.fail("makes several axes of axes whose size the graph does not fix", "export without `dynamic`")
    for axis in varying:
        shape[axis] = 0 if axis in copied else -1
    return [reshape_to(place, place.bottom, tuple(shape))]


@converts("Concat")
def convert_concat(place: Place) -> list[str]:
    """All bottoms along an axis."""
    return [place.add("Concat", *place.bottoms, axis=_find_axis(place, "concat_dim"))]


@converts("Slice")
def convert_slice(place: Place) -> list[str]:
    """A piece for each top."""
    axis = _find_axis(place, "slice_dim")
    place.require_fixed(axis)
    sizes = place.graph.add_integers([top[axis] for top in place.tops])
    return place.graph.add_many("Split", place.bottom, sizes, outputs=len(place.tops), axis=axis)


def _find_axis(place: Place, old_name: str) -> int:
    """``axis``, which older nets call ``old_name``."""
    param = place.param
    return place.site.axis(int(getattr(param, old_name if param.HasField(old_name) else "axis")))


@converts("Crop")
def convert_crop(place: Place) -> list[str]:
    """A part with the size of the second bottom, at an offset: along the axes from ``axis`` on, and no others."""
    graph = place.graph
    first = place.site.axis(place.param.axis)
    axes = list(range(first, place.rank))
    offsets = list(place.param.offset) or [0]
    if len(offsets) == 1:
        offsets = list(repeat(offsets[0], len(axes)))
    if place.varying[1].intersection(axes):
        size = place.add("Gather", place.add("Shape", place.bottoms[1]), graph.add_integers(axes), axis=0)
        ends = place.add("Add", size, graph.add_integers(offsets))
    else:
        reference = place.site.shapes[1]
        ends = graph.add_integers([offset + reference[axis] for offset, axis in zip(offsets, axes, strict=True)])
    return [place.add("Slice", place.bottom, graph.add_integers(offsets), ends, graph.add_integers(axes))]


@converts("Tile")
def convert_tile(place: Place) -> list[str]:
    """The bottom repeated along an axis."""
    times = [1] * place.rank
    times[place.site.axis(place.param.axis)] = place.param.tiles
    return [place.add("Tile", place.bottom, place.graph.add_integers(times))]


@converts("BatchReindex")
def convert_batch_reindex(place: Place) -> list[str]:
    """The images of the first bottom whose indices the second has, in that order."""
    from onnx import TensorProto

    return [place.add("Gather", place.bottom, place.add("Cast", place.bottoms[1], to=TensorProto.INT64), axis=0)]


@converts("Filter")
def convert_filter(place: Place) -> list[str]:
    """The images whose value in the last bottom is not 0."""
    from onnx import TensorProto

    *blobs, selector = place.bottoms
    flat = place.add("Reshape", place.add("Cast", selector, to=TensorProto.BOOL), place.graph.add_integers([-1]))
    return [place.add("Compress", blob, flat, axis=0) for blob in blobs]


@converts("Input")
def convert_input(place: Place) -> list[str]:
    """The inputs of the graph, under the names of the blobs."""
    return list(place.layer.top)


@converts("Parameter")
def convert_parameter(place: Place) -> list[str]:
    """The parameter as a blob."""
    return [place.add_parameter(0, tuple(place.tops[0]))]


@converts("DummyData")
def convert_dummy_data(place: Place) -> list[str]:
    """Constants, where the fillers are."""
    from caffe_fcn.proto import FillerParameter
    from caffe_fcn.weights import fillers

    declared = list(place.param.data_filler) or [FillerParameter(type="constant")]
    each = declared * len(place.tops) if len(declared) == 1 else declared
    result = []
    for index, (filler, shape) in enumerate(zip(each, place.tops, strict=True)):
        if filler.type != "constant":
            place.fail(f"fills its blobs by {filler.type!r}, anew each time", "replace it by an Input layer")
        result.append(place.graph.add_parameter(fillers.fill(filler, shape, place.layer.name, index, 0), tuple(shape)))
    return result
