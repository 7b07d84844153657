"""How an image becomes the input of a net: (pixel - mean) * scale, with red first where the net wants it.

Each fact is taken from the first that says it: what the caller gives, ``model.json`` in the net's folder, the net's
own data layer. A mean that nothing says is assumed to be 0, and the note says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model
from caffe_fcn.errors import EngineError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import is_all_in_one, select_phase
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.weights.means import average_channels, make_mean, read_mean

GivenMean: TypeAlias = Sequence[float] | PathLike | None
"""Numbers for the channels, one for all, or the file of a mean image; None, or no numbers, where nobody gives one."""


@dataclass(frozen=True)
class Preprocessing:
    """The net gets (pixel - ``mean``) * ``scale``.

    ``mean`` has a number for each channel, one for all, or is an image C x H x W; an image of another size than the
    photo's is averaged over each channel. ``order`` says what the net's channels are (see `Input`). ``note`` is what
    the user should know.
    """

    mean: NDArray[np.float32] = field(default_factory=lambda: np.zeros(1, np.float32))
    scale: float = 1.0
    order: str = "BGR"
    note: str = ""

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Transform an image C x H x W as a record has it: blue first, or planes in the net's order.

        Raises `EngineError` where the mean is for other channels.
        """
        if len(self.mean) not in (1, len(pixels)):
            what = f"{len(self.mean)} values for {len(pixels)} channels"
            raise EngineError("`mean`", what, "one a channel, or one for all")
        ordered = pixels[::-1] if self.order == "RGB" and len(pixels) == 3 else pixels
        mean = self.mean if self.mean.shape == pixels.shape else make_mean(average_channels(self.mean))[:, None, None]
        values: NDArray[np.float32] = (ordered.astype(np.float32) - mean) * np.float32(self.scale)
        return values


RAW = Preprocessing()
"""Pixels as they are in the file."""


def read_model(net: PathLike) -> Model | None:
    """Return what ``model.json`` beside a net says, or None; raises `FileError` where a field is wrong."""
    return None if str(net) == "-" else model_json.read(Path(net).parent)


def find_preprocessing(
    path: PathLike,
    net: NetParameter,
    model: Model | None,
    blob: str,
    mean: GivenMean = None,
    scale: float | None = None,
) -> Preprocessing:
    """Find how images are transformed for the input ``blob`` of the net in ``path``.

    Raises `WeightsError` and `FileError` for the file of a mean that cannot be read.
    """
    described = _find_input(model, blob)
    shifts = _find_shift(net, blob)
    if shifts and is_all_in_one(net):  # model.json is for the deploy net, which has no such layer
        described = None
    reader = find_reader(net, blob)
    transform = LayerParameter().transform_param if reader is None else reader.transform_param
    if scale is None:
        scale = described.scale if described else transform.scale
    order = described.order if described else "BGR"
    folder = Path(path).parent
    if isinstance(mean, (str, os.PathLike)):
        return _with_size_noted(Preprocessing(read_mean(mean), scale, order), str(mean))
    if mean:
        return Preprocessing(make_mean(list(mean)), scale, order)
    if described and described.mean_file is not None:
        file = folder / described.mean_file
        return _with_size_noted(Preprocessing(read_mean(file), scale, order), str(file))
    if described and described.mean is not None:
        return Preprocessing(make_mean(described.mean), scale, order)
    if transform.mean_file:
        file = Path(transform.mean_file)
        if not file.exists() and (folder / file).exists():
            file = folder / file
        return _with_size_noted(Preprocessing(read_mean(file), scale, order), str(file))
    if transform.mean_value:
        return Preprocessing(make_mean(transform.mean_value), scale, order)
    assumed = "" if shifts else f"{path}: nothing says which mean to subtract, 0 is assumed (give a `mean`)"
    return Preprocessing(scale=scale, order=order, note=assumed)


def find_reader(net: NetParameter, blob: str = "") -> LayerParameter | None:
    """Return the data layer that makes ``blob`` in the validation phase, or else the first; None for a deploy net."""
    sources = [layer for layer in select_phase(net, "val").layer if not layer.bottom]
    readers = [layer for layer in sources if origin_of(layer) not in (None, Origin.INPUT)]
    return next((layer for layer in readers if blob in layer.top), readers[0] if readers else None)


def _find_input(model: Model | None, blob: str) -> Input | None:
    return next((each for each in model.inputs if each.blob == blob), None) if model else None


def _find_shift(net: NetParameter, blob: str) -> bool:
    """Whether the net itself subtracts a mean from ``blob``, as the nets of DIGITS do."""
    return any(blob in layer.bottom and _shifts_values(layer) for layer in select_phase(net, "deploy").layer)


def _shifts_values(layer: LayerParameter) -> bool:
    """Whether a layer without parameters adds a constant to all values."""
    affine = layer_type(layer.type).affine
    return affine is not None and affine.params == (0, 0) and affine.factors(layer, ())[1] != 0


def _with_size_noted(found: Preprocessing, file: str) -> Preprocessing:
    """Add a note for a mean image: photos of another size get its averages."""
    if found.mean.ndim == 1:
        return found
    shown = ", ".join(f"{value:.6g}" for value in average_channels(found.mean))
    note = f"the mean is {file}; images that are not {dims(found.mean.shape[1:])} get its averages {shown}"
    return Preprocessing(found.mean, found.scale, found.order, note)
