"""Predictions that somebody made, scored against labels: two folders of label images, and no net.

    evaluate_labels("VOC2012/SegmentationClass", "predictions", classes=voc_names).scores.mean_iu

A prediction and its label have the same name, folders before it included. Pixels are classes: the values of a grey
image, the indices of one with a palette, or the colours of one without, for which ``colours`` has the classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import labels
from caffe_fcn.datasets.records.classes import MOST
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.errors import DatasetError, FileError
from caffe_fcn.evaluation.pictures import list_images
from caffe_fcn.evaluation.pipeline import run_overlapped
from caffe_fcn.evaluation.results import Evaluation, make_evaluation
from caffe_fcn.evaluation.tally import Tally
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.progress import TaskProgress

_BESIDE = re.compile(r"(.+)_(overlay|truth|above_\d+_[^/]*)")  # what ``infer`` writes beside a label image

Label = NDArray[np.uint8]


def evaluate_labels(
    truth: PathLike,
    predictions: PathLike,
    classes: Sequence[str] | None = None,
    ignore: int | None = 255,
    boundary: int | None = None,
    colours: Mapping[int, Colour] | None = None,
    progress: TaskProgress | None = None,
) -> Evaluation:
    """Score the label images of a folder against those of another one.

    Each image in ``predictions`` needs one in ``truth``; a label without a prediction is counted in the note. Without
    ``classes``, the highest value in either folder is the last class. ``ignore`` is the label that does not count
    (None: all count), ``boundary`` as in `Settings`.
    Raises `FileError` for a folder without images, `DatasetError` for images that do not go together.
    """
    pairs, left = _find_pairs(Path(truth), Path(predictions))
    tally = Tally(len(classes) if classes else MOST, boundary)

    def read(name: str) -> tuple[Label, Label]:
        return read_label(pairs[name][0], colours), read_label(pairs[name][1], colours)

    def check(name: str, content: tuple[Label, Label]) -> tuple[Label, Label]:
        label, prediction = content
        _, where = pairs[name]
        if label.shape != prediction.shape:
            what = f"is {dims(prediction.shape)}, and its label {dims(label.shape)}"
            raise DatasetError(where, what, "bring them to one size")
        counted = prediction if ignore is None else prediction[label != ignore]
        most = len(tally.confusion.counts) - 1
        if counted.size and (counted.max() > most or (not classes and counted.max() == ignore)):
            what = f"predicts {counted.max()}, which is none of the classes" + (f" 0 to {most}" if classes else "")
            raise DatasetError(where, what, "give all `classes`")
        return content

    def add(name: str, content: tuple[Label, Label]) -> None:
        tally.add(len(tally.images), name, *content, ignore, str(pairs[name][0]))

    for done, _ in enumerate(run_overlapped(pairs, read, check, add), 1):
        if progress:
            progress(done, len(pairs))
    names = classes or _drop_unused(tally)
    return make_evaluation(tally, names, f"{left} labels have no prediction" if left else "")


def read_label(path: Path, colours: Mapping[int, Colour] | None = None) -> Label:
    """Return the classes H x W of a label image, of whatever encoding; raises `DatasetError` or `FileError`."""
    data = files.read_bytes(path)
    return labels.detect(data, str(path), colours).read(data, str(path))[0]


def _find_pairs(truth: Path, predictions: Path) -> tuple[dict[str, tuple[Path, Path]], int]:
    """Return label and prediction of each name, and how many labels have no prediction."""
    found = {folder: list_images(folder) for folder in (truth, predictions)}
    for name in [*found[predictions]]:
        beside = _BESIDE.fullmatch(name)
        if beside and beside[1] in found[predictions]:
            del found[predictions][name]
    for name, path in found[predictions].items():
        if name not in found[truth]:
            raise DatasetError(path, f"has no label of that name in {truth}", "name both alike, in folders alike")
    pairs = {name: (found[truth][name], path) for name, path in found[predictions].items()}
    if not pairs:
        raise FileError(predictions, "has no images", "name the folder of the predictions")
    return pairs, len(found[truth]) - len(pairs)


def _drop_unused(tally: Tally) -> list[str]:
    """Drop the classes behind the last one that occurs; return the names of the others, their numbers."""
    counts: NDArray[Any] = tally.confusion.counts
    used = int(np.flatnonzero(counts.any(0) | counts.any(1)).max(initial=0)) + 1
    tally.confusion.counts = counts[:used, :used]
    tally.boundaries.intersections = tally.boundaries.intersections[:used]
    tally.boundaries.unions = tally.boundaries.unions[:used]
    return [str(number) for number in range(used)]
