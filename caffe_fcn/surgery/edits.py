"""Edits: changes to the parameters of one layer, made on the way from file to file.

The rows of a score layer are segments of the file, so that choosing classes moves no numbers. The first convolution
is small, and its edits are arithmetic on an array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.weights.tensors import Segment, Tensor, from_array, make_zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tensors: TypeAlias = tuple[Tensor, ...]

# The most values of a first convolution; real ones have some ten thousand.
_LARGEST = 1 << 22
_CONVOLUTION_AXES = 4  # outputs, inputs, height, width


@dataclass(frozen=True)
class Edit:
    """``apply`` makes new parameters from a layer's; its second argument names the layer in errors."""

    what: str
    apply: Callable[[Tensors, str], Tensors]


def select_rows(rows: Sequence[int | None]) -> Edit:
    """The edit that makes a score layer score ``rows`` of its old classes, in that order; None is a new class of zeros.

    >>> select_rows([3, None, 1]).what
    '2 old classes and 1 new ones, zero'
    """
    new = sum(row is None for row in rows)
    what = f"{len(rows) - new} old classes" + (f" and {new} new ones, zero" if new else "")
    return Edit(what, lambda tensors, where: tuple(_take_rows(tensor, rows, where) for tensor in tensors))


def _take_rows(tensor: Tensor, rows: Sequence[int | None], where: str) -> Tensor:
    classes = tensor.shape[0] if tensor.shape else 0
    segments: list[Segment] = []
    for row in rows:
        if row is not None and not 0 <= row < classes:
            raise WeightsError(where, f"has no class {row}", f"it has {classes}, counted from 0")
        if row is None:
            segments.append(make_zeros(tensor.count // max(classes, 1), tensor.dtype))
        else:
            segments += tensor.take_rows(row, row + 1).segments
    return Tensor((len(rows), *tensor.shape[1:]), tensor.dtype, tuple(segments))


def add_mean_channel() -> Edit:
    """The edit that gives the first convolution a further channel, the mean of the others (BGR to BGRD)."""
    return Edit("a further channel, the mean of the others", _edit_weights(_append_mean))


def sum_channels() -> Edit:
    """The edit that leaves the first convolution one channel; exact for images whose channels are all equal."""
    return Edit("one channel, the sum of all", _edit_weights(lambda w: w.sum(axis=1, keepdims=True, dtype="f8")))


def reverse_channels() -> Edit:
    """The edit that makes the first convolution read its channels in the opposite order: BGR for RGB."""
    return Edit("channels in opposite order", _edit_weights(lambda w: w[:, ::-1]))


def fold_shift(shift: Sequence[float], scale: float = 1.0) -> Edit:
    """The edit that makes the first convolution read x where it read ``scale * x + shift``.

    ``shift`` is one number, or one for each channel. The result is exact where the convolution does not pad: padding
    is zero both before and after the edit, though it should be ``-shift / scale``.
    """

    def apply(tensors: Tensors, where: str) -> Tensors:
        import numpy as np

        weights, *rest = _load_convolution(tensors, where)
        if len(shift) not in (1, weights.shape[1]):
            raise WeightsError(where, f"reads {weights.shape[1]} channels", f"not {len(shift)}: give as many numbers")
        if not rest:
            raise WeightsError(where, "has no bias to fold a mean into", "take a net whose first layer has one")
        if rest[0].size != len(weights):
            raise WeightsError(
                where, f"has {len(weights)} outputs, and a bias for {rest[0].size}", "name sound weights"
            )
        per_output = (weights.astype("f8").sum(axis=(2, 3)) * np.asarray(shift, "f8")).sum(axis=1)
        bias = (rest[0].astype("f8").ravel() + per_output).astype("f4").reshape(rest[0].shape)
        return from_array((weights * np.float64(scale)).astype("f4")), from_array(bias)

    return Edit("mean and scale folded in", apply)


def _append_mean(weights: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.concatenate([weights, weights.mean(axis=1, keepdims=True, dtype="f8")], axis=1)


def _edit_weights(change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Tensors, str], Tensors]:
    def apply(tensors: Tensors, where: str) -> Tensors:
        return from_array(change(_load_convolution(tensors, where)[0]).astype("f4")), *tensors[1:]

    return apply


def _load_convolution(tensors: Tensors, where: str) -> list[NDArray[Any]]:
    """The weights and the bias of a convolution that reads images."""
    if not tensors or len(tensors[0].shape) != _CONVOLUTION_AXES:
        shape = dims(tensors[0].shape) if tensors else "without weights"
        raise WeightsError(where, f"is {shape}, no convolution of images", "name the weights of this net")
    return [_load_small(tensor, where) for tensor in tensors]


def _load_small(tensor: Tensor, where: str) -> NDArray[Any]:
    if tensor.count > _LARGEST or len(tensor.shape) not in (1, _CONVOLUTION_AXES):
        raise WeightsError(where, f"is {dims(tensor.shape)}", "name the convolution that reads the image")
    return tensor.load()
