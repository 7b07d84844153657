"""Statistics of a split: the mean, the sizes of images and the frequencies of classes, in one pass over its records.

Sums are integers, so the figures are exact: the order of the records and the number of threads do not change them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.parallel import map_in_order
from caffe_fcn.datasets.records import datum, opening
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.datasets.records.faults import REBUILD, Fault
from caffe_fcn.datasets.records.opening import CountMismatchError
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.files import PathLike
from caffe_fcn.progress import TaskProgress
from caffe_fcn.proto import BlobProto

_CHUNK = 64
_MOST_SIZES = 32
_VALUES = 256


@dataclass
class Statistics:
    """Sums over some records; ``+=`` adds those of other records."""

    count: int = 0
    sizes: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    """C x H x W -> the number of images that have it."""
    image_sum: NDArray[np.int64] | None = None
    """The sum of the images, C x H x W; None where they differ in shape or are floats."""
    channel_sum: dict[int, NDArray[Any]] = field(default_factory=dict)
    """Number of channels -> the sum of each channel, over the images with that number of channels."""
    label_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> the number of pixels that have it."""
    present_pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> the number of all pixels of the labels in which it occurs."""
    occurrences: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> the number of labels in which it occurs."""
    extent_sum: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_VALUES, np.int64))
    """Value -> the sum, over these labels, of the longer side of the box around its pixels."""

    def __iadd__(self, other: Statistics) -> Statistics:
        self._add_image_sum(other.image_sum, other.count)
        self.count += other.count
        self.sizes += other.sizes
        for channels, total in other.channel_sum.items():
            self.channel_sum[channels] = self.channel_sum.get(channels, 0) + total
        self.label_pixels += other.label_pixels
        self.present_pixels += other.present_pixels
        self.occurrences += other.occurrences
        self.extent_sum += other.extent_sum
        return self

    def add(self, image: NDArray[np.uint8], label: NDArray[np.uint8] | None) -> None:
        """Add one record."""
        whole = image.dtype == np.uint8  # floats, which other programs store, have a mean but no exact sum
        self._add_image_sum(image if whole else None, 1)
        self.count += 1
        self.sizes[image.shape] += 1
        channels = image.shape[0]
        self.channel_sum[channels] = self.channel_sum.get(channels, 0) + image.sum(
            axis=(1, 2), dtype=np.int64 if whole else np.float64
        )
        if label is not None:
            pixels = np.bincount(label.ravel(), minlength=_VALUES)
            self.label_pixels += pixels
            present = np.flatnonzero(pixels)
            self.present_pixels[present] += label.size
            self.occurrences[present] += 1
            self.extent_sum[present] += [_measure_extent(label == value) for value in present]

    def _add_image_sum(self, images: NDArray[Any] | None, count: int) -> None:
        if count == 0:
            return
        if self.count == 0:
            self.image_sum = None if images is None else images.astype(np.int64)
        elif self.image_sum is None or images is None or images.shape != self.image_sum.shape:
            self.image_sum = None
        else:
            self.image_sum += images

    @property
    def mean(self) -> list[float] | None:
        """The mean of each channel; None where images differ in their number of channels."""
        if len(self.channel_sum) != 1:
            return None
        pixels = sum(height * width * count for (_, height, width), count in self.sizes.items())
        return [float(total) / pixels for total in next(iter(self.channel_sum.values()))]

    def compute_weights(self, classes: int, ignore: int | None) -> list[float]:
        """Return the weight of each class by median-frequency balancing (Eigen and Fergus 2015).

        The weight of a class is the median of all frequencies divided by its own. Its frequency is its share of the
        pixels of the labels in which it occurs. A class that never occurs has the weight 0.
        """
        counted = np.arange(classes) != (-1 if ignore is None else ignore)
        pixels = np.where(counted, self.label_pixels[:classes], 0)
        frequency = pixels / np.maximum(self.present_pixels[:classes], 1)
        present = frequency > 0
        median = np.median(frequency[present]) if present.any() else 0.0
        return [float(w) for w in np.divide(median, frequency, out=np.zeros(classes), where=present)]

    def summarize(self, classes: int | None, ignore: int | None) -> dict[str, Any]:
        """Return the statistics of a split as ``dataset.json`` has them."""
        total = int(self.label_pixels.sum())
        ignored = int(self.label_pixels[ignore]) if ignore is not None else 0
        known: dict[str, Any] = {
            "count": self.count,
            "mean": self.mean,
            "sizes": [[*shape[1:], number] for shape, number in self.sizes.most_common(_MOST_SIZES)],
            "distinct_sizes": len(self.sizes),
            "pixels": {str(value): int(n) for value, n in enumerate(self.label_pixels) if n},
            "ignored_share": ignored / total if total else 0.0,
            "extents": {
                str(value): float(self.extent_sum[value] / self.occurrences[value])
                for value in np.flatnonzero(self.occurrences)
                if value != ignore
            },
        }
        if classes is not None:
            labelled = max(total - ignored, 1)
            counts = [0 if value == ignore else int(self.label_pixels[value]) for value in range(classes)]
            known["frequencies"] = [count / labelled for count in counts]
            known["weights"] = self.compute_weights(classes, ignore)
        return known


def _measure_extent(mask: NDArray[np.bool_]) -> int:
    """The longer side of the box around the pixels of a mask (C x H x W, or H x W), which has some."""
    sides = []
    for axis in (-2, -1):
        places = np.flatnonzero(np.any(mask, axis=axis).reshape(-1, mask.shape[-3 - axis]).any(axis=0))
        sides.append(int(places[-1] - places[0]) + 1)
    return max(sides)


def measure(
    images: Database, labels: Database | None, workers: int = 1, progress: TaskProgress | None = None
) -> Statistics:
    """Compute the statistics of a split; raises `DatasetError` where a record cannot be read or has no label."""
    total = len(images)
    if labels is not None and len(labels) != total:
        raise CountMismatchError(images, labels)

    def measure_chunk(start: int) -> Statistics:
        part = Statistics()
        for index in range(start, min(start + _CHUNK, total)):
            label = None if labels is None else to_class_indices(*_read_array(labels, index))
            part.add(check_finite(*_read_array(images, index)), label)
        return part

    statistics = Statistics()
    for part in map_in_order(measure_chunk, range(0, total, _CHUNK), workers):
        statistics += part
        if progress:
            progress(statistics.count, total)
    return statistics


def complete_statistics(
    folder: PathLike, about: Description, split: str, workers: int = 1, progress: TaskProgress | None = None
) -> None:
    """Measure a split whose description has no frequencies of classes, and add the figures to ``about``.

    Nothing is written, and nothing happens where no class has a name, or where the split has no labels. Raises
    `DatasetError` where a record cannot be read.
    """
    known = about.splits[split].get("statistics") or {}
    images, labels = opening.splits(folder).get(split, (None, None))
    if "frequencies" in known or not about.classes or images is None or labels is None:
        return
    measured = measure(Database(images), Database(labels), workers, progress)
    about.splits[split]["statistics"] = measured.summarize(len(about.classes), about.ignore_label)


def encode_infogain(weights: list[float]) -> bytes:
    """Encode the matrix H of an InfogainLoss, 1 x 1 x K x K, with the weights of the classes on its diagonal."""
    blob = BlobProto(num=1, channels=1, height=len(weights), width=len(weights))
    blob.data.extend(np.diag(weights).ravel())
    return bytes(blob.SerializeToString())


def encode_mean(image_sum: NDArray[np.int64], count: int) -> bytes:
    """Encode the mean of ``count`` images as compute_image_mean writes it: 1 x C x H x W, in single precision."""
    mean = image_sum.astype(np.float32) / np.float32(count)
    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width, data=mean.ravel())
    return bytes(blob.SerializeToString())


def check_finite(image: NDArray[Any], where: str) -> NDArray[Any]:
    """Return the image; raises `Fault` where it has values that are infinite or not a number."""
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise Fault("broken", where, "has values that are infinite or not a number", REBUILD)
    return image


def to_class_indices(label: NDArray[Any], where: str) -> NDArray[np.uint8]:
    """Convert a label to 8 bits; raises `Fault` for floats that are not class indices."""
    if label.dtype == np.uint8:
        return label
    if not ((label >= 0) & (label < _VALUES) & (label == np.floor(label))).all():
        raise Fault("outside", where, "has values that are not class indices", REBUILD)
    return label.astype(np.uint8)


def _read_array(database: Database, index: int) -> tuple[NDArray[Any], str]:
    where = f"{database.path}, record {index}"
    return datum.to_array(datum.parse(database[index], where), where), where
