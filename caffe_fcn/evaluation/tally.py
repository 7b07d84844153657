"""What the images of a data set add to the scores: counts, which several processes can make and add up.

    tally = Tally(21)
    tally.add(0, "2007_000033", label, prediction, ignore=255, where="2007_000033.png")
    tally.merge(other)                  # of other images; the order does not matter
    tally.confusion.scores().mean_iu

All counts are whole numbers, so the scores are the same to the last digit however the images were shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.evaluation.boundaries import Boundaries
from caffe_fcn.evaluation.image_scores import ImageScore
from caffe_fcn.evaluation.scores import ConfusionMatrix


class Tally:
    """The counts of some images, and the scores of each.

    ``boundary`` is the width of the bands along contours (see `Boundaries`). ``masks`` has, by the number of the image,
    the intersection and the union of its masks above a threshold, where these are asked for.
    """

    def __init__(self, classes: int, boundary: int | None = None) -> None:
        self.confusion = ConfusionMatrix(classes)
        self.boundaries = Boundaries(classes, boundary)
        self.images: list[ImageScore] = []
        self.masks: dict[int, tuple[int, int]] = {}

    def add(
        self,
        index: int,
        name: str,
        label: NDArray[np.uint8],
        prediction: NDArray[np.integer[Any]],
        ignore: int | None,
        where: str,
    ) -> None:
        """Add image number ``index``, label and prediction H x W; raises `DatasetError` as `ConfusionMatrix.add`."""
        single = ConfusionMatrix(len(self.confusion.counts))
        single.add(label, prediction, ignore, where)
        self.boundaries.add(label, prediction, ignore)
        self.confusion.counts += single.counts
        scores = single.scores() if single.counts.any() else None
        figures = (scores.pixel_accuracy, scores.mean_iu) if scores else (None, None)
        self.images.append(ImageScore(index, name, *figures))

    def merge(self, other: Tally) -> None:
        """Add the counts of other images of the same data set."""
        self.confusion.counts += other.confusion.counts
        self.boundaries.intersections += other.boundaries.intersections
        self.boundaries.unions += other.boundaries.unions
        self.images = sorted([*self.images, *other.images], key=lambda each: each.index)
        self.masks.update(other.masks)

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object, from which `from_json` makes them again."""
        return {
            "confusion": self.confusion.counts.tolist(),
            "width": self.boundaries.pixels,
            "intersections": self.boundaries.intersections.tolist(),
            "unions": self.boundaries.unions.tolist(),
            "images": [asdict(each) for each in self.images],
            "masks": [[index, *pair] for index, pair in self.masks.items()],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Tally:
        """Return what `to_json` made a JSON object of."""
        result = cls(len(content["confusion"]), content["width"])
        result.confusion.counts[...] = content["confusion"]
        result.boundaries.intersections[...] = content["intersections"]
        result.boundaries.unions[...] = content["unions"]
        result.images = [ImageScore(**each) for each in content["images"]]
        result.masks = {index: (both, either) for index, both, either in content["masks"]}
        return result
