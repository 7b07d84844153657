"""Where things are: the exact arithmetic of windows and of the coordinate maps between blobs.

One axis of a layer maps input coordinates to output coordinates by ``y = scale * x + shift``. Maps
compose and invert, and everything that this package knows about alignment follows from that: the map
from a blob to a later one is the composition of the maps between them. All figures are fractions.

Sizes and maps are those of Caffe (base_conv_layer.cpp, pooling_layer.cpp, python/caffe/coord_map.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

INT_MAX = 2**31 - 1  # Caffe counts values, and each axis, in an int
MOST_AXES = 32  # kMaxBlobAxes in include/caffe/blob.hpp


class AxisMap(NamedTuple):
    """``y = scale * x + shift`` along one axis."""

    scale: Fraction
    shift: Fraction

    def then(self, other: AxisMap) -> AxisMap:
        """This map followed by another."""
        return AxisMap(self.scale * other.scale, other.scale * self.shift + other.shift)

    def inverse(self) -> AxisMap:
        """The map back."""
        return AxisMap(1 / self.scale, -self.shift / self.scale)


IDENTITY = AxisMap(Fraction(1), Fraction(0))


class AxisMismatchError(ValueError):
    """Two coordinate maps begin at different axes, or have different numbers of them."""


@dataclass(frozen=True)
class CoordMap:
    """The maps of a layer's spatial axes, the first of which is ``axis``.

    A single map stands for all spatial axes, whose number follows from the shapes alone. A layer that works on
    each element alone keeps every coordinate and knows no first axis: ``POINTWISE``. A Crop moves nothing
    along the axes before its first (``keeps``), so its map fits one that begins at another axis.
    """

    axis: int | None
    maps: tuple[AxisMap, ...]
    keeps: bool = False

    def then(self, other: CoordMap) -> CoordMap:
        """This map followed by another; raises `AxisMismatchError` where their axes differ."""
        if self.axis is None or other.axis is None:
            return other if self.axis is None else self
        axis = self._common_axis(other)
        pairs = zip(*broadcast(self.from_axis(axis), other.from_axis(axis)), strict=True)
        return CoordMap(axis, tuple(a.then(b) for a, b in pairs), self.keeps and other.keeps)

    def from_axis(self, axis: int) -> tuple[AxisMap, ...]:
        """The maps of the axes from this one on; raises `AxisMismatchError` where the map says nothing of them."""
        if self.axis is None or axis == self.axis:
            return self.maps
        if not self.keeps:
            raise AxisMismatchError(f"one map begins at axis {self.axis}, the next at axis {axis}")
        if axis < self.axis:
            return (IDENTITY,) * (self.axis - axis) + self.maps
        return self.maps if len(self.maps) == 1 else self.maps[axis - self.axis :] or (IDENTITY,)

    def inverse(self) -> CoordMap:
        """The map back."""
        return CoordMap(self.axis, tuple(each.inverse() for each in self.maps), self.keeps)

    def same_as(self, other: CoordMap) -> bool:
        """Whether both send every coordinate to the same place; a map that changes nothing fits any axis."""
        if self.axis is None or other.axis is None:
            return all(each == IDENTITY for each in self.maps + other.maps)
        axis = self._common_axis(other)
        try:
            mine, theirs = broadcast(self.from_axis(axis), other.from_axis(axis))
        except AxisMismatchError:
            return all(each == IDENTITY for each in self.maps + other.maps)
        return mine == theirs

    def _common_axis(self, other: CoordMap) -> int:
        """The axis to speak of both maps from: that of the one that is no Crop's, else the first."""
        mine, theirs = self.axis or 0, other.axis or 0
        return min(mine, theirs) if self.keeps == other.keeps else theirs if self.keeps else mine


POINTWISE = CoordMap(None, (IDENTITY,))


def broadcast(a: tuple[AxisMap, ...], b: tuple[AxisMap, ...]) -> tuple[tuple[AxisMap, ...], tuple[AxisMap, ...]]:
    """Both at one length, a single map standing for all axes; raises `AxisMismatchError`."""
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise AxisMismatchError(f"one map has {len(a)} axes, the other {len(b)}")
    length = max(len(a), len(b))
    return (a * length if len(a) == 1 else a), (b * length if len(b) == 1 else b)


@dataclass(frozen=True)
class Window:
    """What a convolution, pooling or deconvolution does along one axis."""

    kernel: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """The pixels from the kernel's first tap to its last."""
        return (self.kernel - 1) * self.dilation + 1

    def size_after_convolution(self, size: int) -> int:
        """The size that a convolution makes of ``size``; below 1 where the kernel does not fit."""
        return (size + 2 * self.pad - self.extent) // self.stride + 1

    def size_after_deconvolution(self, size: int) -> int:
        """The size that a deconvolution makes."""
        return self.stride * (size - 1) + self.extent - 2 * self.pad

    def down(self) -> AxisMap:
        """The coordinate map of a convolution or pooling."""
        return AxisMap(Fraction(1, self.stride), (self.pad - Fraction(self.extent - 1, 2)) / self.stride)

    def up(self) -> AxisMap:
        """The coordinate map of a deconvolution."""
        return AxisMap(Fraction(self.stride), Fraction(self.extent - 1, 2) - self.pad)


def pool_sizes(windows: Sequence[Window], sizes: Sequence[int], floor: bool = False) -> list[int]:
    """The sizes that pooling makes: the last window may run out of the image.

    Where any axis is padded, on none may it start beyond the image and its padding (PoolingLayer::Reshape).
    """
    result = []
    for window, size in zip(windows, sizes, strict=True):
        span = size + 2 * window.pad - window.extent
        last = span // window.stride if floor else -(-span // window.stride)
        beyond = any(each.pad for each in windows) and last * window.stride >= size + window.pad
        result.append(last + 1 - beyond)
    return result


def exact(figures: Iterable[Fraction | int]) -> str | list[str]:
    """Figures per axis as exact strings: one where all axes agree, a list of them where they differ."""
    texts = [str(figure) for figure in figures]
    return texts[0] if len(set(texts)) == 1 else texts


def dims(shape: Sequence[int]) -> str:
    """A shape as people write it: ``1x3x227x227``; ``scalar`` without axes."""
    return "x".join(map(str, shape)) or "scalar"
