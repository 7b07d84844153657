"""One image through a net: from pixels to a label image, or to a grey image if the net has one output channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput


@dataclass(frozen=True)
class Prediction:
    """A net's prediction for an image: ``pixels`` are H x W classes, or grey values 0 to 255 where it ``is_grey``."""

    image: NDArray[np.uint8]  # C x H x W, blue first
    pixels: NDArray[np.uint8 | np.uint16]
    is_grey: bool


def predict(
    engine: Engine,
    images: Mapping[str, NDArray[Any]],
    inputs: Sequence[ImageInput],
    blob: str = "",
    kind: str = "scores",
) -> Prediction:
    """Run the net on an image, at the image's own size; ``images`` has what each of the net's ``inputs`` takes.

    The score is the net's last output, or ``blob``, for which the engine must have been loaded. Several channels are
    the scores of the classes, of which the best is taken; one channel is a grey value, or the class itself where the
    output is of the ``kind`` "classes".

    Raises `EngineError` if the net does not score an image.
    """
    score = compute_scores(engine, images, inputs, blob)
    photo = make_photo(images[inputs[0].blob], inputs[0].order)
    return Prediction(photo, classify_pixels(score), is_grey=len(score) == 1 and kind != "classes")


def compute_scores(
    engine: Engine, images: Mapping[str, NDArray[Any]], inputs: Sequence[ImageInput], blob: str = ""
) -> NDArray[np.float32]:
    """Run the net on an image, C x H x W for each input; returns the scores C x H x W in its last output or ``blob``.

    Raises `EngineError` if the blob has another shape, or values that are not finite.
    """
    values = {each.blob: each.preprocessing(images[each.blob])[None] for each in inputs}
    outputs = engine.forward(**values)
    chosen = blob or engine.outputs[-1]
    score = outputs[chosen]
    if score.ndim != 4 or not score.size:
        what = f"blob {chosen!r} has the shape {'x'.join(map(str, score.shape))}, not N x classes x height x width"
        raise EngineError(engine.name, what, "a classifier turns into such a net by 'net convolutionize'")
    if not np.isfinite(score).all():
        raise EngineError(engine.name, "gives infinity or nan", "the weights may be of a training that diverged")
    first: NDArray[np.float32] = score[0]
    return first


def classify_pixels(score: NDArray[np.float32]) -> NDArray[np.uint8 | np.uint16]:
    """Return the class with the best score for each pixel (C x H x W); for one channel, the score as a grey value."""
    if len(score) == 1:
        grey: NDArray[np.uint8] = np.rint(score[0]).clip(0, 255).astype(np.uint8)
        return grey
    classes: NDArray[np.uint8 | np.uint16] = score.argmax(0).astype(np.uint8 if len(score) <= 256 else np.uint16)
    return classes


def make_photo(pixels: NDArray[Any], order: str) -> NDArray[np.uint8]:
    """Return what can be shown of an image: three channels (blue first) or one, 8 bits each.

    Of planes, three are shown as the colours of their file, of other numbers the first one; values that are no 8-bit
    pixels are stretched to black and white.
    """
    shown = pixels if len(pixels) == 3 else pixels[:1]
    if order == "planes" and len(shown) == 3:
        shown = shown[::-1]
    if shown.dtype != np.uint8:
        low, high = float(shown.min()), float(shown.max())
        shown = ((shown - low) * (255 / (high - low or 1))).round().astype(np.uint8)
    return shown
