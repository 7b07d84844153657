"""One prediction from several: of the image and its mirror image, at several scales.

Probabilities are averaged, each brought back to the place and the size of the image. (Scores of different scales are
not comparable, which their softmax is.) Grey values are averaged as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.overlap import to_probabilities
from caffe_fcn.evaluation.resampling import Size, resample, resize_image

Images = Mapping[str, NDArray[Any]]
ComputeScores = Callable[[Images], NDArray[np.float32]]


@dataclass(frozen=True)
class Averaging:
    """Which forms of an image are run: each of the ``scales``, and with ``flip`` its mirror image, too."""

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    @property
    def is_needed(self) -> bool:
        """Whether an image is run in any form but its own."""
        return self.flip or self.scales != (1.0,)


def average(compute: ComputeScores, images: Images, averaging: Averaging, kind: str) -> NDArray[np.float32]:
    """Return the mean prediction C x H x W for images C x H x W, at their own size; ``compute`` runs the net.

    Raises `EngineError` for an output of the kind ``classes``, whose numbers have no mean, and for no scales.
    """
    if kind == "classes":
        raise EngineError("net", "gives numbers of classes, which have no mean", "take a `blob` with scores")
    if not averaging.scales:
        raise EngineError("`scales`", "are none", "give one at least")
    size = next(iter(images.values())).shape[1:]
    forms = _run_forms(compute, images, averaging, (size[0], size[1]))
    total: NDArray[np.float32] = next(forms).copy()
    count = 1
    for each in forms:  # one at a time, since each may be as large as the memory allows
        total += each
        count += 1
    total /= np.float32(count)
    return total


def _run_forms(
    compute: ComputeScores, images: Images, averaging: Averaging, size: Size
) -> Iterator[NDArray[np.float32]]:
    """Yield the prediction for each form of the images, brought back to their ``size``."""
    for scale in averaging.scales:
        scaled_size = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        scaled = {blob: resize_image(pixels, scaled_size) for blob, pixels in images.items()}
        for is_flipped in (False, True) if averaging.flip else (False,):
            score = compute(_flip(scaled) if is_flipped else scaled)
            found = bring_back(score if len(score) == 1 else to_probabilities(score), size)
            yield found[..., ::-1] if is_flipped else found


def bring_back(score: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Return scores at the size of the photo: interpolated."""
    return score if score.shape[1:] == size else resample(score, size)


def _flip(images: Images) -> Images:
    return {blob: np.ascontiguousarray(pixels[..., ::-1]) for blob, pixels in images.items()}
