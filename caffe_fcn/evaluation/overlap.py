"""IoU of masks that a threshold makes, as published for M2NIST: a pixel may be of several classes, or of none.

Of every class but the background (class 0, where there is one) the predicted mask is where its probability is above
the threshold. Intersections and unions are summed over all classes and pixels of a few images at a time (the four
of a batch), and the quotients averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

GROUP = 4
"""Images whose pixels are summed before intersection is divided by union: the published batch."""


@dataclass
class Overlap:
    """Counts labels and scores in; ``background`` is the class that has no mask, or None."""

    threshold: float
    background: int | None = 0
    _sums: list[tuple[int, int]] = field(default_factory=list)
    _count: int = 0

    def add(self, label: NDArray[np.uint8], score: NDArray[np.float32]) -> None:
        """Count in a label H x W and the scores C x H x W, which softmax turns into probabilities if they are none."""
        classes = [number for number in range(len(score)) if number != self.background]
        masks = label == np.array(classes)[:, None, None]
        predicted = probabilities(score)[classes] > self.threshold
        both, either = int((masks & predicted).sum()), int((masks | predicted).sum())
        if self._count % GROUP == 0:
            self._sums.append((0, 0))
        intersection, union = self._sums[-1]
        self._sums[-1] = (intersection + both, union + either)
        self._count += 1

    def iou(self) -> float:
        """The mean over groups, from 0 to 1; a group of which there is nothing to see, and nothing was seen, is 1."""
        return sum(both / either if either else 1.0 for both, either in self._sums) / len(self._sums)


def probabilities(score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores C x H x W as probabilities: as they are where they add up to 1, else their softmax."""
    if score.min() >= 0 and np.allclose(score.sum(axis=0), 1, atol=1e-4):
        return score
    powers = np.exp(score - score.max(axis=0))
    softmax: NDArray[np.float32] = powers / powers.sum(axis=0)
    return softmax
