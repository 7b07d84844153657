"""How good a labelling is, from a confusion matrix: the four measures of the FCN papers, and those of each class.

    confusion = Confusion(21)
    confusion.add(label, prediction, ignore=255)
    confusion.scores().mean_iu

With n_ij the pixels of class i that are taken for class j, and t_i those of class i:

- pixel accuracy: sum_i n_ii / sum_i t_i
- mean accuracy: the mean over classes of n_ii / t_i
- mean IU: the mean over classes of n_ii / (t_i + sum_j n_ji - n_ii)
- frequency-weighted IU: the mean of the classes' IU, each weighing t_i

Source: Long, Shelhamer and Darrell 2015, section 5. Classes that occur neither in labels nor in predictions have no
IU, those that do not occur in labels no accuracy; means are over the others. Counts are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import DatasetError


@dataclass(frozen=True)
class Scores:
    """The measures, each from 0 to 1; None for a class that has none."""

    pixel_accuracy: float
    mean_accuracy: float
    mean_iu: float
    frequency_weighted_iu: float
    accuracy: Sequence[float | None]
    iu: Sequence[float | None]


class Confusion:
    """``counts[i, j]`` pixels of class i were taken for class j."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, label: NDArray[np.uint8], prediction: NDArray[np.integer], ignore: int | None, where: str) -> None:
        """Count a label and a prediction, both H x W; raises `DatasetError` for a label that is no class."""
        classes = len(self.counts)
        counted = np.ones(label.shape, bool) if ignore is None else label != ignore
        known = label[counted].astype(np.int64)
        if known.size and known.max() >= classes:
            mend = f"--ignore {known.max()} passes over it"
            raise DatasetError(where, f"label {known.max()} is none of the net's classes 0 to {classes - 1}", mend)
        pairs = known * classes + prediction[counted]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def scores(self) -> Scores:
        """The measures of all that was counted; raises `DatasetError` where that is nothing."""
        right = self.counts.diagonal()
        labelled, predicted = self.counts.sum(1), self.counts.sum(0)
        total = int(labelled.sum())
        if not total:
            raise DatasetError("labels", "not one pixel counts", "is everything the ignored label?")
        accuracy, iu = _ratios(right, labelled), _ratios(right, labelled + predicted - right)
        weighted = sum(count * value for count, value in zip(labelled.tolist(), iu, strict=True) if value is not None)
        return Scores(int(right.sum()) / total, _mean(accuracy), _mean(iu), weighted / total, accuracy, iu)


def _ratios(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float | None]:
    return [p / w if w else None for p, w in zip(part.tolist(), whole.tolist(), strict=True)]


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)
