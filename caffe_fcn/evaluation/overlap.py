"""IoU of thresholded masks, as published for M2NIST: a pixel may belong to several classes, or to none.

The predicted mask of a class is where its probability is above the threshold; the background (class 0, if there is
one) has no mask. Intersections and unions are summed over all classes and pixels of a group of images (the four of a
published batch), and the quotients of the groups are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

GROUP = 4
"""How many images are summed before the intersection is divided by the union: the published batch."""


@dataclass
class Overlap:
    """Accumulates labels and scores; ``background`` is the class that has no mask, or None.

    ``sums`` has the intersection and the union of each image.
    """

    threshold: float
    background: int | None = 0
    sums: list[tuple[int, int]] = field(default_factory=list)

    def add(self, label: NDArray[np.uint8], score: NDArray[np.float32]) -> None:
        """Add a label H x W and the scores C x H x W; scores that are not probabilities yet go through softmax."""
        classes = [number for number in range(len(score)) if number != self.background]
        masks = label == np.array(classes)[:, None, None]
        predicted = to_probabilities(score)[classes] > self.threshold
        self.sums.append((int((masks & predicted).sum()), int((masks | predicted).sum())))

    def iou(self) -> float:
        """Return the mean over groups, from 0 to 1; a group without any mask, labelled or predicted, counts as 1."""
        groups = [self.sums[start : start + GROUP] for start in range(0, len(self.sums), GROUP)]
        pairs = [(sum(both for both, _ in group), sum(either for _, either in group)) for group in groups]
        return sum(both / either if either else 1.0 for both, either in pairs) / len(pairs)


def to_probabilities(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores C x H x W as probabilities: unchanged if they add up to 1 everywhere, else their softmax."""
    if score.min() >= 0 and np.allclose(score.sum(axis=0), 1, atol=1e-4):
        return score
    powers = np.exp(score - score.max(axis=0))
    softmax: NDArray[np.float32] = powers / powers.sum(axis=0)
    return softmax
