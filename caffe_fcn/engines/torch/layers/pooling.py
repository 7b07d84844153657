"""Pooling and SPP, with Caffe's windows: the last window may begin inside the image and end outside of it.

A maximum is that of the pixels of the image. An average is divided by the number of pixels of the window that are
in the image or its padding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Function, State, TorchLayer, layer
from caffe_fcn.net.geometry import Window, pool_sizes
from caffe_fcn.net.layer_types import Shape, Site, pooling_windows
from caffe_fcn.net.layer_types.windows import rounds_down
from caffe_fcn.proto.schema import PoolingParameter

_METHODS = PoolingParameter.PoolMethod
_Method = Callable[[Tensor, Sequence[Window], Sequence[int]], list[Tensor]]


@layer("Pooling")
class Pooling(TorchLayer):
    """The maximum or the average of each window. A second top holds the positions of the maxima, as indices."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.method = _find_method(site, self.param.pool)
        self.floor = rounds_down(self.param)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        windows = pooling_windows(self.site.layer) or [Window(size) for size in x.shape[2:]]
        sizes = pool_sizes(windows, x.shape[2:], self.floor)
        tops = self.method(x, windows, sizes)[: len(self.site.layer.top)]
        return [tops[0], *(_number(places, x) for places in tops[1:])]

    def find_windows(self) -> tuple[Window, ...]:
        return pooling_windows(self.site.layer) if self.method is _find_maxima and len(self.site.layer.top) == 1 else ()

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        (top, bottom), (left, right) = pads
        if any((top, bottom, left, right)):
            part = F.pad(part, (left, right, top, bottom), value=torch.finfo(part.dtype).min)
        windows = [replace(window, pad=0) for window in self.find_windows()]
        return self.method(part, windows, pool_sizes(windows, part.shape[2:], floor=True))[0]

    def has_function(self, shapes: Sequence[Shape]) -> bool:
        windows, (_, _, *sizes) = self.find_windows(), shapes[0]
        return bool(windows) and all(
            map(_torch_has_same_windows, windows, sizes, pool_sizes(windows, sizes, self.floor))
        )

    def make_function(self, exact: bool) -> Function:
        kernel, stride, pad = _split_windows(self.find_windows())

        def pool(x: Tensor) -> Tensor:
            # without the places it would become oneDNN's pooling, which loses what is not a number
            return F.max_pool2d(x, kernel, stride, pad, ceil_mode=True, return_indices=True)[0]

        return pool


@layer("SPP")
class SPP(TorchLayer):
    """A pyramid of poolings with 1, 2, 4, ... windows on each axis, as one vector."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.method = _find_method(site, self.param.pool)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        levels = [self._pool_level(x, 2**level) for level in range(self.param.pyramid_height)]
        return [torch.cat([level.flatten(1) for level in levels], 1) if len(levels) > 1 else levels[0]]

    def _pool_level(self, x: Tensor, bins: int) -> Tensor:
        kernels = [-(-size // bins) for size in x.shape[2:]]
        pads = [(kernel * bins - size + 1) // 2 for kernel, size in zip(kernels, x.shape[2:], strict=True)]
        windows = [Window(kernel, kernel, pad) for kernel, pad in zip(kernels, pads, strict=True)]
        return self.method(x, windows, pool_sizes(windows, x.shape[2:]))[0]


def _find_method(site: Site, number: int) -> _Method:
    name = _METHODS.Name(number)
    if name not in _FUNCTIONS:
        site.fail(f"pools by {name}", f"the torch engine pools by {' or '.join(_FUNCTIONS)}")
    return _FUNCTIONS[name]


def _find_maxima(x: Tensor, windows: Sequence[Window], sizes: Sequence[int]) -> list[Tensor]:
    kernel, stride, pad = _split_windows(windows)
    if all(map(_torch_has_same_windows, windows, x.shape[2:], sizes)):
        y, places = F.max_pool2d(x, kernel, stride, pad, ceil_mode=True, return_indices=True)
        return [y, places]
    lowest = torch.finfo(x.dtype).min
    padded = _pad(x, windows, sizes, lowest)
    y, places = F.max_pool2d(padded, kernel, stride, return_indices=True)
    if padded is x:
        return [y, places]
    rows = torch.div(places, padded.shape[3], rounding_mode="floor") - pad[0]
    inside = rows * x.shape[3] + places % padded.shape[3] - pad[1]
    return [y, torch.where(y > lowest, inside, -1)]  # an empty window has no place


def _number(places: Tensor, x: Tensor) -> Tensor:
    """Places as a blob: in float32 at least, since bfloat16 has no exact numbers above 256."""
    return places.to(torch.promote_types(x.dtype, torch.float32))


def _compute_averages(x: Tensor, windows: Sequence[Window], sizes: Sequence[int]) -> list[Tensor]:
    kernel, stride, _ = _split_windows(windows)
    sums = F.avg_pool2d(_pad(x, windows, sizes, 0), kernel, stride, divisor_override=1)
    rows, columns = (
        _count_inside(window, size, torch.arange(count, device=x.device)).to(x.dtype)
        for window, size, count in zip(windows, x.shape[2:], sizes, strict=True)
    )
    return [sums / (rows[:, None] * columns)]


_FUNCTIONS: dict[str, _Method] = {"MAX": _find_maxima, "AVE": _compute_averages}


def _split_windows(windows: Sequence[Window]) -> tuple[tuple[int, ...], ...]:
    return tuple(zip(*((window.kernel, window.stride, window.pad) for window in windows), strict=True))


def _torch_has_same_windows(window: Window, size: int, count: int) -> bool:
    """Whether torch, with ceil_mode, has the same number of windows as Caffe."""
    theirs = -(-(size + 2 * window.pad - window.kernel) // window.stride) + 1
    theirs -= (theirs - 1) * window.stride >= size + window.pad
    return theirs == count and 2 * window.pad <= window.kernel


def _pad(x: Tensor, windows: Sequence[Window], sizes: Sequence[int], value: float) -> Tensor:
    """The image with its padding, up to the end of the last window."""
    edges = []
    for window, size, count in zip(windows, x.shape[2:], sizes, strict=True):
        edges.append((window.pad, (count - 1) * window.stride + window.kernel - window.pad - size))
    (top, bottom), (left, right) = edges
    return F.pad(x, (left, right, top, bottom), value=value) if any((top, bottom, left, right)) else x


def _count_inside(window: Window, size: int, places: Tensor) -> Tensor:
    """How many pixels of each window are inside the padded image, along one axis."""
    starts = places * window.stride - window.pad
    return (starts + window.kernel).clamp(max=size + window.pad) - starts
