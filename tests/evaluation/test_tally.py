"""Counts of several processes add up to those of one."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from caffe_fcn.evaluation.image_scores import rank_images
from caffe_fcn.evaluation.results import make_evaluation
from caffe_fcn.evaluation.tally import Tally

IMAGES, CLASSES, IGNORED = 9, 4, 255


def count(indices: list[int]) -> Tally:
    tally = Tally(CLASSES)
    for index in indices:
        random = np.random.default_rng(index)
        label = random.choice([0, 1, 2, IGNORED], (12, 11)).astype(np.uint8)
        prediction = np.where(random.random(label.shape) < index / IMAGES, label % CLASSES, 3)
        tally.add(index, f"image{index}", label, prediction, IGNORED, "here")
        tally.masks[index] = (index, index + 1)
    return tally


@given(owners=st.lists(st.integers(0, 2), min_size=IMAGES, max_size=IMAGES))
def test_whoever_counts_an_image_the_scores_are_the_same(owners: list[int]) -> None:
    parts = [count([index for index in range(IMAGES) if owners[index] == owner]) for owner in range(3)]
    total = Tally(CLASSES)
    for part in parts:
        total.merge(Tally.from_json(json.loads(json.dumps(part.to_json()))))
    names = ["a", "b", "c", "d"]
    whole = make_evaluation(count([*range(IMAGES)]), names, above=0.5)
    assert make_evaluation(total, names, above=0.5).to_json(0.5) == whole.to_json(0.5)


def test_a_class_in_no_label_is_left_out_and_named() -> None:
    found = make_evaluation(count([0, 4]), ["a", "b", "c", "d"])
    assert found.scores.absent == [3]
    assert found.note == "no label has d (which is predicted): the means leave it out"
    assert found.scores.iu[3] == 0.0
    assert found.scores.mean_iu == np.mean(found.scores.iu[:3])


def test_the_worst_image_is_the_first() -> None:
    ranked = rank_images(count([*range(IMAGES)]).images)
    ious = [each.mean_iu for each in ranked]
    assert ious == sorted(ious) and ranked[-1].name == f"image{IMAGES - 1}"
