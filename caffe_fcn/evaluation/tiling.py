"""A net run on an image in tiles, one after the other, so that an image may be larger than the memory for its blobs.

The tiles and their margins are those of `net.tiles`, which says why the result is that of the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines.heap import return_freed_pages
from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.predict import Part
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.tiles import Tile, TilePlan

Images = Mapping[str, NDArray[Any]]
Compute = Callable[[Images, Sequence[ImageInput]], NDArray[np.float32]]


def run_tiles(plan: TilePlan, compute: Compute, images: Images, inputs: Sequence[ImageInput]) -> Iterator[Part]:
    """Yield the parts of the output for images C x H x W; ``compute`` runs the net on a tile of them.

    Raises `EngineError` where the net's answer for a tile is smaller than its layers say.
    """
    return_freed_pages()
    for tile in plan.tiles:
        part = {blob: _cut(pixels, tile) for blob, pixels in images.items()}
        score = compute(part, [each.cut(images[each.blob].shape, tile.reads) for each in inputs])
        (top, bottom), (left, right) = tile.gives
        if score.shape[1] < bottom or score.shape[2] < right:
            what = f"answers {dims(score.shape[1:])} for a tile, where {dims((bottom, right))} follow from its layers"
            raise EngineError("net", what, "run it on whole images")
        yield tile.at[0][0], tile.at[1][0], score[:, top:bottom, left:right]
        del score


def join_parts(parts: Iterable[Part], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the scores C x H x W of an output of ``size`` (H, W) from its parts."""
    whole: NDArray[np.float32] | None = None
    for row, column, score in parts:
        if whole is None:
            whole = np.empty((len(score), *size), score.dtype)
        whole[:, row : row + score.shape[1], column : column + score.shape[2]] = score
    return np.empty((0, *size), np.float32) if whole is None else whole


def _cut(pixels: NDArray[Any], tile: Tile) -> NDArray[Any]:
    (top, bottom), (left, right) = tile.reads
    return pixels[:, top:bottom, left:right]
