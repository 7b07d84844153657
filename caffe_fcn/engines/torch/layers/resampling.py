"""Layers of forks that make images larger: Interp, Upsample, Unpooling.

Unpooling by a mask puts each value where the pooling of the encoder found its maximum. The mask is the second top of
that pooling: places in an image, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.layers.shaping import Shaping
from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.resampling import spread_windows, unpooling_windows


def _interpolate(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, with the corner pixels of both images on each other."""
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def scale_nearest(x: Tensor, size: Sequence[int]) -> Tensor:
    """Each place takes the value at its share of the way."""
    rows, columns = (
        torch.arange(made, device=x.device) * given // made for made, given in zip(size, x.shape[2:], strict=True)
    )
    return x.index_select(2, rows).index_select(3, columns)


@layer("Interp")
class Interp(Shaping):
    """Bilinear interpolation with aligned corners, of what pad_beg and pad_end, which are negative, leave.

    Source: src/caffe/util/interp.cpp of DeepLab and of hszhao/PSPNet.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, begin, end = bottoms[0], -self.param.pad_beg, self.param.pad_end
        (_, _, height, width) = self.infer_shapes(bottoms)[0]
        for axis in (2, 3):
            x = x.narrow(axis, begin, x.shape[axis] - begin + end)
        return [_interpolate(x, (height, width))]


@layer("Upsample")
class Upsample(UnrecordedLayer, Shaping):
    """Unpooling by a mask, the second bottom (SegNet, ENet); without one, each value repeated, or interpolated.

    Sources: src/caffe/layers/upsample_layer.cpp of alexgkendall/caffe-segnet, eric612/MobileNet-YOLO and
    Wulingtian/yolov5_caffe, whose ``mode`` can be BILINEAR.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, *mask = bottoms
        (_, _, height, width) = self.infer_shapes(bottoms)[0]
        if mask:
            return [_place_by_mask(self, x, mask[0], height, width)]
        if self.site.setting("upsample_param", "mode") == ["BILINEAR"]:
            return [_interpolate(x, (height, width))]
        return [scale_nearest(x, (height, width))]


@layer("Unpooling")
class Unpooling(UnrecordedLayer, Shaping):
    """MAX puts each value where the mask says, or at its window's start; AVE and TILE spread it over its window.

    AVE divides a value by the number of places. TILE does not, but divides the gradient, as the fork does. Source:
    src/caffe/layers/unpooling_layer.cpp of HyeonwooNoh/caffe (DeconvNet).
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.windows = unpooling_windows(site.layer)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, *mask = bottoms
        p = self.param
        (_, _, height, width) = self.infer_shapes(bottoms)[0]
        if p.unpool == p.MAX:
            places = mask[0] if mask else self._find_starts(x, height, width)
            return [_place_by_mask(self, x, places, height, width)]
        rows, columns = (
            torch.from_numpy(spread_windows(window, size, made)).to(x)
            for window, size, made in zip(self.windows, x.shape[2:], (height, width), strict=True)
        )
        shares = x / (rows.sum(0)[:, None] * columns.sum(0)).clamp(min=1)
        values = shares if p.unpool == p.AVE else shares + (x - shares).detach()
        return [rows @ values @ columns.T]

    def _find_starts(self, x: Tensor, height: int, width: int) -> Tensor:
        """The first place of each window, inside of the image."""
        rows, columns = (
            (torch.arange(size, device=x.device) * window.stride).clamp(max=made - 1)
            for window, size, made in zip(self.windows, x.shape[2:], (height, width), strict=True)
        )
        return (rows[:, None] * width + columns).expand(x.shape)


def _place_by_mask(layer: Shaping, x: Tensor, mask: Tensor, height: int, width: int) -> Tensor:
    """Images of zeros with the values at the places of the mask; of several at one place, the last one stays."""
    places = mask.detach().long()
    if places.shape != x.shape:
        layer.site.fail(f"has a mask of {tuple(places.shape)} for values of {tuple(x.shape)}", "let shapes agree")
    if places.numel() and not (int(places.min()) >= 0 and int(places.max()) < height * width):
        wrong = int(places.max() if int(places.min()) >= 0 else places.min())
        mend = "set the size that the pooling of the mask read"
        layer.site.fail(f"has a place {wrong} in its mask, and makes {height}x{width}", mend)
    placed: Tensor = _Place.apply(x.flatten(2), places.flatten(2), height * width)
    return placed.unflatten(2, (height, width))


class _Place(torch.autograd.Function):
    """Puts values at places. All that have one place get its gradient, those too that were overwritten."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, places: Tensor, count: int) -> Tensor:
        order = torch.arange(x.shape[2], device=x.device).expand(x.shape)
        last = torch.full((*x.shape[:2], count), -1, device=x.device)
        last.scatter_reduce_(2, places, order, "amax")
        ctx.save_for_backward(places)
        return x.gather(2, last.clamp(min=0)) * (last >= 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradients[0].gather(2, places), None, None
