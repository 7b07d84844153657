"""Upscores as Resize: a Deconvolution that interpolates, and the Crop that alone reads it, where both give the same.

A kernel of 2f or 2f - 1 taps and stride f puts its input pixel i at the place f i + (k - 1) / 2 - pad, and what lies
between two pixels is interpolated. Resize with half pixels puts it at f i + (f - 1) / 2. So the two differ by a
shift, which must be whole, and beyond the outermost pixels: there Resize repeats them, and a Deconvolution fades to
zero. Where the Crop keeps nothing of that, both are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from caffe_fcn.interop.onnx.place import Place
from caffe_fcn.net.graph import Graph, Node
from caffe_fcn.net.layer_types import Kind, layer_type, windows
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.weights import interpolation
from caffe_fcn.weights.tensors import Tensor

_IMAGE_AXES = 4
_MOST_VALUES = 1 << 24  # of a kernel that is looked at
_ROUNDING = 1e-6  # of its taps, in whatever order their factors were multiplied


@dataclass(frozen=True)
class Upscore:
    """A Deconvolution as a Resize by ``factor``, of which the part from ``begins`` on is taken, ``sizes`` long."""

    deconvolution: Node
    factor: int
    begins: Sequence[int]
    sizes: Sequence[int]


def find_upscores(
    graph: Graph, shapes: Shapes, parameters: Mapping[str, Sequence[Tensor]], varying: Mapping[str, frozenset[int]]
) -> dict[Node, Upscore]:
    """Return, for each Crop that can take its values from a Resize, what it takes."""
    found = {}
    for crop in graph.nodes:
        source = crop.bottoms[0].maker if crop.bottoms else None
        if layer_type(crop.type).kind is not Kind.CROP or source is None:
            continue
        is_alone = layer_type(source.type).kind is Kind.DECONVOLUTION and source.tops[0].readers == [crop]
        if is_alone and len(source.tops) == 1 and not varying[source.bottoms[0].name] & {2, 3}:
            upscore = _make_upscore(source, crop, shapes, parameters.get(source.layer.name, ()))
            if upscore is not None:
                found[crop] = upscore
    return found


def write_resize(place: Place, upscore: Upscore) -> list[str]:
    """Append the Resize, and the Slice that takes the part."""
    graph = place.graph
    scales = graph.add_constant([1.0, 1.0, upscore.factor, upscore.factor])
    modes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    large = place.add("Resize", place.bottom, "", scales, **modes)
    ends = [begin + size for begin, size in zip(upscore.begins, upscore.sizes, strict=True)]
    part = (graph.add_integers(upscore.begins), graph.add_integers(ends), graph.add_integers([2, 3]))
    return [place.add("Slice", large, *part)]


def _make_upscore(source: Node, crop: Node, shapes: Shapes, params: Sequence[Tensor]) -> Upscore | None:
    small, cut = shapes.blobs[source.bottoms[0].name], shapes.blobs[crop.tops[0].name]
    declared = windows(source.layer)
    kernel, factor = declared[0].kernel, declared[0].stride
    shift = Fraction(kernel - factor, 2) - declared[0].pad  # by how much the Deconvolution's image lies further on
    is_plain = len(set(declared)) == 1 and declared[0].dilation == 1 and kernel in (2 * factor, 2 * factor - 1)
    if not is_plain or shift.denominator != 1 or len(small) != _IMAGE_AXES or crop.layer.crop_param.axis % 4 != 2:
        return None
    if not _interpolates(params, small[1]):
        return None
    offsets = (list(crop.layer.crop_param.offset) or [0]) * 2
    begins = [offset - int(shift) for offset in offsets[:2]]
    for begin, size, given in zip(begins, cut[2:], small[2:], strict=True):
        first, last = (Fraction(2 * place + 1, 2 * factor) - Fraction(1, 2) for place in (begin, begin + size - 1))
        if begin < 0 or first < 0 or last > given - 1:
            return None
    return Upscore(source, factor, begins, cut[2:])


def _interpolates(params: Sequence[Tensor], channels: int) -> bool:
    """Whether a Deconvolution has no bias, and the weights of an interpolation."""
    import numpy as np

    if len(params) != 1 or params[0].count > _MOST_VALUES:
        return False
    if interpolation.explain_misfit(params[0].shape, channels):
        return False
    wanted = interpolation.make_weights(params[0].shape).load()
    return bool(np.allclose(params[0].load(), wanted, rtol=0, atol=_ROUNDING))
