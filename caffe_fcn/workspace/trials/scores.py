"""The scores of a whole data set, as `evaluate` says them."""

from __future__ import annotations

from caffe_fcn.evaluation.image_scores import ImageScore, rank_images
from caffe_fcn.reports.run import RunScores, read_scores
from caffe_fcn.workspace.settings import Settings
from caffe_fcn.workspace.trials.trial import SCORES_FILE, Trial, find_folder


def read(settings: Settings, trial: Trial) -> RunScores | None:
    """Read the scores of a trial; None where there are none yet. Raises `CaffeFcnError` where they are damaged."""
    path = find_folder(settings, trial) / SCORES_FILE
    return read_scores(path) if path.is_file() and path.stat().st_size else None


def choose_images(scores: RunScores, count: int = 10) -> dict[str, list[ImageScore]]:
    """Return the ``count`` worst and the ``count`` best images, by their headings; all of few."""
    ranked = rank_images(scores.per_image)
    if len(ranked) <= 2 * count:
        return {"Images, the worst first": ranked}
    return {"The worst images": ranked[:count], "The best images": ranked[: -count - 1 : -1]}
