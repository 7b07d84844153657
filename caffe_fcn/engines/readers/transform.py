"""``transform_param``: from an image's pixels to what a data layer gives (src/caffe/data_transformer.cpp).

mirror at random, crop (anywhere while training, else the middle), (pixel - mean) * scale
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
    """The transformation that a layer asks for, of arrays C x H x W; raises `NetError` for what makes no sense."""

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
        """Whether the same image may come out differently."""
        return bool(self.mirror or (self.crop and self.training))

    def __call__(self, pixels: Array, random: np.random.Generator | None, where: str) -> NDArray[np.float32]:
        """The transformed image, float32; raises `DatasetError` at ``where`` for one that does not fit."""
        mirrored = self.mirror and random is not None and random.integers(2) == 1
        window = self._window(pixels, random, where)
        centred = pixels[window].astype(np.float32) - self._mean_of(pixels, where)[window]
        values: NDArray[np.float32] = centred * self.scale
        return values[:, :, ::-1] if mirrored else values

    def _window(self, pixels: Array, random: np.random.Generator | None, where: str) -> tuple[slice, ...]:
        if not self.crop:
            return (slice(None),)
        rooms = [size - self.crop for size in pixels.shape[1:]]
        if min(rooms) < 0:
            raise DatasetError(where, f"is {dims(pixels.shape)}, too small for crop_size {self.crop}", "lower it")
        offsets = [int(random.integers(room + 1)) if self.training and random else room // 2 for room in rooms]
        return (slice(None), *(slice(offset, offset + self.crop) for offset in offsets))

    def _mean_of(self, pixels: Array, where: str) -> NDArray[np.float32]:
        """The mean, in the shape of the image."""
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
