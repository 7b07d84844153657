"""Triangles, the smallest data set on which a net can learn to segment: outlines in, filled shapes out.

A pair of grey images shows one triangle, 0 on a background of 255: the image has its outline, the label its outline and
its inside. The corners are uniform over the pixels. ``grid.png`` shows ten by ten outlines, so that the trained net can
run on an input that is larger than any it was trained on.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.records import datum, images
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError

BACKGROUND, INK = 255, 0
GRID_FILE, GRID_LABEL_FILE = "grid.png", "grid_label.png"

_TRAIN, _VAL, _GRID = range(3)  # streams of random numbers under one seed


def build(
    output: str | os.PathLike[str],
    count: int = 10_000,
    size: int = 32,
    val_percent: float = 10,
    grid: int = 10,
    seed: int = 1337,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Write ``count`` pairs of ``size`` x ``size``, of which ``val_percent`` are for validation.

    ``grid.png`` shows ``grid`` x ``grid`` outlines, and ``grid_label.png`` what a perfect net makes of them.
    Raises `DatasetError` for numbers that make no data set, and what `build_dataset` raises.
    """
    return plan(count, size, val_percent, grid, seed, options).build(output)


def plan(
    count: int = 10_000,
    size: int = 32,
    val_percent: float = 10,
    grid: int = 10,
    seed: int = 1337,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does; raises as it does."""
    val = round(count * val_percent / 100)
    if not 0 <= val_percent < 100 or val >= count or size < 2 or grid < 1:
        raise DatasetError(
            "triangles",
            "needs an image to train on, 2 pixels and 1 row of the grid",
            "a larger `count`, `size` or `grid`",
        )
    splits = [
        SplitSource(name, [f"{i:08d}" for i in range(length)], partial(_draw_record, size, (seed, stream)))
        for name, stream, length in (("train", _TRAIN, count - val), ("val", _VAL, val))
        if length
    ]
    about = Description(
        "triangles",
        channels=1,
        labels="grey",
        seed=seed,
        options={"count": count, "size": size, "val_percent": float(val_percent), "grid": grid},
    )

    def finish(folder: Path) -> None:
        for name, array in zip((GRID_FILE, GRID_LABEL_FILE), draw_grid(grid, size, seed), strict=True):
            with files.atomic_write(folder / name) as file:
                images.to_pillow(array[None]).save(file, "PNG")

    return Plan(about, splits, options, finish)


def draw_pair(corners: NDArray[np.int64], size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The outline and the filled triangle of ``corners`` (three pixels x, y), each ``size`` x ``size``."""
    from PIL import Image, ImageDraw

    def draw(fill: int | None) -> NDArray[np.uint8]:
        image = Image.new("L", (size, size), BACKGROUND)
        ImageDraw.Draw(image).polygon(corners.ravel().tolist(), outline=INK, fill=fill)
        return np.array(image)

    outline = draw(None)
    return outline, np.minimum(outline, draw(INK))  # Pillow's filling may miss pixels of its outline


def draw_grid(grid: int, size: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture of ``grid`` x ``grid`` outlines, and that of the filled triangles."""
    random = np.random.RandomState((seed, _GRID))
    cells = [[draw_pair(random.randint(0, size, (3, 2)), size) for _ in range(grid)] for _ in range(grid)]
    return (
        np.block([[outline for outline, _ in row] for row in cells]),
        np.block([[filled for _, filled in row] for row in cells]),
    )


def _draw_record(size: int, stream: tuple[int, int], index: int) -> Record:
    corners = np.random.RandomState((*stream, index)).randint(0, size, (3, 2))  # a generator that never changes
    outline, filled = draw_pair(corners, size)
    return Record({"images": datum.pack_raw(outline[None]), "labels": datum.pack_raw(filled[None])})
