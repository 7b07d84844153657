"""The best score, the scores since then, and a net that predicts one class, judged by counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.engines import figures
from caffe_fcn.engines.events import MEASURES, Score
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.evaluation.scores import ConfusionMatrix
from caffe_fcn.training import Watch
from caffe_fcn.training.ranking import count_since_best, find_only_class, name_measure, rank

COUNTS = st.lists(st.integers(0, 3), min_size=9, max_size=9).filter(any)


def make_score(iteration: int, value: float) -> Score:
    return Score(iteration, value, 1 - value, value, value)


def score_counts(counts: np.ndarray) -> Score:
    confusion = ConfusionMatrix(len(counts))
    confusion.counts = counts
    found = confusion.scores()
    measures = [getattr(found, name) for name in MEASURES]
    return Score(7, *measures, tuple(found.accuracy), tuple(found.iu))


def test_of_equal_scores_the_earlier_is_better() -> None:
    scores = [make_score(number, value) for number, value in ((10, 0.1), (20, 0.5), (30, 0.5), (40, 0.2))]
    assert [score.iteration for score in rank(scores, "mean_iu")] == [20, 30, 40, 10]
    assert [score.iteration for score in rank(scores, "pixel_accuracy")] == [10, 40, 20, 30]
    assert [count_since_best(scores[:end], "mean_iu") for end in range(5)] == [0, 0, 0, 1, 2]


@given(COUNTS, st.one_of(st.none(), st.integers(0, 2)))
def test_one_class_everywhere_is_what_the_pixels_say(values: list[int], only: int | None) -> None:
    counts = np.array(values).reshape(3, 3)
    if only is not None:  # all pixels are predicted as this class
        predicted = counts.sum(1)
        counts = np.zeros((3, 3), int)
        counts[:, only] = predicted
    columns = [number for number in range(3) if counts[:, number].sum() == counts.sum()]
    right = counts.diagonal().sum()
    expected = columns[0] if columns and 0 < right < counts.sum() else None
    assert find_only_class(score_counts(counts)) == expected


@given(COUNTS)
def test_a_score_is_the_same_after_a_line_of_json(values: list[int]) -> None:
    score = score_counts(np.array(values).reshape(3, 3))
    assert figures.from_record(figures.read_line(figures.write_line(figures.to_record(score)))) == score


@pytest.mark.parametrize("record", [{"mean_iu": 1.0}, {**dict.fromkeys(MEASURES, 1.0), "mean_iu": "high"}, [], None])
def test_what_is_no_score_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="scores"):
        figures.from_record({"iteration": 1, "scores": record})


def test_measures_have_names() -> None:
    assert [name_measure(name) for name in MEASURES] == [
        *("mean IU", "pixel accuracy", "mean accuracy", "frequency weighted IU"),
    ]
    with pytest.raises(CaffeFcnError, match="did you mean mean_iu"):
        Watch(measure="mean_iou").check()
