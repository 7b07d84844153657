"""Layers that move values without changing them: Concat, Slice, Crop, Reshape, ..."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import TorchLayer, layer
from caffe_fcn.net.layer_types import Shape, Site


class _Shaping(TorchLayer):
    def infer_shapes(self, bottoms: list[Tensor]) -> list[Shape]:
        """The shapes of the tops of these bottoms, from the row of the layer type."""
        return self.row.tops(Site(self.site.layer, self.site.names, [tuple(bottom.shape) for bottom in bottoms]))


@layer("Flatten")
@layer("Reshape")
class Reshape(_Shaping):
    """The same values in another shape."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [bottoms[0].reshape(self.infer_shapes(bottoms)[0])]


@layer("Concat")
class Concat(TorchLayer):
    """Joins all bottoms along an axis."""

    allocates_tops = True

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [torch.cat(bottoms, _find_axis(self.param, "concat_dim"))]


@layer("Slice")
class Slice(_Shaping):
    """Cuts the bottom along an axis, into one piece for each top."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        axis = _find_axis(self.param, "slice_dim")
        return list(bottoms[0].split([shape[axis] for shape in self.infer_shapes(bottoms)], axis))


def _find_axis(param: Any, old_name: str) -> int:
    """``axis``, which older nets call ``old_name``."""
    return int(getattr(param, old_name if param.HasField(old_name) else "axis"))


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
class Filter(TorchLayer):
    """Keeps, from each bottom, the images whose value in the last bottom is not 0; perhaps none."""

    @property
    def is_recordable(self) -> bool:
        return False

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        *blobs, selector = bottoms
        (selected,) = selector.detach().flatten().nonzero(as_tuple=True)
        return [blob[selected] for blob in blobs]
