"""How good a labelling is, from a confusion matrix: the four measures of the FCN papers, and those of each class.

    confusion = ConfusionMatrix(21)
    confusion.add(label, prediction, ignore=255, where="2007_000033.png")
    confusion.scores().mean_iu

n_ij is the number of pixels of class i that are predicted as class j, t_i the number of pixels of class i:

- pixel accuracy: sum_i n_ii / sum_i t_i
- mean accuracy: the mean over classes of n_ii / t_i
- mean IU: the mean over classes of n_ii / (t_i + sum_j n_ji - n_ii)
- frequency-weighted IU: the mean over classes of the IU, weighted by t_i

Source: Long, Shelhamer and Darrell 2015, section 5. Means are over the classes that are in a label; `Scores.absent`
names the others. Such a class has no accuracy, and its IU is 0 where it was predicted. (The reference's score.py, and
torchmetrics, count that 0 in the mean, so that the mean depends on which classes a net invents.) Counts are exact.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import DatasetError


@dataclass(frozen=True)
class Scores:
    """The measures, each from 0 to 1; None for a class that does not have the measure.

    ``absent`` are the numbers of the classes that are in no label, which the means leave out.
    """

    pixel_accuracy: float
    mean_accuracy: float
    mean_iu: float
    frequency_weighted_iu: float
    accuracy: Sequence[float | None]
    iu: Sequence[float | None]
    absent: Sequence[int] = ()


class ConfusionMatrix:
    """``counts[i, j]`` pixels of class i were predicted as class j."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, label: NDArray[np.uint8], prediction: NDArray[np.integer], ignore: int | None, where: str) -> None:
        """Add a label and a prediction, both H x W; raises `DatasetError` at ``where`` if a label is not a class.

        The prediction's pixels are classes.
        """
        classes = len(self.counts)
        counted = np.ones(label.shape, bool) if ignore is None else label != ignore
        known = label[counted].astype(np.int64)
        if known.size and known.max() >= classes:
            mend = f"`ignore` {known.max()} passes over it"
            raise DatasetError(where, f"label {known.max()} is none of the classes 0 to {classes - 1}", mend)
        pairs = known * classes + prediction[counted]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def scores(self) -> Scores:
        """Compute the measures of all pixels so far; raises `DatasetError` if there are none."""
        right = self.counts.diagonal()
        labelled, predicted = self.counts.sum(1), self.counts.sum(0)
        total = int(labelled.sum())
        if not total:
            raise DatasetError("labels", "not one pixel counts", "is everything the ignored label?")
        accuracy, iu = _divide(right, labelled), _divide(right, labelled + predicted - right)
        weighted = sum(count * value for count, value in zip(labelled.tolist(), iu, strict=True) if value is not None)
        absent = np.flatnonzero(labelled == 0).tolist()
        mean_accuracy, mean_iu = average_classes(accuracy, absent), average_classes(iu, absent)
        return Scores(int(right.sum()) / total, mean_accuracy, mean_iu, weighted / total, accuracy, iu, absent)


def _divide(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float | None]:
    return [p / w if w else None for p, w in zip(part.tolist(), whole.tolist(), strict=True)]


def average_classes(values: Sequence[float | None], absent: Collection[int]) -> float:
    """Return the mean of a measure over the classes that are not ``absent`` from the labels."""
    known = [value for number, value in enumerate(values) if value is not None and number not in absent]
    return sum(known) / len(known)
