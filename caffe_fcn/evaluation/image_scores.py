"""The scores of single images: which ones a net gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageScore:
    """The scores of image number ``index`` of a data set; None where none of its pixels counts.

    ``mean_iu`` is the mean over the classes that are in its label.
    """

    index: int
    name: str
    pixel_accuracy: float | None
    mean_iu: float | None


def rank_images(scores: Sequence[ImageScore]) -> list[ImageScore]:
    """Return the images that have a mean IU, the worst first; of equal ones the one that comes first."""
    ranked = [(each.mean_iu, each.index, each) for each in scores if each.mean_iu is not None]
    return [each for _, _, each in sorted(ranked, key=lambda item: item[:2])]
