"""Pooling and SPP, with Caffe's windows: the last may begin inside the image and run out of it.

Maxima are found among the pixels of the image alone. Averages are divided by the window's size, clipped to the
padded image: padding counts, what lies beyond it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, State, layer
from caffe_fcn.net.geometry import Window, pooled
from caffe_fcn.net.layer_types import Site, pooling_windows
from caffe_fcn.proto.schema import PoolingParameter

_METHODS = PoolingParameter.PoolMethod
_Pooled = Callable[[Tensor, Sequence[Window], Sequence[int]], list[Tensor]]


@layer("Pooling")
class Pooling(Layer):
    """The maximum or the average of each window; a second top holds where the maxima were, as indices."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.method = _method(site, self.param.pool)
        self.floor = self.param.round_mode == 1

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        windows = pooling_windows(self.site.layer) or [Window(size) for size in x.shape[2:]]
        sizes = pooled(windows, x.shape[2:], self.floor)
        return self.method(x, windows, sizes)[: len(self.site.layer.top)]

    def sees(self) -> tuple[Window, ...]:
        return pooling_windows(self.site.layer) if self.method is _largest and len(self.site.layer.top) == 1 else ()

    def within(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        (top, bottom), (left, right) = pads
        if any((top, bottom, left, right)):
            x = F.pad(x, (left, right, top, bottom), value=torch.finfo(x.dtype).min)
        windows = [replace(window, pad=0) for window in self.sees()]
        return self.method(x, windows, pooled(windows, x.shape[2:], floor=True))[0]


@layer("SPP")
class SPP(Layer):
    """A pyramid of poolings, 1, 2, 4, ... windows to an axis, as one vector."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.method = _method(site, self.param.pool)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        levels = [self._level(x, 2**level) for level in range(self.param.pyramid_height)]
        return [torch.cat([level.flatten(1) for level in levels], 1) if len(levels) > 1 else levels[0]]

    def _level(self, x: Tensor, bins: int) -> Tensor:
        kernels = [-(-size // bins) for size in x.shape[2:]]
        pads = [(kernel * bins - size + 1) // 2 for kernel, size in zip(kernels, x.shape[2:], strict=True)]
        windows = [Window(kernel, kernel, pad) for kernel, pad in zip(kernels, pads, strict=True)]
        return self.method(x, windows, pooled(windows, x.shape[2:]))[0]


def _method(site: Site, number: int) -> _Pooled:
    name = _METHODS.Name(number)
    if name not in _POOLED:
        site.fail(f"pools by {name}", f"the torch engine does by {' or '.join(_POOLED)}")
    return _POOLED[name]


def _largest(x: Tensor, windows: Sequence[Window], sizes: Sequence[int]) -> list[Tensor]:
    kernel, stride, pad = _columns(windows)
    if all(map(_torch_agrees, windows, x.shape[2:], sizes)):
        y, places = F.max_pool2d(x, kernel, stride, pad, ceil_mode=True, return_indices=True)
        return [y, places.to(x.dtype)]
    padded = _padded(x, windows, sizes, torch.finfo(x.dtype).min)
    y, places = F.max_pool2d(padded, kernel, stride, return_indices=True)
    rows = torch.div(places, padded.shape[3], rounding_mode="floor") - pad[0]
    return [y, (rows * x.shape[3] + places % padded.shape[3] - pad[1]).to(x.dtype)]


def _average(x: Tensor, windows: Sequence[Window], sizes: Sequence[int]) -> list[Tensor]:
    kernel, stride, _ = _columns(windows)
    sums = F.avg_pool2d(_padded(x, windows, sizes, 0), kernel, stride, divisor_override=1)
    rows, columns = (
        torch.tensor([_clipped(window, place, size) for place in range(count)], dtype=x.dtype, device=x.device)
        for window, size, count in zip(windows, x.shape[2:], sizes, strict=True)
    )
    return [sums / (rows[:, None] * columns)]


_POOLED: dict[str, _Pooled] = {"MAX": _largest, "AVE": _average}


def _columns(windows: Sequence[Window]) -> tuple[tuple[int, ...], ...]:
    return tuple(zip(*((window.kernel, window.stride, window.pad) for window in windows), strict=True))


def _torch_agrees(window: Window, size: int, count: int) -> bool:
    """Whether torch itself, rounding up, makes these windows."""
    theirs = -(-(size + 2 * window.pad - window.kernel) // window.stride) + 1
    theirs -= (theirs - 1) * window.stride >= size + window.pad
    return theirs == count and 2 * window.pad <= window.kernel


def _padded(x: Tensor, windows: Sequence[Window], sizes: Sequence[int], value: float) -> Tensor:
    """The image with its padding, as far as the last window reaches and no further."""
    edges = []
    for window, size, count in zip(windows, x.shape[2:], sizes, strict=True):
        edges.append((window.pad, (count - 1) * window.stride + window.kernel - window.pad - size))
    (top, bottom), (left, right) = edges
    return F.pad(x, (left, right, top, bottom), value=value) if any((top, bottom, left, right)) else x


def _clipped(window: Window, place: int, size: int) -> int:
    """The length of a window within the padded image."""
    start = place * window.stride - window.pad
    return min(start + window.kernel, size + window.pad) - start
