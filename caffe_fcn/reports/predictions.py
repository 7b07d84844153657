"""A few predictions of a run: the worst and the best of its validation part, with their truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines
from caffe_fcn.datasets.records import opening
from caffe_fcn.datasets.records.opening import Pairs
from caffe_fcn.errors import DatasetError
from caffe_fcn.evaluation import ImageScore, rank_images
from caffe_fcn.evaluation.net_inputs import find_image_inputs
from caffe_fcn.evaluation.output_size import find_placement, place
from caffe_fcn.evaluation.outputs import choose_blob, find_kind
from caffe_fcn.evaluation.pictures import PictureRecord, read_all
from caffe_fcn.evaluation.predict import Prediction, predict
from caffe_fcn.progress import TaskProgress
from caffe_fcn.reports.run import Run

WORST, BEST, EXAMPLE = "worst", "best", "example"
"""Why an image is shown; it is an example where nothing scored the images one by one."""


@dataclass(frozen=True)
class ShownImage:
    """A record with its prediction; ``truth`` is its label, H x W, None where it has another size."""

    kind: str
    name: str
    prediction: Prediction
    truth: NDArray[np.uint8] | None
    score: ImageScore | None = None


def predict_images(
    run: Run, count: int, engine: str = "auto", progress: TaskProgress | None = None, **options: Any
) -> list[ShownImage]:
    """Predict the ``count`` worst and the ``count`` best images of a run's validation part, in this order.

    ``options`` go to `engines.load`. Raises what reading and running raise, and `DatasetError` where the run has no
    weights or no data set.
    """
    if run.weights is None or run.data is None:
        raise DatasetError(run.folder, "has no weights or no data set", "train it, or name its data set")
    splits = opening.splits(run.data)
    pairs = opening.open(run.data, "val" if "val" in splits else None)
    chosen = choose_images(run, len(pairs), count)
    blob = choose_blob(run.model, run.net)
    shown = []
    with engines.load(
        run.deploy, run.weights, engine, stages=["deploy"], blobs=[blob] if blob else [], **options
    ) as loaded:
        taken = find_image_inputs(loaded, run.deploy, run.net, run.model)
        for number, (kind, index, score) in enumerate(chosen, 1):
            picture = PictureRecord(pairs.names[index], pairs, index)
            found = predict(loaded, read_all(picture, taken), taken, blob, find_kind(run.model, blob))
            height, width = found.image.shape[1:]
            placement = find_placement(found.pixels.shape, (height, width), loaded, run.deploy, taken[0].blob, blob)
            truth = _read_truth(pairs, index, (height, width))
            truth = None if truth is None else placement.cut(truth)
            shown.append(ShownImage(kind, pairs.names[index], place(found, placement), truth, score))
            if progress:
                progress(number, len(chosen))
    return shown


def choose_images(run: Run, records: int, count: int) -> list[tuple[str, int, ImageScore | None]]:
    """Choose images, each with why and its scores: by mean IU where it is known, or else at equal distances."""
    ranked = [each for each in rank_images(run.scores.per_image if run.scores else ()) if each.index < records]
    if not ranked:
        total = min(2 * count, records)
        return [(EXAMPLE, number * records // total, None) for number in range(total)]
    worst = ranked[: min(count, -(-len(ranked) // 2))]
    best = ranked[len(worst) :][-count:][::-1]
    return [*_name(WORST, worst), *_name(BEST, best)]


def _name(kind: str, scores: Sequence[ImageScore]) -> Iterator[tuple[str, int, ImageScore | None]]:
    return ((kind, each.index, each) for each in scores)


def _read_truth(pairs: Pairs, index: int, size: tuple[int, ...]) -> NDArray[np.uint8] | None:
    label = pairs.label(index)
    if label.ndim != 3 or label.shape != (1, *size) or label.dtype != np.uint8:
        return None
    truth: NDArray[np.uint8] = label[0]
    return truth
