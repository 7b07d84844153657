"""What the databases of a split hold: means, sizes and label frequencies, in one pass and exact.

Sums are integers, so neither the order of the records nor the number of workers changes a figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets import datum
from caffe_fcn.datasets.database import Database
from caffe_fcn.datasets.parallel import in_order
from caffe_fcn.proto import BlobProto

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many records are done, and how many there are."""

_CHUNK = 64
_VALUES = 256


@dataclass
class Figures:
    """Sums over records; `+=` joins those of two runs of records."""

    count: int = 0
    sizes: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    """How many images have which C x H x W."""
    image_sum: NDArray[np.int64] | None = None
    """The sum of the images, C x H x W, as long as all have one shape."""
    channel_sum: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Channels -> the sum of each channel over the images that have so many."""
    label_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> pixels that have it."""
    present_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> pixels, of any value, of the labels in which it occurs."""

    def __iadd__(self, other: Figures) -> Figures:
        if self.count == 0:
            self.image_sum = other.image_sum
        elif other.count:
            self.image_sum = _sum_of_one_shape(self.image_sum, other.image_sum)
        self.count += other.count
        self.sizes += other.sizes
        for channels, total in other.channel_sum.items():
            self.channel_sum[channels] = self.channel_sum.get(channels, 0) + total
        self.label_pixels = self.label_pixels + other.label_pixels
        self.present_pixels = self.present_pixels + other.present_pixels
        return self

    def add(self, image: NDArray[np.uint8], label: NDArray[np.uint8] | None) -> None:
        """Count one record in."""
        one = Figures(1, Counter({image.shape: 1}), image.astype(np.int64))
        one.channel_sum[image.shape[0]] = image.sum(axis=(1, 2), dtype=np.int64)
        if label is not None:
            one.label_pixels = np.bincount(label.ravel(), minlength=_VALUES)
            one.present_pixels = np.where(one.label_pixels > 0, label.size, 0)
        self += one

    @property
    def mean(self) -> list[float] | None:
        """The mean of each channel, or None where images differ in their channels."""
        if len(self.channel_sum) != 1:
            return None
        pixels = sum(height * width * count for (_, height, width), count in self.sizes.items())
        return [float(total) / pixels for total in next(iter(self.channel_sum.values()))]


def measure(images: Database, labels: Database | None, workers: int = 1, progress: Progress | None = None) -> Figures:
    """The figures of a split; raises `DatasetError` where a record cannot be read."""

    def chunk(start: int) -> Figures:
        part = Figures()
        for index in range(start, min(start + _CHUNK, total)):
            label = None if labels is None else _array(labels, index)
            part.add(_array(images, index), label)
        return part

    total = len(images)
    figures = Figures()
    for part in in_order(chunk, range(0, total, _CHUNK), workers):
        figures += part
        if progress:
            progress("measuring", figures.count, total)
    return figures


def mean_blob(figures: Figures) -> bytes:
    """``mean.binaryproto`` as compute_image_mean writes it: 1 x C x H x W, single precision.

    Only where `Figures.image_sum` is there, that is where all images have one shape.
    """
    assert figures.image_sum is not None
    mean = figures.image_sum.astype(np.float32) / np.float32(figures.count)
    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width, data=mean.ravel())
    return bytes(blob.SerializeToString())


def _array(database: Database, index: int) -> NDArray[np.uint8]:
    where = f"{database.path}, record {index}"
    return datum.array(datum.parse(database[index], where), where)


def _sum_of_one_shape(a: NDArray[np.int64] | None, b: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return a + b if a is not None and b is not None and a.shape == b.shape else None
