"""Resize as a deconvolution, and as a convolution that takes each so many pixels of the result.

The pixels of which ONNX makes each pixel of an axis, and their shares, are compared with those of all candidates:
factors p/q of repeating and linear deconvolutions with a stride of p, of which a convolution takes each q-th.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from caffe_fcn.interop.onnx.importing.place import NodePlace
from caffe_fcn.net.geometry import Window

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Array

_MOST = 1 << 16  # pixels of an axis
_MOST_RAISED = 64  # times an axis grows before pixels are taken
_MOST_TAKEN = 16  # pixels of which one is taken, where all are made first
_CLOSE = 1e-6
_REACH = 8  # pixels of the axis around each place that are looked at
_HERE = 3  # of which this one is the place itself


@dataclass(frozen=True)
class Steps:
    """Along one axis a deconvolution, a convolution, and what each pixel is multiplied by."""

    window: Window
    taps: Array
    taken: Window
    weights: Array
    factors: Array


@dataclass(frozen=True)
class _Shares:
    """Of which pixels each pixel is made: ``values[i, k]`` is the share of pixel ``base[i] + k - _HERE`` in pixel i."""

    base: Array
    values: Array


def aligns_corners(place: NodePlace) -> bool:
    """Whether the node interpolates with the corners of both images on each other."""
    return place.attribute("mode", "nearest") == "linear" and _find_way(place) == "align_corners"


def find_steps(place: NodePlace, axis: int) -> Steps:
    """Return how Caffe resizes an axis as the node does; raises `NetError` where it cannot."""
    import numpy as np

    small, large = place.shape()[axis], place.shapes[0][axis]
    if max(small, large) > _MOST or not min(small, large):
        place.fail(f"resizes {small} pixels to {large}", f"1 to {_MOST} are looked at")
    if small == large == 1:
        return Steps(Window(1), np.ones(1), Window(1), np.ones(1), np.ones(1))
    scale = _find_scale(place, axis, small, large)
    if not 0 < scale < math.inf:
        place.fail(f"resizes by a factor of {scale:g}", "the model is damaged")
    wanted = _interpolate(place, scale, small, large)
    needs_compose = False
    for ratio in _list_ratios(small, large, scale):
        for found in _try_ratio(ratio, wanted, small, large):
            if ratio.numerator == 1 or ratio.denominator == 1 or place.compose:
                return found
            needs_compose = True
    what = f"resizes {small} pixels to {large} in a way that no Deconvolution does"
    if needs_compose:
        mend = "give `compose`: a larger image is made, and some of its pixels are taken"
        return place.fail(f"resizes {small} pixels to {large}, which is no whole factor", mend)
    return place.fail(what, _MEND)


_MEND = "choose a size that is a whole multiple, or resize outside of the net"


def _list_ratios(small: int, large: int, scale: float) -> list[Fraction]:
    """Ratios p/q by which the axis may grow, simple ones first."""
    ratios = {Fraction(large, small), Fraction(scale).limit_denominator(_MOST_TAKEN)}
    if small > 1 and large > 1:
        ratios.add(Fraction(large - 1, small - 1))
    few = [
        each
        for each in ratios
        if each > 0
        and each.numerator <= _MOST
        and (each.numerator == 1 or each.denominator <= _MOST_TAKEN)
        and (each.denominator == 1 or each.numerator <= _MOST_RAISED)
    ]
    return sorted(few, key=lambda each: (each.denominator, each.numerator))


def _try_ratio(ratio: Fraction, wanted: _Shares, small: int, large: int) -> Iterator[Steps]:
    """The steps by a ratio that make what is wanted."""
    import numpy as np

    up, down = ratio.numerator, ratio.denominator
    for window, taps in _list_deconvolutions(up):
        made = window.size_after_deconvolution(small)
        for kernel in _list_kernels(up, down, wanted):
            size = max(len(kernel), made - large * down + 1)
            taken = Window(size, down)
            if size > made or taken.size_after_convolution(made) != large:
                continue
            weights = np.zeros(size)
            weights[: len(kernel)] = kernel
            shares = _compose(window, taps, taken, weights, wanted.base, small)
            if shares is None:
                continue
            sums = shares.values.sum(1)
            if (sums > 0).all() and np.abs(shares.values / sums[:, None] - wanted.values).max() < _CLOSE:
                factors = np.where(np.abs(sums - 1) < _CLOSE, 1, 1 / sums)
                yield Steps(window, taps, taken, weights, factors)


def _list_deconvolutions(up: int) -> list[tuple[Window, Array]]:
    """Repeating and linear deconvolutions with a stride of ``up``."""
    import numpy as np

    if up == 1:
        return [(Window(1), np.ones(1))]
    centred = 2 * up - up % 2
    peak = 1 - np.abs(np.arange(2 * up - 1) - (up - 1)) / up
    return [
        (Window(up, up), np.ones(up)),
        (Window(centred, up, (centred - up) // 2), 1 - np.abs(np.arange(centred) - (centred - 1) / 2) / up),
        (Window(2 * up - 1, up, up - 1), peak),  # from the first pixel to the last
        (Window(3 * up - 2, up, up - 1), np.concatenate([peak, np.zeros(up - 1)])),  # and beyond it
    ]


def _list_kernels(up: int, down: int, wanted: _Shares) -> list[Array]:
    """Kernels that take one pixel, and, where nothing was made larger, those that take what is wanted in the middle."""
    import numpy as np

    if down == 1:
        return [np.ones(1)]
    single = [np.eye(down)[offset][: offset + 1] for offset in range(min(down, _MOST_RAISED))]
    if up > 1:
        return single
    middle = len(wanted.base) // 2
    begin = int(wanted.base[middle]) - _HERE - middle * down
    shares = wanted.values[middle]
    first, last = int(np.flatnonzero(shares)[0]), int(np.flatnonzero(shares)[-1])
    if begin + first < 0:
        return single
    return [np.concatenate([np.zeros(begin + first), shares[first : last + 1]])]


def _compose(window: Window, taps: Array, taken: Window, weights: Array, base: Array, small: int) -> _Shares | None:
    """The shares after both steps around the same places; None where other pixels take part."""
    import numpy as np

    values = np.zeros((len(base), _REACH))
    rows = np.arange(len(base))
    for tap in np.flatnonzero(weights):
        at = rows * taken.stride + tap + window.pad  # in what the deconvolution makes before it is cut
        for back in range(-(-window.kernel // window.stride)):
            pixel = at // window.stride - back
            index = at - pixel * window.stride
            inside = (pixel >= 0) & (pixel < small) & (index < window.kernel)
            share = np.where(inside, taps[np.minimum(index, window.kernel - 1)], 0) * weights[tap]
            place = pixel - base + _HERE
            near = (place >= 0) & (place < _REACH)
            if (share[~near] != 0).any():
                return None
            np.add.at(values, (rows[near], place[near]), share[near])
    return _Shares(base, values)


def _interpolate(place: NodePlace, scale: float, small: int, large: int) -> _Shares:
    """The shares by which ONNX's Resize makes an axis (its specification, operator Resize)."""
    import numpy as np

    mode, way = place.attribute("mode", "nearest"), _find_way(place)
    if mode not in ("nearest", "linear", "bilinear") or way not in _COORDINATES:
        place.fail(f"resizes by {mode} ({way})", f"nearest and linear are read, by {', '.join(_COORDINATES)}")
    if place.attribute("antialias", 0) or place.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        place.fail("resizes with antialias, or by one factor for all axes", "Caffe's layers do not")
    at = np.array([_locate(way, index, scale, small, large) for index in range(large)])
    values, rows = np.zeros((large, _REACH)), np.arange(large)
    if mode == "nearest":
        taken = np.clip(_round(place, at), 0, small - 1).astype(int)
        values[:, _HERE] = 1
        return _Shares(taken, values)
    at = np.clip(at, 0, small - 1)
    below = np.minimum(np.floor(at).astype(int), max(small - 2, 0))
    share = at - below
    values[rows, _HERE] += 1 - share
    values[rows, _HERE + (small > 1)] += share
    return _Shares(below, values)


def _find_way(place: NodePlace) -> str:
    if place.node.op_type == "Upsample" or place.source.opset < _HAS_MODES_FROM:
        return "asymmetric"
    return str(place.attribute("coordinate_transformation_mode", "half_pixel"))


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
