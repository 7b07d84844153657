"""One image through a net: from pixels to a label image, or to a grey image if the net has one output channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.overlap import to_probabilities

_PIXELS = 1 << 16  # whose best classes are found at a time


@dataclass(frozen=True)
class Prediction:
    """A net's prediction for an image: ``pixels`` are H x W classes, or grey values 0 to 255 where it ``is_grey``."""

    image: NDArray[np.uint8]  # C x H x W, blue first
    pixels: NDArray[np.uint8 | np.uint16]
    is_grey: bool
    probabilities: NDArray[np.float32] | None = None  # C x H x W, where they were asked for
    masks: Mapping[int, NDArray[np.bool_]] | None = None  # of the classes above a threshold, where one was given
    classes: int = 0  # how many the net scores


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
    return assemble(photo, score.shape[1:], [(0, 0, score)], kind)


Part: TypeAlias = tuple[int, int, NDArray[np.float32]]
"""Scores C x H x W, after the row and the column of the output where they begin."""


def assemble(
    photo: NDArray[np.uint8],
    size: tuple[int, ...],
    parts: Iterable[Part],
    kind: str = "scores",
    with_probabilities: bool = False,
    above: float | None = None,
) -> Prediction:
    """Make a prediction of ``size`` (H, W) for a photo from the scores of its parts, of which one is held at a time.

    With ``above``, ``masks`` has for each class the pixels whose probability is above it, if there are any.
    Raises `EngineError` where the output has no probabilities and they are asked for.
    """
    pixels: NDArray[Any] = np.zeros(size, np.uint8)
    probabilities: NDArray[np.float32] | None = None
    masks: dict[int, NDArray[np.bool_]] = {}
    is_grey, channels = False, 0
    for row, column, score in parts:
        channels = len(score)
        place = (slice(row, row + score.shape[1]), slice(column, column + score.shape[2]))
        is_grey = len(score) == 1 and kind != "classes"
        classes = classify_pixels(score)
        pixels = pixels if pixels.dtype == classes.dtype else pixels.astype(classes.dtype)
        pixels[place] = classes
        if with_probabilities or above is not None:
            if len(score) == 1:
                what = "gives " + ("grey values" if is_grey else "numbers of classes") + ", which are no probabilities"
                raise EngineError("net", what, "take a `blob` with the scores of classes")
            shares = to_probabilities(score)
        if with_probabilities:
            if probabilities is None:
                probabilities = np.zeros((len(score), *size), np.float32)
            probabilities[:, place[0], place[1]] = shares
        if above is not None:
            for number in np.flatnonzero((shares > above).any((1, 2))).tolist():
                masks.setdefault(number, np.zeros(size, bool))[place] = shares[number] > above
    found = None if above is None else dict(sorted(masks.items()))
    return Prediction(photo, pixels, is_grey, probabilities, found, channels if channels > 1 else 0)


def compute_scores(
    engine: Engine, images: Mapping[str, NDArray[Any]], inputs: Sequence[ImageInput], blob: str = ""
) -> NDArray[np.float32]:
    """Run the net on an image, C x H x W for each input; returns the scores C x H x W in its last output or ``blob``.

    Raises `EngineError` if the blob has another shape, or values that are not finite.
    """
    return check_scores(run_net(engine, [images], inputs, blob), engine, blob)


def check_scores(score: NDArray[np.float32], engine: Engine, blob: str = "") -> NDArray[np.float32]:
    """Return the scores C x H x W of an output; raises `EngineError` as `compute_scores`."""
    if score.ndim != 4 or not score.size:
        shape = "x".join(map(str, score.shape))
        what = f"blob {blob or engine.outputs[-1]!r} has the shape {shape}, not N x classes x height x width"
        raise EngineError(engine.name, what, "a classifier turns into such a net by 'net convolutionize'")
    if not np.isfinite(score).all():
        raise EngineError(engine.name, "gives infinity or nan", "the weights may be of a training that diverged")
    first: NDArray[np.float32] = score[0]
    return first


def run_net(
    engine: Engine, several: Sequence[Mapping[str, NDArray[Any]]], inputs: Sequence[ImageInput], blob: str = ""
) -> NDArray[np.float32]:
    """Run the net on images of one size, C x H x W for each input; returns its last output, or ``blob``."""
    values = {each.blob: np.stack([each.preprocessing(images[each.blob]) for images in several]) for each in inputs}
    output: NDArray[np.float32] = engine.forward(**values)[blob or engine.outputs[-1]]
    return output


def classify_pixels(score: NDArray[np.float32]) -> NDArray[np.uint8 | np.uint16]:
    """Return the class with the best score for each pixel (C x H x W); for one channel, the score as a grey value."""
    if len(score) == 1:
        grey: NDArray[np.uint8] = np.rint(score[0]).clip(0, 255).astype(np.uint8)
        return grey
    return _find_best(score)


def _find_best(score: NDArray[np.float32]) -> NDArray[np.uint8 | np.uint16]:
    """Return `score.argmax(0)` of finite scores.

    Where channels are planes in memory, they are compared one after another, for as many pixels as the cache holds,
    which takes a sixth of the time.
    """
    dtype = np.uint8 if len(score) <= 256 else np.uint16
    classes: NDArray[np.uint8 | np.uint16]
    if score.strides[0] == score.itemsize:
        classes = score.argmax(0).astype(dtype)
        return classes
    flat = score.reshape(len(score), -1)
    classes = np.zeros(flat.shape[1], dtype)
    for begin in range(0, flat.shape[1], _PIXELS):
        (first, *others), found = flat[:, begin : begin + _PIXELS], classes[begin : begin + _PIXELS]
        best, number = first.copy(), np.empty_like(found)
        for channel, values in enumerate(others, 1):
            np.multiply(values > best, found.dtype.type(channel), out=number)
            np.maximum(found, number, out=found)  # where a later channel is better, its number is the larger one
            np.maximum(best, values, out=best)
    return classes.reshape(score.shape[1:])


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
