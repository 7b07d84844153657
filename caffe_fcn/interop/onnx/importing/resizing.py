"""Resize as a deconvolution: the matrix by which ONNX interpolates an axis, and the taps that give the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caffe_fcn.interop.onnx.importing.place import NodePlace
from caffe_fcn.net.geometry import Window

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array

_MOST = 1 << 13  # pixels of an axis
_CLOSE = 1e-6


@dataclass(frozen=True)
class Steps:
    """A deconvolution along one axis, and what each pixel is multiplied by; or each so many pixels (``shrinks``)."""

    window: Window
    taps: Array
    factors: Array
    shrinks: bool = False


def find_steps(place: NodePlace, axis: int) -> Steps:
    """Return how Caffe resizes an axis as the node does; raises `NetError` where it cannot."""
    import numpy as np

    small, large = place.shape()[axis], place.shapes[0][axis]
    if max(small, large) > _MOST:
        place.fail(f"resizes {small} pixels to {large}", f"at most {_MOST} are looked at")
    if small == large == 1:
        return Steps(Window(1), np.ones(1), np.ones(1))
    wanted = _interpolate(place, axis, small, large)
    if large <= small and small % large == 0:
        step = small // large
        if np.array_equal(wanted, np.eye(small)[::step]) and step > 1:
            return Steps(Window(1, step), np.ones(1), np.ones(large), shrinks=True)
    for window, taps in _list_candidates(small, large):
        made = _deconvolve(window, taps, small)
        if made.shape == wanted.shape:
            sums = made.sum(1)
            if (sums > 0).all() and np.abs(made / sums[:, None] - wanted).max() < _CLOSE:
                factors = np.where(np.abs(sums - 1) < _CLOSE, 1, 1 / sums)
                return Steps(window, taps, factors)
    return place.fail(f"resizes {small} pixels to {large} in a way that no Deconvolution does", _MEND)


_MEND = "Caffe enlarges by whole factors: choose such a size, or resize outside of the net"


def _list_candidates(small: int, large: int) -> list[tuple[Window, Array]]:
    """Repeating and linear deconvolutions: of ``large / small``, and between the first and the last pixel."""
    import numpy as np

    result = []
    if large % small == 0:
        factor = large // small
        result.append((Window(factor, factor), np.ones(factor)))
        kernel = 2 * factor - factor % 2
        centre = (kernel - 1) / 2
        taps = 1 - np.abs(np.arange(kernel) - centre) / factor
        result.append((Window(kernel, factor, (kernel - factor) // 2), taps))
    if small > 1 and (large - 1) % (small - 1) == 0 and large > small:
        factor = (large - 1) // (small - 1)
        taps = 1 - np.abs(np.arange(2 * factor - 1) - (factor - 1)) / factor
        result.append((Window(2 * factor - 1, factor, factor - 1), taps))
    if small == large:
        result.append((Window(1), np.ones(1)))
    return result


def _deconvolve(window: Window, taps: Array, small: int) -> Array:
    """The matrix of a deconvolution along an axis."""
    import numpy as np

    made = np.zeros((window.stride * (small - 1) + window.kernel, small))
    for pixel in range(small):
        made[pixel * window.stride : pixel * window.stride + window.kernel, pixel] = taps
    return made[window.pad : len(made) - window.pad]


def _interpolate(place: NodePlace, axis: int, small: int, large: int) -> Array:
    """The matrix by which ONNX's Resize makes an axis (its specification, operator Resize)."""
    import numpy as np

    mode = place.attribute("mode", "nearest")
    way = place.attribute("coordinate_transformation_mode", "half_pixel")
    if place.node.op_type == "Upsample" or place.source.opset < _HAS_MODES_FROM:
        way = "asymmetric"
    if mode not in ("nearest", "linear", "bilinear") or way not in _COORDINATES:
        place.fail(f"resizes by {mode} ({way})", f"nearest and linear are read, by {', '.join(_COORDINATES)}")
    if place.attribute("antialias", 0):
        place.fail("resizes with antialias", "Caffe's layers do not")
    scale = _find_scale(place, axis, small, large)
    at = np.array([_locate(way, index, scale, small, large) for index in range(large)])
    matrix = np.zeros((large, small))
    if mode == "nearest":
        taken = _round(place, at)
        matrix[np.arange(large), np.clip(taken, 0, small - 1).astype(int)] = 1
        return matrix
    at = np.clip(at, 0, small - 1)
    below = np.minimum(np.floor(at).astype(int), max(small - 2, 0))
    share = at - below
    matrix[np.arange(large), below] += 1 - share
    matrix[np.arange(large), np.minimum(below + 1, small - 1)] += share
    return matrix


_HAS_MODES_FROM = 11
_COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric")


def _locate(way: str, index: int, scale: float, small: int, large: int) -> float:
    """Where a pixel of the result lies in the image."""
    if way == "asymmetric":
        return index / scale
    if way == "align_corners":
        return index * (small - 1) / (large - 1) if large > 1 else 0.0
    if way == "pytorch_half_pixel" and large == 1:
        return 0.0
    shift = small / 2 * (1 - large / (scale * small)) if way == "half_pixel_symmetric" else 0.0
    return shift + (index + 0.5) / scale - 0.5


def _find_scale(place: NodePlace, axis: int, small: int, large: int) -> float:
    """The factor that is written, or the ratio of the sizes."""
    if place.node.op_type == "Upsample":
        scales = place.constant(1, "scales") if place.has(1) else place.attribute("scales")
        return float(scales[axis])
    given = 1 if place.source.opset < _HAS_MODES_FROM else 2
    scales = place.constant(given, "scales") if place.has(given) else None
    axes = [each % len(place.shape()) for each in place.attribute("axes", range(len(place.shape())))]
    if scales is not None and scales.size and axis in axes:
        return float(scales.reshape(-1)[axes.index(axis)])
    return large / small


def _round(place: NodePlace, at: Array) -> Array:
    import numpy as np

    if place.node.op_type == "Upsample" or place.source.opset < _HAS_MODES_FROM:
        return np.floor(at)
    way = place.attribute("nearest_mode", "round_prefer_floor")
    if way not in _ROUNDINGS:
        place.fail(f"rounds by {way}", f"{', '.join(_ROUNDINGS)} are known")
    step, shift = _ROUNDINGS[way]
    return np.floor(at + shift) if step == "floor" else np.ceil(at + shift)


_ROUNDINGS = {
    "floor": ("floor", 0.0),
    "ceil": ("ceil", 0.0),
    "round_prefer_floor": ("ceil", -0.5),
    "round_prefer_ceil": ("floor", 0.5),
}
