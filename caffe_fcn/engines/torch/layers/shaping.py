"""Layers that move values and change none: Concat, Slice, Crop, Reshape, ... What shape comes of it, the table says."""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, layer
from caffe_fcn.net.layer_types import LAYER_TYPES, Shape, Site


class _Shaping(Layer):
    def shapes(self, bottoms: list[Tensor]) -> list[Shape]:
        """The shapes of the tops of these bottoms."""
        site = Site(self.site.layer, self.site.names, [tuple(bottom.shape) for bottom in bottoms])
        return LAYER_TYPES[self.site.layer.type].tops(site)


@layer("Flatten")
@layer("Reshape")
class Reshape(_Shaping):
    """The same values in another shape."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].reshape(self.shapes(bottoms)[0])]


@layer("Concat")
class Concat(Layer):
    """All bottoms one after the other along an axis."""

    fresh = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [torch.cat(bottoms, _axis(self.param, "concat_dim"))]


@layer("Slice")
class Slice(_Shaping):
    """The bottom cut along an axis, a piece for each top."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        axis = _axis(self.param, "slice_dim")
        return list(bottoms[0].split([shape[axis] for shape in self.shapes(bottoms)], axis))


def _axis(param: object, old: str) -> int:
    """``axis``, or what it was called before."""
    name = old if param.HasField(old) else "axis"  # type: ignore[attr-defined]
    return int(getattr(param, name))


@layer("Split")
class Split(Layer):
    """The bottom, once for each top."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return bottoms * len(self.site.layer.top)


@layer("Silence")
class Silence(Layer):
    """Nothing, of blobs that nobody else reads."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return []


@layer("Crop")
class Crop(Layer):
    """The size of the second bottom, cut out of the first at an offset."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, reference = bottoms
        axis = self.param.axis % x.dim()
        offsets = list(self.param.offset) or [0]
        if len(offsets) == 1:
            offsets = list(repeat(offsets[0], x.dim() - axis))
        for place, offset in enumerate(offsets, axis):
            x = x.narrow(place, offset, reference.shape[place])
        return [x]


@layer("Tile")
class Tile(Layer):
    """The bottom repeated along an axis."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        times = [1] * bottoms[0].dim()
        times[self.param.axis] = self.param.tiles
        return [bottoms[0].repeat(times)]


@layer("BatchReindex")
class BatchReindex(Layer):
    """The images of the first bottom in the order that the second tells."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0][bottoms[1].long()]]


@layer("Filter")
class Filter(Layer):
    """Of each bottom the images whose value in the last bottom is not 0; there may be none."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        *blobs, selector = bottoms
        (chosen,) = selector.detach().flatten().nonzero(as_tuple=True)
        return [blob[chosen] for blob in blobs]
