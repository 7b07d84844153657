"""The scores of a labelling of many images, as they are printed, and kept in ``scores.json``.

The fields of the JSON object, figures from 0 to 1, null where there is none:

| field | what it has |
|---|---|
| weights | the name of the weights file; empty where label images were compared |
| images | the number of images |
| pixel_accuracy, mean_accuracy, mean_iu, frequency_weighted_iu | see `scores` |
| mean_boundary_iu, boundary | see `boundaries`; the width of the bands in pixels, or null: 0.02 of the diagonal |
| absent | the numbers of the classes that are in no label, which the means leave out |
| per_class | for each class: class (its number), name, accuracy, iu, boundary_iu, pixels (labelled so), predicted |
| confusion | a row for each class of the labels: how many of its pixels were predicted as each class |
| per_image | for each image: index (in the split), name, pixel_accuracy, mean_iu (over the classes of its label) |
| above | threshold and iu of masks, where they were asked for |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.evaluation.image_scores import ImageScore
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.scores import Scores, average_classes
from caffe_fcn.evaluation.tally import Tally


@dataclass(frozen=True)
class Evaluation:
    """The scores of a labelling of ``images`` images; ``classes`` are the names of the classes.

    ``confusion`` is as `ConfusionMatrix.counts`, ``boundary_iu`` has a figure for each class, ``boundary`` is the width
    of its bands (see `Settings`), ``image_scores`` are those of each image. ``overlap`` is the IoU of masks above the
    threshold ``above``, if one was given. ``note`` says what the user should know: which engine ran, which classes are
    absent. ``weights`` is the name of the weights file.
    """

    images: int
    classes: Sequence[str]
    scores: Scores
    overlap: float | None = None
    note: str = ""
    weights: str = ""
    confusion: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    boundary_iu: Sequence[float | None] = ()
    boundary: int | None = None
    image_scores: Sequence[ImageScore] = ()

    @property
    def mean_boundary_iu(self) -> float:
        """The mean over the classes that are in a label."""
        return average_classes(self.boundary_iu, self.scores.absent)

    def to_json(self, above: float | None = None) -> dict[str, object]:
        """Return the scores as a JSON object; ``above`` is the threshold of the masks, if one was given."""
        scores = self.scores
        columns = (self.classes, scores.accuracy, scores.iu, self.boundary_iu)
        counts = zip(self.confusion.sum(1).tolist(), self.confusion.sum(0).tolist(), strict=True)
        rows = zip(*columns, counts, strict=True)
        return {
            "weights": self.weights,
            "images": self.images,
            "pixel_accuracy": scores.pixel_accuracy,
            "mean_accuracy": scores.mean_accuracy,
            "mean_iu": scores.mean_iu,
            "frequency_weighted_iu": scores.frequency_weighted_iu,
            "mean_boundary_iu": self.mean_boundary_iu,
            "boundary": self.boundary,
            "absent": list(scores.absent),
            "per_class": [
                {
                    "class": number,
                    "name": name,
                    "accuracy": accuracy,
                    "iu": iu,
                    "boundary_iu": boundary,
                    "pixels": pixels,
                    "predicted": predicted,
                }
                for number, (name, accuracy, iu, boundary, (pixels, predicted)) in enumerate(rows)
            ],
            "confusion": self.confusion.tolist(),
            "per_image": [asdict(each) for each in self.image_scores],
            **({} if above is None else {"above": {"threshold": above, "iu": self.overlap}}),
        }


def make_evaluation(
    tally: Tally, classes: Sequence[str], note: str = "", weights: str = "", above: float | None = None
) -> Evaluation:
    """Compute the scores of what was counted; raises `DatasetError` where not one pixel counts."""
    scores = tally.confusion.scores()
    overlap = None
    if above is not None:
        overlap = Overlap(above, sums=[tally.masks[index] for index in sorted(tally.masks)]).iou()
    return Evaluation(
        len(tally.images),
        classes,
        scores,
        overlap,
        "; ".join(filter(None, (note, _describe_absent(scores, classes, tally)))),
        weights,
        tally.confusion.counts,
        tally.boundaries.iou(),
        tally.boundaries.pixels,
        tally.images,
    )


def _describe_absent(scores: Scores, classes: Sequence[str], tally: Tally) -> str:
    """Say which classes the means leave out, and which of these were predicted all the same."""
    if not scores.absent:
        return ""
    predicted = tally.confusion.counts.sum(0)
    names = [classes[number] + (" (which is predicted)" if predicted[number] else "") for number in scores.absent]
    shown = ", ".join(names[:_MOST_NAMES]) + (f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else "")
    return f"no label has {shown}: the means leave {'it' if len(names) == 1 else 'them'} out"


_MOST_NAMES = 8
