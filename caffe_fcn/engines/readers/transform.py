"""``transform_param``: from an image's pixels to what a data layer gives (src/caffe/data_transformer.cpp).

In this order: crop (at random while training, else the centre), (pixel - mean) * scale, mirror at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import LayerParameter
from caffe_fcn.weights.means import read_mean


class Transform:
    """The transformation of images C x H x W that a layer asks for; raises `NetError` if it is contradictory."""

    def __init__(self, layer: LayerParameter, training: bool) -> None:
        param = layer.transform_param
        where = f"layer '{layer.name}' ({layer.type})"
        if param.mean_file and param.mean_value:
            raise NetError(where, "has a mean_file and mean_value", "keep one of them")
        self.training = training
        self.crop = param.crop_size
        self.mirror = param.mirror
        self.scale = np.float32(param.scale)
        self.mean_image = read_mean(param.mean_file) if param.mean_file else None
        self.mean = np.array(param.mean_value, np.float32)

    @property
    def is_random(self) -> bool:
        """Whether the same image may come out differently each time."""
        return bool(self.mirror or (self.crop and self.training))

    def __call__(self, pixels: Array, random: np.random.Generator | None, where: str) -> NDArray[np.float32]:
        """Transform an image; returns float32. Raises `DatasetError` at ``where`` for an image that does not fit."""
        mirrored = self.mirror and random is not None and random.integers(2) == 1
        window = self._window(pixels, random, where)
        centred = pixels[window].astype(np.float32) - self._mean_of(pixels, where)[window]
        values: NDArray[np.float32] = centred * self.scale
        return values[:, :, ::-1] if mirrored else values

    def _window(self, pixels: Array, random: np.random.Generator | None, where: str) -> tuple[slice, ...]:
        if not self.crop:
            return (slice(None),)
        margins = [size - self.crop for size in pixels.shape[1:]]
        if min(margins) < 0:
            raise DatasetError(where, f"is {dims(pixels.shape)}, too small for crop_size {self.crop}", "lower it")
        offsets = [int(random.integers(margin + 1)) if self.training and random else margin // 2 for margin in margins]
        return (slice(None), *(slice(offset, offset + self.crop) for offset in offsets))

    def _mean_of(self, pixels: Array, where: str) -> NDArray[np.float32]:
        """Return the mean in the shape of the image."""
        channels = len(pixels)
        if self.mean_image is not None:
            if self.mean_image.shape not in (pixels.shape, (channels,)):
                what = f"is {dims(pixels.shape)}, and the mean {dims(self.mean_image.shape)}"
                raise DatasetError(where, what, "make the mean of these images, or take mean_value")
            mean = self.mean_image if self.mean_image.ndim == 3 else self.mean_image[:, None, None]
        elif len(self.mean) in (1, channels):
            mean = self.mean[:, None, None]
        elif len(self.mean):
            raise DatasetError(where, f"has {channels} channels, and mean_value {len(self.mean)}", "give one each")
        else:
            mean = np.zeros((1, 1, 1), np.float32)
        return np.broadcast_to(mean, pixels.shape)
