"""One image through a net: from pixels to a label image, or to a grey image if the net has one output channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images
from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.preprocessing import RAW, Preprocessing
from caffe_fcn.files import PathLike


@dataclass(frozen=True)
class Prediction:
    """A net's prediction for an image: ``pixels`` are H x W classes, or grey values 0 to 255."""

    image: NDArray[np.uint8]  # C x H x W, blue first
    pixels: NDArray[np.uint8 | np.uint16]
    classes: int  # the channels of the score; a net with 1 predicts grey values


def predict(
    engine: Engine,
    image: PathLike,
    preprocessing: Preprocessing = RAW,
    blob: str = "",
) -> Prediction:
    """Run the net on an image file, at the image's own size.

    The image is read as grey or colour, as the input blob has one channel or three. The score is the net's last
    output, or ``blob``, for which the engine must have been loaded. Several channels are the scores of the classes, of
    which the best is taken; one channel is a grey value.

    Raises `DatasetError` if the file is not an image, and `EngineError` if the net does not score an image.
    """
    channels = find_image_input(engine)[1]
    pixels = read_image(image, channels)
    score = compute_scores(engine, preprocessing(pixels), blob)
    return Prediction(pixels, classify_pixels(score), len(score))


def compute_scores(engine: Engine, values: NDArray[np.float32], blob: str = "") -> NDArray[np.float32]:
    """Run the net on an image C x H x W; returns the scores C x H x W in its last output, or in ``blob``.

    Raises `EngineError` if the blob has another shape, or values that are not finite.
    """
    outputs = engine.forward(**{find_image_input(engine)[0]: values[None]})
    chosen = blob or engine.outputs[-1]
    score = outputs[chosen]
    if score.ndim != 4 or not score.size:
        what = f"blob {chosen!r} has the shape {'x'.join(map(str, score.shape))}, not N x classes x height x width"
        raise EngineError(engine.name, what, "a classifier turns into such a net by 'net convolutionize'")
    if not np.isfinite(score).all():
        raise EngineError(engine.name, "gives infinity or nan", "the weights may be of a training that diverged")
    first: NDArray[np.float32] = score[0]
    return first


def read_image(path: PathLike, channels: int) -> NDArray[np.uint8]:
    """Read an image file as C x H x W, with one channel (grey) or three (blue first)."""
    where = str(path)
    picture = images.load(images.open_header(files.read_bytes(path), where), where)
    return images.to_planes(np.asarray(picture.convert("L" if channels == 1 else "RGB")))


def find_image_input(engine: Engine) -> tuple[str, int]:
    """Return the blob that takes the image, and its channels; raises `EngineError` if the net does not take one."""
    if not engine.inputs:
        raise EngineError(engine.name, "reads its own data", "give a deploy net, with an Input layer")
    name, shape = next(iter(engine.inputs.items()))
    if len(engine.inputs) > 1 or len(shape) != 4 or shape[1] not in (1, 3):
        have = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in engine.inputs.items())
        raise EngineError(
            engine.name, f"does not take one image: its inputs are {have}", "1 or 3 channels are possible"
        )
    return name, shape[1]


def classify_pixels(score: NDArray[np.float32]) -> NDArray[np.uint8 | np.uint16]:
    """Return the class with the best score for each pixel (C x H x W); for one channel, the score as a grey value."""
    if len(score) == 1:
        grey: NDArray[np.uint8] = np.rint(score[0]).clip(0, 255).astype(np.uint8)
        return grey
    classes: NDArray[np.uint8 | np.uint16] = score.argmax(0).astype(np.uint8 if len(score) <= 256 else np.uint16)
    return classes
