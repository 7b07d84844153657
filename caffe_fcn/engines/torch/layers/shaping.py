"""Layers that move values without changing them: Concat, Slice, Crop, Reshape, ...; and those of forks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import Function, TorchLayer, UnrecordedLayer, layer
from caffe_fcn.net.layer_types import Shape, Site
from caffe_fcn.net.layer_types.shaping import adds_crops, permutation, read_crop_flags


class Shaping(TorchLayer):
    """Makes tops whose shapes the row of the layer type says."""

    def infer_shapes(self, bottoms: list[Tensor]) -> list[Shape]:
        """The shapes of the tops of these bottoms, from the row of the layer type."""
        return self.row.tops(Site(self.site.layer, self.site.names, [tuple(bottom.shape) for bottom in bottoms]))


@layer("Flatten")
@layer("Reshape")
class Reshape(Shaping):
    """The same values in another shape."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].reshape(self.infer_shapes(bottoms)[0])]


@layer("Concat")
class Concat(TorchLayer):
    """Joins all bottoms along an axis."""

    allocates_tops = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [torch.cat(bottoms, _find_axis(self.param, "concat_dim"))]

    def has_function(self, shapes: Sequence[Shape]) -> bool:
        return True

    def make_function(self, exact: bool) -> Function:
        axis = _find_axis(self.param, "concat_dim")
        return lambda *bottoms: torch.cat(bottoms, axis)


@layer("Slice")
class Slice(Shaping):
    """Cuts the bottom along an axis, into one piece for each top."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        axis = _find_axis(self.param, "slice_dim")
        return list(bottoms[0].split([shape[axis] for shape in self.infer_shapes(bottoms)], axis))


def _find_axis(param: Any, old_name: str) -> int:
    """``axis``, which older nets call ``old_name``."""
    return int(getattr(param, old_name if param.HasField(old_name) else "axis"))


@layer("ShuffleChannel")
class ShuffleChannel(TorchLayer):
    """Deals the channels out: the first of each group, then the second of each, ... (ShuffleNet, section 3.1)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].unflatten(1, (self.param.group, -1)).transpose(1, 2).flatten(1, 2)]


@layer("Split")
class Split(TorchLayer):
    """Gives the bottom to each top."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return bottoms * len(self.site.layer.top)


@layer("Silence")
class Silence(TorchLayer):
    """Reads blobs that no other layer reads, and makes none."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return []


@layer("Crop")
class Crop(TorchLayer):
    """Cuts a part with the size of the second bottom out of the first, at an offset."""

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
class Tile(TorchLayer):
    """Repeats the bottom along an axis."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        times = [1] * bottoms[0].dim()
        times[self.param.axis] = self.param.tiles
        return [bottoms[0].repeat(times)]


@layer("BatchReindex")
class BatchReindex(TorchLayer):
    """The images of the first bottom whose indices the second has, in that order."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0][bottoms[1].long()]]


@layer("Filter")
class Filter(UnrecordedLayer):
    """Keeps, from each bottom, the images whose value in the last bottom is not 0; perhaps none."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        *blobs, selector = bottoms
        (selected,) = selector.detach().flatten().nonzero(as_tuple=True)
        return [blob[selected] for blob in blobs]


# Forks


@layer("Permute")
class Permute(TorchLayer):
    """The axes in another order (SSD's permute_layer.cpp)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].permute(permutation(self.site.layer, bottoms[0].dim()))]


@layer("Transpose")
class Transpose(TorchLayer):
    """The axes in another order, all of which are named (CTPN's transpose_layer.cpp)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].permute(self.site.numbers("transpose_param", "dim", int))]


@layer("Reverse")
class Reverse(TorchLayer):
    """One axis backwards, by default the first (CTPN's reverse_layer.cpp)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].flip(self.site.numbers("reverse_param", "axis", int) or [0])]


@layer("Reorg")
class Reorg(Shaping):
    """Blocks of pixels become channels, or with ``reverse`` channels blocks (reorg_layer.cpp of YOLO v2's fork).

    The layer of YOLO is not the inverse of its reverse: it takes the values as if they had fewer channels of a larger
    image already, takes those apart, and gives the result the shape that was asked for.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, stride = bottoms[0], self.param.stride
        count, channels, height, width = x.shape
        (shape,) = self.infer_shapes(bottoms)
        if channels % stride**2:
            self.site.fail(f"stride {stride} needs a multiple of {stride**2} channels, not {channels}")
        groups = channels // stride**2
        if self.param.reverse:
            blocks = x.reshape(count, stride, stride, groups, height, width).permute(0, 3, 4, 1, 5, 2)
        else:
            blocks = x.reshape(count, groups, height, stride, width, stride).permute(0, 3, 5, 1, 2, 4)
        return [blocks.reshape(shape)]


@layer("MergeCrop")
class MergeCrop(TorchLayer):
    """The middle of the second bottom, joined or added to the first (naibaf7's mergecrop_layer.cpp).

    ``forward`` and ``backward`` say of each bottom whether its values and its gradient count; the second one has no
    gradient where nothing is said.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, larger = bottoms
        for axis in range(2, x.dim()):
            size = x.shape[axis]
            larger = larger.narrow(axis, (larger.shape[axis] - size) // 2, size)
        parts = [
            (part if learns else part.detach()) * counts
            for part, counts, learns in zip(
                (x, larger), *(read_crop_flags(self.site, name) for name in ("forward", "backward")), strict=True
            )
        ]
        return [parts[0] + parts[1] if adds_crops(self.site) else torch.cat(parts, 1)]
