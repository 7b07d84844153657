"""The blobs of a net that take an image: one, or several such as colour and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

from caffe_fcn.description.model_json import Input, Model
from caffe_fcn.engines import Engine
from caffe_fcn.errors import CaffeFcnError, EngineError
from caffe_fcn.evaluation.preprocessing import RAW, GivenMean, Preprocessing, find_preprocessing
from caffe_fcn.evaluation.resampling import Size
from caffe_fcn.files import PathLike
from caffe_fcn.net.shapes import infer as infer_shapes
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights.means import average_channels, make_mean

IMAGES = "images"
"""What a data set calls the database of its images."""


@dataclass(frozen=True)
class ImageInput:
    """A blob that takes an image, how the image is transformed for it, and the database that has such images.

    With ``logarithm`` the values of an image file are replaced by their logarithms, as in the records of a data set.
    """

    blob: str
    channels: int
    preprocessing: Preprocessing = RAW
    database: str = IMAGES
    logarithm: bool = False

    @property
    def order(self) -> str:
        return self.preprocessing.order

    def cut(self, shape: tuple[int, ...], rect: tuple[tuple[int, int], tuple[int, int]]) -> ImageInput:
        """Return the input for a part of an image of ``shape``, a range of its rows and one of its columns.

        A mean image of the image's size is cut alike; of one of another size the averages count, as for the image.
        """
        mean = self.preprocessing.mean
        if mean.ndim != 3:
            return self
        (top, bottom), (left, right) = rect
        part = mean[:, top:bottom, left:right] if mean.shape == shape else make_mean(average_channels(mean))
        return replace(self, preprocessing=replace(self.preprocessing, mean=part))


def find_image_inputs(
    engine: Engine,
    path: PathLike,
    net: NetParameter,
    model: Model | None,
    mean: GivenMean = None,
    scale: float | None = None,
) -> list[ImageInput]:
    """Return the inputs of the net in ``path``: the first of ``model`` first, for which ``mean`` and ``scale`` are.

    Raises `EngineError` where the net does not take images, and what `find_preprocessing` raises.
    """
    if not engine.inputs:
        raise EngineError(engine.name, "reads its own data", "give a deploy net, with an Input layer")
    described = {each.blob: each for each in model.inputs} if model else {}
    blobs = sorted(engine.inputs, key=[*described, *engine.inputs].index)
    found = []
    for blob in blobs:
        is_first = blob == blobs[0]
        given = (mean, scale) if is_first else (None, None)
        preprocessing = find_preprocessing(path, net, model, blob, *given)
        _require_image(engine, blob, preprocessing.order)
        about = described.get(blob, Input(blob, 0))
        database = about.database or (IMAGES if is_first else blob)
        found.append(ImageInput(blob, engine.inputs[blob][1], preprocessing, database, about.logarithm))
    return found


def _require_image(engine: Engine, blob: str, order: str) -> None:
    """Raise `EngineError` unless a blob takes an image: of 1 or 3 channels, or of the planes that are described."""
    shape = engine.inputs[blob]
    if len(shape) != 4 or (shape[1] not in (1, 3) and order != "planes"):
        have = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in engine.inputs.items())
        what = f"does not take one image: its inputs are {have}"
        raise EngineError(engine.name, what, "1 or 3 channels are possible, or planes of which model.json tells")


def find_only_size(engine: Engine, message: NetParameter, blob: str) -> Size | None:
    """The size of the images of a net that takes no other, since its parameters depend on it; None for other nets."""
    shape = engine.inputs[blob]
    larger = (*shape[:2], shape[2] + 64, shape[3] + 64)
    try:
        parameters = [infer_shapes(message, "deploy", inputs={blob: each}).params for each in (shape, larger)]
    except CaffeFcnError:  # nothing is known of such a net, or of such a size
        return None
    return None if parameters[0] == parameters[1] else (shape[2], shape[3])
