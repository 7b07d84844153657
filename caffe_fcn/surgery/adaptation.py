"""Whether a parameter of one layer fits another layer, and the values that it has there.

Most surgery is a change of headers: a fully connected layer's weights (out, C * kh * kw) and those of the
convolution that computes the same (out, C, kh, kw) are the same bytes, provided that the layer read a blob of
C x kh x kw. New bytes are made only to undo `transpose`, or to spread a grouped convolution over a dense one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Kind, Site, layer_type
from caffe_fcn.surgery.report import COPIED, RESHAPED
from caffe_fcn.weights.tensors import GeneratedSegment, Segment, Shape, Tensor, make_zeros

_BLOCK = 16 << 20  # bytes of a transposed matrix made at a time; its source is read once for each block


@dataclass(frozen=True)
class Adaptation:
    """A parameter as another layer takes it: whether it was copied or reshaped, and why."""

    tensor: Tensor
    fate: str
    reason: str = ""

    def with_reason(self, reason: str, fate: str = "") -> Adaptation:
        """The same with a further reason, and with another fate where one is given."""
        return replace(self, fate=fate or self.fate, reason=", ".join(filter(None, (self.reason, reason))))


class MisfitError(ValueError):
    """The parameter does not fit; the text says why."""


def adapt(tensor: Tensor, source: Site, target: Site, shape: Shape) -> Adaptation:
    """``tensor``, a parameter of the layer ``source``, as a parameter of ``shape`` of the layer ``target``.

    The type of ``source`` and the shapes that it reads may be unknown. Raises `MisfitError`.
    """
    there, here = _is_transposed(source, tensor.shape), _is_transposed(target, shape)
    if there == here and _legacy_shape(tensor.shape) == _legacy_shape(shape):
        reason = "" if tensor.shape == shape else f"{dims(tensor.shape)} in the old format"
        return Adaptation(tensor.reshaped(shape), COPIED, reason)
    matrix = transposed(tensor) if there else tensor
    wanted = shape[::-1] if here else shape
    for rule in _RULES:
        found = rule(matrix, source, target, wanted)
        if found is not None:
            adapted = transposed(found.tensor) if here else found.tensor
            return replace(found, tensor=adapted).with_reason("transposed" if there or here else "")
    raise MisfitError(f"{dims(tensor.shape)} there, {dims(shape)} here")


def transposed(matrix: Tensor) -> Tensor:
    """A matrix with its axes swapped."""
    rows, columns = matrix.shape
    width = max(_BLOCK // max(rows * matrix.item_size, 1), 1)
    height = max(_BLOCK // max(columns * matrix.item_size, 1), 1)

    def blocks() -> Iterator[bytes]:
        import numpy as np

        for left in range(0, columns, width):
            slabs = (matrix.take_rows(top, min(top + height, rows)) for top in range(0, rows, height))
            yield np.concatenate([slab.load()[:, left : left + width] for slab in slabs]).T.tobytes()

    return Tensor((columns, rows), matrix.dtype, (GeneratedSegment(matrix.nbytes, blocks, matrix.files),))


def _is_transposed(site: Site, shape: Shape) -> bool:
    return len(shape) > 1 and _kind(site) is Kind.INNER_PRODUCT and bool(site.layer.inner_product_param.transpose)


def _kind(site: Site) -> Kind | None:
    return layer_type(site.layer.type).kind


def _legacy_shape(shape: Shape) -> Shape:
    """A shape as the old formats write it: four axes, with ones in front (Blob::LegacyShape)."""
    return (1,) * (4 - len(shape)) + shape


# The rules, in the order in which they are tried. Each takes weights whose first axis is their outputs, and returns
# None where it does not apply.


def _keep(tensor: Tensor, source: Site, target: Site, wanted: Shape) -> Adaptation | None:
    return (
        Adaptation(tensor.reshaped(wanted), RESHAPED) if _legacy_shape(tensor.shape) == _legacy_shape(wanted) else None
    )


def _turn_into_convolution(tensor: Tensor, source: Site, target: Site, wanted: Shape) -> Adaptation | None:
    """InnerProduct to Convolution: the layer must have read C x kh x kw in its own net."""
    matrix = _legacy_shape(tensor.shape)
    multiplies = not source.layer.type or _kind(source) is Kind.INNER_PRODUCT
    if matrix[:-2] != (1, 1) or _kind(target) is not Kind.CONVOLUTION or not multiplies:
        return None
    if len(wanted) < 3 or (wanted[0], math.prod(wanted[1:])) != matrix[-2:]:
        return None
    reason = f"fully connected to convolution, {dims(matrix[-2:])} to {dims(wanted)}"
    unchecked = f"; that it read {dims(wanted[1:])} is not checked, for"
    if not source.shapes:
        reason += f"{unchecked} the weights carry no net"
    elif (read := _flattened_shape(source, len(wanted) - 1)) != wanted[1:]:
        if math.prod(read[1:]) != 1:
            raise MisfitError(f"it read {dims(read)} there, the convolution's kernel is {dims(wanted[1:])}")
        reason += f"{unchecked} it read a vector"
    return Adaptation(tensor.reshaped(wanted), RESHAPED, reason)


def _turn_into_inner_product(tensor: Tensor, source: Site, target: Site, wanted: Shape) -> Adaptation | None:
    """Convolution to InnerProduct: the layer must read C x kh x kw in the target."""
    if _kind(target) is not Kind.INNER_PRODUCT or len(tensor.shape) < 3:
        return None
    if (tensor.shape[0], math.prod(tensor.shape[1:])) != wanted:
        return None
    if (read := _flattened_shape(target, len(tensor.shape) - 1)) != tensor.shape[1:]:
        raise MisfitError(f"the convolution's kernel is {dims(tensor.shape[1:])} there, it reads {dims(read)} here")
    return Adaptation(tensor.reshaped(wanted), RESHAPED, f"convolution to fully connected, {dims(tensor.shape)}")


def _flattened_shape(site: Site, axes: int) -> Shape:
    """The shape of what an InnerProduct flattens, with ones behind it up to ``axes`` axes."""
    read = site.shapes[0][site.axis(site.layer.inner_product_param.axis) :]
    return read + (1,) * (axes - len(read))


def _spread_groups(tensor: Tensor, source: Site, target: Site, wanted: Shape) -> Adaptation | None:
    """A grouped convolution to one of fewer groups: weights between channels of different groups are zero."""
    shape = tensor.shape
    windowed = _kind(target) in (Kind.CONVOLUTION, Kind.DECONVOLUTION)
    if not windowed or len(shape) < 3 or len(shape) != len(wanted):
        return None
    if shape[:1] + shape[2:] != wanted[:1] + wanted[2:] or not shape[1] or wanted[1] % shape[1]:
        return None
    fewer = target.layer.convolution_param.group
    groups = fewer * (wanted[1] // shape[1])
    if shape[0] % groups or (source.layer.type and source.layer.convolution_param.group != groups):
        return None
    segments: list[Segment] = []
    per_group, kernel = shape[0] // groups, math.prod(shape[2:])
    for row in range(shape[0]):
        before = row // per_group % (groups // fewer) * shape[1]
        after = wanted[1] - before - shape[1]
        segments += [make_zeros(before * kernel, tensor.dtype), *tensor.take_rows(row, row + 1).segments]
        segments.append(make_zeros(after * kernel, tensor.dtype))
    return Adaptation(
        Tensor(wanted, tensor.dtype, tuple(segments)), RESHAPED, f"{groups} groups to {fewer}, zeros between"
    )


_RULES: list[Callable[[Tensor, Site, Site, Shape], Adaptation | None]] = [
    _keep,
    _turn_into_convolution,
    _turn_into_inner_product,
    _spread_groups,
]
