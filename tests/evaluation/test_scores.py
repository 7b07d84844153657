"""The four measures of segmentation, and IoU above a threshold, against their definitions pixel by pixel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.errors import DatasetError
from caffe_fcn.evaluation.overlap import Overlap
from caffe_fcn.evaluation.scores import ConfusionMatrix

IGNORED = 255


@st.composite
def labellings(draw: st.DrawFn) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
    """Classes, labels with ignored pixels, and predictions."""
    classes = draw(st.integers(1, 5))
    label = st.one_of(st.integers(0, classes - 1), st.just(IGNORED))
    images = draw(st.integers(1, 3))
    labels = [draw(st.lists(label, min_size=6, max_size=6)) for _ in range(images)]
    labels[0][0] = 0
    predicted = st.lists(st.integers(0, classes - 1), min_size=6, max_size=6)
    predictions = [draw(predicted) for _ in range(images)]
    return classes, *([np.array(row, np.uint8).reshape(2, 3) for row in rows] for rows in (labels, predictions))


@given(case=labellings())
def test_the_measures_are_their_definitions(case: tuple[int, list[np.ndarray], list[np.ndarray]]) -> None:
    classes, labels, predictions = case
    confusion = ConfusionMatrix(classes)
    for label, prediction in zip(labels, predictions, strict=True):
        confusion.add(label, prediction, IGNORED, "here")
    found = confusion.scores()

    both = [
        (int(true), int(guess))
        for label, prediction in zip(labels, predictions, strict=True)
        for true, guess in zip(label.ravel(), prediction.ravel(), strict=True)
        if true != IGNORED
    ]
    accuracy, iu, weighted = [], [], Fraction(0)
    for each in range(classes):
        right = sum(true == guess == each for true, guess in both)
        of_class = sum(true == each for true, _ in both)
        either = sum(each in pair for pair in both)
        accuracy.append(Fraction(right, of_class) if of_class else None)
        iu.append(Fraction(right, either) if either else None)
        weighted += of_class * (iu[-1] or 0)

    absent = [each for each in range(classes) if accuracy[each] is None]

    def mean(values: list[Fraction | None]) -> Fraction:
        known = [value for each, value in enumerate(values) if value is not None and each not in absent]
        return sum(known, Fraction(0)) / len(known)

    assert found.absent == absent
    assert found.pixel_accuracy == pytest.approx(float(Fraction(sum(a == b for a, b in both), len(both))))
    assert found.mean_accuracy == pytest.approx(float(mean(accuracy)))
    assert found.mean_iu == pytest.approx(float(mean(iu)))
    assert found.frequency_weighted_iu == pytest.approx(float(weighted / len(both)))
    assert found.accuracy == pytest.approx([None if each is None else float(each) for each in accuracy])
    assert found.iu == pytest.approx([None if each is None else float(each) for each in iu])


def test_a_label_that_the_net_does_not_have_is_refused_with_its_place() -> None:
    with pytest.raises(DatasetError, match=r"^image 3: label 7 is none of the classes 0 to 2 \(`ignore` 7"):
        ConfusionMatrix(3).add(np.array([[0, 7]], np.uint8), np.zeros((1, 2), int), IGNORED, "image 3")


def test_nothing_that_counts_is_refused() -> None:
    confusion = ConfusionMatrix(3)
    confusion.add(np.full((2, 2), IGNORED, np.uint8), np.zeros((2, 2), int), IGNORED, "here")
    with pytest.raises(DatasetError, match="not one pixel counts"):
        confusion.scores()


@pytest.mark.parametrize("background", [0, None])
def test_masks_above_a_threshold_are_summed_over_four_images_at_a_time(background: int | None) -> None:
    random = np.random.RandomState(3)
    labels = random.randint(0, 4, (6, 5, 7)).astype(np.uint8)
    scores = random.normal(0, 2, (6, 4, 5, 7)).astype(np.float32)
    overlap = Overlap(0.3, background)
    for label, score in zip(labels, scores, strict=True):
        overlap.add(label, score)

    quotients = []
    for group in (range(4), range(4, 6)):
        both = either = 0
        for image in group:
            for y, x in np.ndindex(5, 7):
                powers = [float(np.exp(np.float64(score))) for score in scores[image, :, y, x]]
                for each in range(4):
                    if each != background:
                        seen, there = powers[each] / sum(powers) > 0.3, labels[image, y, x] == each
                        both += seen and there
                        either += seen or there
        quotients.append(both / either)
    assert overlap.iou() == pytest.approx(np.mean(quotients))


def test_probabilities_are_taken_as_they_are() -> None:
    overlap = Overlap(0.5)
    overlap.add(np.array([[1, 0]], np.uint8), np.array([[[0.4, 0.4]], [[0.6, 0.6]]], np.float32))
    assert overlap.iou() == 0.5
