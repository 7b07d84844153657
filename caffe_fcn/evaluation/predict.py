"""One image through a net: from pixels to a label image, or to a grey image where the net regresses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images
from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError


@dataclass(frozen=True)
class Prediction:
    """What the net says of an image: ``pixels`` are H x W classes, or grey values 0 to 255."""

    image: NDArray[np.uint8]  # C x H x W, blue first
    pixels: NDArray[np.uint8 | np.uint16]
    classes: int  # how many the net tells apart; 1 is a net that regresses


def predict(
    engine: Engine,
    image: str | os.PathLike[str],
    mean: Sequence[float] = (),
    scale: float = 1.0,
    blob: str = "",
) -> Prediction:
    """Run the net on an image file, at its own size.

    The net gets (pixel - mean) * scale, the mean per channel (blue first) or one for all, in grey or colour as
    its input blob has one channel or three. Its last output (or ``blob``, which the engine was asked for) with
    several channels is the score of each class, and the best one is taken; with one channel it is a grey value.

    Raises `DatasetError` for what is no image, and `EngineError` for a net that does not fit the task.
    """
    channels = input_of(engine)[1]
    pixels = read(image, channels)
    if len(mean) not in (0, 1, channels):
        raise EngineError("--mean", f"{len(mean)} values for {channels} channels", "one a channel, or one for all")
    centred = pixels.astype(np.float32) - np.array(mean or [0], np.float32)[:, None, None]
    score = score_of(engine, centred * np.float32(scale), blob)
    return Prediction(pixels, best(score), len(score))


def score_of(engine: Engine, values: NDArray[np.float32], blob: str = "") -> NDArray[np.float32]:
    """The scores C x H x W that the net gives an image C x H x W, in its last output or in ``blob``.

    Raises `EngineError` for a net that does not fit the task.
    """
    outputs = engine.forward(**{input_of(engine)[0]: values[None]})
    chosen = blob or engine.outputs[-1]
    score = outputs[chosen]
    if score.ndim != 4 or not score.size:
        what = f"blob {chosen!r} has the shape {'x'.join(map(str, score.shape))}, not N x classes x height x width"
        raise EngineError(engine.name, what, "a classifier turns into such a net by 'net convolutionize'")
    if not np.isfinite(score).all():
        raise EngineError(engine.name, "gives infinity or nan", "the weights may be of a training that diverged")
    first: NDArray[np.float32] = score[0]
    return first


def read(path: str | os.PathLike[str], channels: int) -> NDArray[np.uint8]:
    """An image file as C x H x W with one channel (grey) or three (blue first)."""
    where = str(path)
    picture = images.load(images.open_header(files.read_bytes(path), where), where)
    return images.to_planes(np.asarray(picture.convert("L" if channels == 1 else "RGB")))


def input_of(engine: Engine) -> tuple[str, int]:
    """The blob that takes the image, and its channels; raises `EngineError` for a net that takes no image."""
    if not engine.inputs:
        raise EngineError(engine.name, "reads its own data", "give a deploy net, with an Input layer")
    name, shape = next(iter(engine.inputs.items()))
    if len(engine.inputs) > 1 or len(shape) != 4 or shape[1] not in (1, 3):
        have = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in engine.inputs.items())
        raise EngineError(
            engine.name, f"does not take one image: its inputs are {have}", "1 or 3 channels are possible"
        )
    return name, shape[1]


def best(score: NDArray[np.float32]) -> NDArray[np.uint8 | np.uint16]:
    """The best class per pixel of scores C x H x W; the grey values themselves where there is one channel."""
    if len(score) == 1:
        grey: NDArray[np.uint8] = np.rint(score[0]).clip(0, 255).astype(np.uint8)
        return grey
    classes: NDArray[np.uint8 | np.uint16] = score.argmax(0).astype(np.uint8 if len(score) <= 256 else np.uint16)
    return classes
