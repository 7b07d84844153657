"""Layers of forks that read images with label images, from a list of ``IMAGE LABEL``: ImageSegData, DenseImageData.

What changes an image at random (its scale, window and mirror) changes its label alike.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images, stores
from caffe_fcn.engines.readers.image_lists import decode_image
from caffe_fcn.engines.readers.reader import Array, Reader, RecordOrder, require_one_size
from caffe_fcn.engines.readers.resize import resize_bilinear, resize_nearest
from caffe_fcn.engines.readers.transform import Transform
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.proto import LayerParameter
from caffe_fcn.proto.copying import copy_message

Pixels = NDArray[np.uint8]


class _PairReader(Reader):
    """The images and labels of a list. Subclasses say what an entry's label is, and what changes both."""

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        self.param: Any = getattr(layer, layer_type(layer.type).param_name)
        if bool(self.param.new_height) != bool(self.param.new_width):
            self.fail("has only one of new_height and new_width", "set both, or neither")
        if self.param.batch_size < 1:
            self.fail("has no batch_size", "set it")
        self.size = int(self.param.batch_size)
        self.new_size = (self.param.new_height, self.param.new_width) if self.param.new_height else None
        self._centre = Transform(_without_windows(layer), training)
        self._entries = self._read_list(self.param.source)
        self._skipped = int(self.random().integers(min(self.param.rand_skip, len(self)))) if self.param.rand_skip else 0
        self._order = RecordOrder(self._draw_order)

    def __len__(self) -> int:
        return len(self._entries)

    def batch(self, number: int) -> list[Array]:
        pixels: list[Array] = []
        labels: list[Array] = []
        sizes = []
        for epoch, index in self.positions(number):
            epoch, index = divmod(epoch * len(self) + index + self._skipped, len(self))
            name, second = self._entries[self._order[epoch, index]]
            where = stores.escape_name(self.param.root_folder + name)
            image = self.read_image(name, self.param.is_color)
            label = self.read_label(second, image.shape[1:])
            self.check_sizes(image, label, where)
            random = self.random(epoch, index)
            sizes.append(image.shape[1:])
            image, label, kept = self.change(image, label, random)
            # what a crop adds around an image is the mean
            pixels.append(self._centre(image, None, where) * kept)
            labels.append(label.astype(np.float32))
            require_one_size(pixels, where, "crop the images, set new_height and new_width, or batch_size 1")
        height_width = np.minimum(np.array(sizes, np.float32), np.array(pixels[0].shape[1:], np.float32))
        tops = [np.stack(pixels), np.stack(labels), height_width.reshape(-1, 1, 1, 2)]
        return tops[: len(self.layer.top)]

    def read_image(self, name: str, colour: bool) -> Pixels:
        """An image of the list, in the size that the layer asks for."""
        pixels = self._decode(name, colour)
        return resize_bilinear(pixels, self.new_size) if self.new_size else pixels

    @abstractmethod
    def read_label(self, entry: str, size: tuple[int, ...]) -> Pixels:
        """The label image (1 x H x W) of an image with this size, from what its line has behind the image."""

    def check_sizes(self, image: Pixels, label: Pixels, where: str) -> None:
        """Raise `DatasetError` for a label that is not as large as its image."""
        if image.shape[1:] != label.shape[1:]:
            raise DatasetError(where, f"is {dims(image.shape[1:])}, and its label {dims(label.shape[1:])}")

    @abstractmethod
    def change(
        self, image: Pixels, label: Pixels, random: np.random.Generator
    ) -> tuple[Pixels, Pixels, NDArray[np.float32]]:
        """The image and its label scaled, cropped and mirrored; and a mask, 0 where there was no image."""

    def _decode(self, name: str, colour: bool) -> Pixels:
        path = self.param.root_folder + name
        where = stores.escape_name(path)
        return decode_image(stores.read_file(path, where), where, colour)

    def _decode_label(self, name: str) -> Pixels:
        """Grey values. The forks decode a palette to colours and these to grey, which are no classes any more."""
        path = self.param.root_folder + name
        where = stores.escape_name(path)
        data = stores.read_file(path, where)
        if images.open_header(data, where).mode != "L":
            raise DatasetError(where, "is no grey image", "write labels as grey PNG, whose values are the classes")
        return decode_image(data, where, colour=False)

    def _read_list(self, source: str) -> list[tuple[str, str]]:
        entries = []
        for number, line in enumerate(files.read_bytes(source).split(b"\n"), 1):
            words = [os.fsdecode(word) for word in line.split()]
            if not words:
                continue
            if len(words) < 2 and self.needs_label:
                shown = stores.escape_name(words[0][:60])
                raise DatasetError(f"{source}:{number}", f"'{shown}' is no 'IMAGE LABEL'", "write one a line")
            entries.append((words[0], words[1] if len(words) > 1 else ""))
        if not entries:
            raise DatasetError(source, "lists no image", "write 'IMAGE LABEL', one a line")
        return entries

    @property
    def needs_label(self) -> bool:
        """Whether each line of the list has a label behind the image."""
        return True

    def _draw_order(self, epoch: int) -> NDArray[np.int64]:
        return self.random(epoch).permutation(len(self)) if self.param.shuffle else np.arange(len(self))


def _locate(layer: LayerParameter) -> str:
    return f"layer '{layer.name}' ({layer.type})"


def _without_windows(layer: LayerParameter) -> LayerParameter:
    """The layer without what moves pixels, which the readers do for image and label together."""
    made = copy_message(layer)
    for name in ("crop_size", "mirror"):
        made.transform_param.ClearField(name)
    return made


class ImageSegReader(_PairReader):
    """ImageSegData (src/caffe/layers/image_seg_data_layer.cpp and data_transformer.cpp of hszhao/PSPNet).

    Scales by one of ``scale_factors``, pads what is smaller than the crop by the mean, and labels by ``ignore_label``;
    crops at random while training, else in the middle; mirrors. A third top has each image's height and width, up to
    that of the crop.
    """

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        if layer.transform_param.HasField("mean_file"):
            raise NetError(_locate(layer), "has a mean_file", "the fork takes mean_value alone")
        super().__init__(layer, training, seed)
        rules = layer.transform_param
        self.crop = (rules.crop_size,) * 2 if rules.crop_size else (rules.crop_height, rules.crop_width)
        if any(self.crop) and not all(self.crop):
            self.fail("has only one of crop_height and crop_width", "set both, or crop_size")
        if self.new_size and self.param.label_type == self.param.PIXEL:
            self.fail("scales its labels by new_height and new_width, which mixes classes", "scale the files instead")
        self.factors = list(rules.scale_factors)
        self.mirror = bool(rules.mirror)

    @property
    def needs_label(self) -> bool:
        return bool(self.param.label_type != self.param.NONE)

    def read_label(self, entry: str, size: tuple[int, ...]) -> Pixels:
        if self.param.label_type == self.param.PIXEL:
            return self._decode_label(entry)
        value = self.param.ignore_label
        if self.needs_label:
            value = int(entry) if entry.isdecimal() else _MOST_LABEL + 1
        if not 0 <= value <= _MOST_LABEL:
            raise DatasetError(self.param.source, f"'{entry}' is no label of 0 to {_MOST_LABEL}", "see label_type")
        return np.full((1, *size), value, np.uint8)

    def change(
        self, image: Pixels, label: Pixels, random: np.random.Generator
    ) -> tuple[Pixels, Pixels, NDArray[np.float32]]:
        factor = self.factors[random.integers(len(self.factors))] if self.factors else 1
        mirrored = self.mirror and random.integers(2) == 1
        if factor != 1:
            height, width = (int(size * factor) for size in image.shape[1:])
            image, label = resize_bilinear(image, (height, width)), resize_nearest(label, (height, width))
        kept = np.ones((1, *image.shape[1:]), np.float32)
        if any(self.crop):
            edges = [(0, max(crop - size, 0)) for crop, size in zip(self.crop, image.shape[1:], strict=True)]
            image, kept = (np.pad(each, ((0, 0), *edges)) for each in (image, kept))
            label = np.pad(label, ((0, 0), *edges), constant_values=self.param.ignore_label)
            margins = [size - crop for size, crop in zip(image.shape[1:], self.crop, strict=True)]
            starts = [int(random.integers(each + 1)) if self.training else each // 2 for each in margins]
            window = _window(starts, self.crop)
            image, label, kept = image[window], label[window], kept[window]
        turn = slice(None, None, -1 if mirrored else 1)
        return image[..., turn], label[..., turn], kept[..., turn]


_MOST_LABEL = 255  # of the 8 bits of a label image


class DenseImageReader(_PairReader):
    """DenseImageData (src/caffe/layers/dense_image_data_layer.cpp of alexgkendall/caffe-segnet).

    Crops at random and mirrors, in the TEST phase as well, by the fields of its own message. The labels of ENet's
    encoder are smaller than the images by ``label_divide_factor`` (duducode/caffe-enet-windows).
    """

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        if layer.transform_param.mirror or layer.transform_param.crop_size:
            self.fail("has mirror or crop_size in transform_param", "set them in dense_image_data_param")
        self.crop = (int(self.param.crop_height), int(self.param.crop_width))
        if any(self.crop) and not all(self.crop):
            self.fail("has only one of crop_height and crop_width", "set both, or neither")
        self.divisor = int(self.param.label_divide_factor)
        if self.divisor != 1 and (self.divisor < 1 or any(self.crop) or not self.new_size):
            self.fail(f"has label_divide_factor {self.divisor}", "it goes with new_height and new_width, and no crop")

    def read_label(self, entry: str, size: tuple[int, ...]) -> Pixels:
        label = self._decode_label(entry)
        if self.new_size is None:
            return label
        height, width = (each // self.divisor for each in self.new_size)
        return resize_nearest(label, (height, width))

    def check_sizes(self, image: Pixels, label: Pixels, where: str) -> None:
        if self.divisor == 1:
            super().check_sizes(image, label, where)

    def change(
        self, image: Pixels, label: Pixels, random: np.random.Generator
    ) -> tuple[Pixels, Pixels, NDArray[np.float32]]:
        turn = slice(None, None, -1 if self.param.mirror and random.integers(2) == 1 else 1)
        window: tuple[slice, ...] = (slice(None),)
        if any(self.crop):
            margins = [size - crop for size, crop in zip(image.shape[1:], self.crop, strict=True)]
            if min(margins) < 0:
                what = f"has images of {dims(image.shape[1:])}, too small for a crop of {dims(self.crop)}"
                raise DatasetError(self.param.source, what, "lower crop_height and crop_width")
            window = _window([int(random.integers(each + 1)) for each in margins], self.crop)
        return image[..., turn][window], label[..., turn][window], np.ones((1, 1, 1), np.float32)


def _window(starts: list[int], sizes: tuple[int, int]) -> tuple[slice, ...]:
    return (slice(None), *(slice(start, start + size) for start, size in zip(starts, sizes, strict=True)))


def open_pair_reader(layer: LayerParameter, training: bool, seed: int) -> Reader:
    """Open the reader of a layer that reads images with their labels; raises `NetError` for a type that has none."""
    if layer.type not in _READERS:
        raise NetError(
            _locate(layer), "is not a data layer that the torch engine reads", f"it reads {', '.join(_READERS)}"
        )
    return _READERS[layer.type](layer, training, seed)


_READERS: dict[str, type[_PairReader]] = {"ImageSegData": ImageSegReader, "DenseImageData": DenseImageReader}
