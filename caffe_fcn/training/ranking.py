"""Which snapshot of a training is the best one, by a measure of their scores."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.engines.events import MEASURES, Score
from caffe_fcn.errors import CaffeFcnError, nearest


def rank(scores: Sequence[Score], measure: str) -> list[Score]:
    """Return the scores, the best first; of equal ones the earlier one is better."""
    return sorted(scores, key=lambda score: (-score.measures[measure], score.iteration))


def count_since_best(scores: Sequence[Score], measure: str) -> int:
    """Return how many scores came after the best one, none of which was better; 0 without scores."""
    return len(scores) - 1 - scores.index(rank(scores, measure)[0]) if scores else 0


def find_only_class(score: Score) -> int | None:
    """Return the number of the class that is predicted for every pixel; None where several are, or all is right.

    If all T pixels are predicted as class c, of which there are t_c, its accuracy is 1, and its IU t_c / T is the pixel
    accuracy. The other way round: with an accuracy of 1 its IU is t_c / p_c, for the p_c pixels predicted as c. Where
    no other class is ever right, that is t_c / T only if p_c is T.
    """
    right = [number for number, accuracy in enumerate(score.accuracy) if accuracy]
    if len(right) != 1 or score.pixel_accuracy == 1 or score.accuracy[right[0]] != 1:
        return None
    return right[0] if score.iu[right[0]] == score.pixel_accuracy else None


def require_measure(name: str) -> None:
    """Raise `CaffeFcnError` for a measure that does not exist."""
    if name not in MEASURES:
        raise CaffeFcnError(f"`measure` {name}", "no such measure", nearest(name, MEASURES) or ", ".join(MEASURES))


def name_measure(name: str) -> str:
    """Return the words for a measure: mean IU."""
    return name.replace("_", " ").replace(" iu", " IU")
