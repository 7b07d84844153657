"""Layers of forks that pool regions of a feature map, each to one size: ROIPooling, PSROIPooling, ROIAlign.

The second bottom has a row for each region: the number of its image, and its corners x1, y1, x2, y2 in pixels of the
net's input, which ``spatial_scale`` brings to places of the feature map. No gradient reaches the regions.

A region is divided into bins, and a bin is a product of a window of rows and one of columns. Averages over bins are
therefore two products of matrices, whose rows are the bins of one axis.
"""

from __future__ import annotations

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.anchors import refuse_other_forks


class _RegionPooling(UnrecordedLayer):
    """Pools the regions of each image in turn; a subclass says how."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        refuse_other_forks(site)

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0]
        regions = bottoms[1].detach().reshape(bottoms[1].shape[0], -1)
        if regions.shape[1] != _NUMBERS:
            self.site.fail(
                f"reads regions {dims(tuple(bottoms[1].shape))}", "each is an image and the corners of a box"
            )
        images = regions[:, 0].long()
        if images.numel() and not (int(images.min()) >= 0 and int(images.max()) < len(x)):
            self.site.fail(f"has a region of an image that is none of 0 to {len(x) - 1}", "correct the regions")
        pooled: Tensor | None = None
        for number, image in enumerate(x):
            (which,) = (images == number).nonzero(as_tuple=True)
            part = self.pool(image, regions[which, 1:])
            pooled = x.new_zeros(len(regions), *part.shape[1:]) if pooled is None else pooled
            pooled = pooled.index_copy(0, which, part)
        if pooled is None:
            self.site.fail("reads a batch without images", "give one at least")
        return [pooled]

    def pool(self, image: Tensor, corners: Tensor) -> Tensor:
        """The pooled regions (R x C x H x W) of an image (C x H x W), with R x 4 corners."""
        raise NotImplementedError


_NUMBERS = 5  # of a region


def _round(values: Tensor) -> Tensor:
    """The nearest whole number; of two the one farther from zero, as C's round."""
    whole = values.abs().floor()
    return values.sign() * (whole + (values.abs() - whole >= 0.5))


def _divide(sizes: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Where each bin of regions with these sizes begins and ends, counted from the region: R x bins each."""
    index = torch.arange(bins, device=sizes.device, dtype=sizes.dtype)
    size = (sizes / bins)[:, None]
    return index * size, (index + 1) * size


@layer("ROIPooling")
class ROIPooling(_RegionPooling):
    """The maximum of each bin, and zero where a bin is empty (Fast R-CNN's roi_pooling_layer.cpp)."""

    def pool(self, image: Tensor, corners: Tensor) -> Tensor:
        left, top, right, bottom = _round(corners * self.param.spatial_scale).unbind(1)
        bins = (self.param.pooled_h, self.param.pooled_w)
        edges: list[list[list[int]]] = []
        for begin, end, count, extent in zip((top, left), (bottom, right), bins, image.shape[1:], strict=True):
            first, last = _divide((end - begin + 1).clamp(min=1), count)
            for edge in (first.floor(), last.ceil()):
                edges.append((edge + begin[:, None]).clamp(0, extent).long().tolist())
        pooled = [_find_maxima(image, *windows) for windows in zip(*edges, strict=True)]
        return torch.stack(pooled) if pooled else image.new_zeros(0, len(image), *bins)


def _find_maxima(image: Tensor, tops: list[int], bottoms: list[int], lefts: list[int], rights: list[int]) -> Tensor:
    """The maxima of one region's bins. Of equal values the first gets the gradient: in the first row that has it."""

    def reduce(x: Tensor, axis: int, begin: int, end: int) -> Tensor:
        part = x.narrow(axis, begin, max(end - begin, 0))
        return part.max(axis).values if part.shape[axis] else x.select(axis, 0) * 0

    columns = torch.stack([reduce(image, 2, *window) for window in zip(lefts, rights, strict=True)], 2)
    return torch.stack([reduce(columns, 1, *window) for window in zip(tops, bottoms, strict=True)], 1)


@layer("PSROIPooling")
class PSROIPooling(_RegionPooling):
    """The average of each bin over a group of channels of the bin's own (R-FCN's psroi_pooling_layer.cu)."""

    def pool(self, image: Tensor, corners: Tensor) -> Tensor:
        group, scale = self.param.group_size, self.param.spatial_scale
        left, top = (_round(corners[:, :2]) * scale).unbind(1)
        right, bottom = ((_round(corners[:, 2:]) + 1) * scale).unbind(1)
        height, width = image.shape[1:]
        rows, columns = (
            _average(begin, (end - begin).clamp(min=_SMALLEST), group, extent)
            for begin, end, extent in ((top, bottom, height), (left, right, width))
        )
        channels = image.reshape(self.param.output_dim, group, group, height, width)
        return torch.einsum("rih,rjw,dijhw->rdij", rows, columns, channels)


_SMALLEST = 0.1  # side of a region


def _average(starts: Tensor, sizes: Tensor, bins: int, extent: int) -> Tensor:
    """Weights (R x bins x extent) with which a product averages over bins; zeros for an empty one."""
    first, last = _divide(sizes, bins)
    begins = (first + starts[:, None]).floor().clamp(0, extent)[..., None]
    ends = (last + starts[:, None]).ceil().clamp(0, extent)[..., None]
    places = torch.arange(extent, device=starts.device, dtype=starts.dtype)
    return ((places >= begins) & (places < ends)) / (ends - begins).clamp(min=1)


@layer("ROIAlign")
class ROIAlign(_RegionPooling):
    """The average of bilinear samples in each bin (He et al., Mask R-CNN), as Detectron takes them.

    There are ``sampling_ratio`` samples along each axis of a bin, or as many as a bin has places. Forks differ in
    regions that leave the image, and some take maxima: no public net says which it was trained with.
    """

    def pool(self, image: Tensor, corners: Tensor) -> Tensor:
        left, top, right, bottom = (corners * self.param.spatial_scale).unbind(1)
        height, width = image.shape[1:]
        ratio = next(iter(self.site.numbers("roi_align_param", "sampling_ratio", int)), 0)
        rows, columns = (
            _sample(begin, (end - begin).clamp(min=1), bins, extent, ratio)
            for begin, end, bins, extent in (
                (top, bottom, self.param.pooled_h, height),
                (left, right, self.param.pooled_w, width),
            )
        )
        return torch.einsum("rih,rjw,chw->rcij", rows, columns, image)


def _sample(starts: Tensor, sizes: Tensor, bins: int, extent: int, ratio: int) -> Tensor:
    """Weights (R x bins x extent) with which a product averages over the samples of bins.

    A sample more than one place outside the feature map counts as zero, a nearer one as the border.
    """
    size = sizes / bins
    counts = torch.full_like(size, ratio) if ratio > 0 else size.ceil()
    weights = starts.new_zeros(len(starts), bins, extent)
    bin_starts = starts[:, None] + _divide(sizes, bins)[0]
    for sample in range(int(counts.max()) if counts.numel() else 0):
        places = bin_starts + ((sample + 0.5) * size / counts)[:, None]
        counted = (sample < counts)[:, None] & (places >= -1) & (places <= extent)
        places = places.clamp(0, extent - 1)
        low = places.floor()
        fraction = places - low
        for place, weight in ((low, 1 - fraction), (low + 1, fraction)):
            share = torch.where(counted, weight, 0) / counts[:, None]
            weights.scatter_add_(2, place.long().clamp(max=extent - 1)[..., None], share[..., None])
    return weights
