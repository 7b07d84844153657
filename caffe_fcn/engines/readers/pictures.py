"""ImageData layers: a list of image files, each with a number, as lines of ``FILE NUMBER``."""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images, source_files
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.engines.readers.reader import Array, Orders, Reader
from caffe_fcn.engines.readers.resize import bilinear
from caffe_fcn.engines.readers.transform import Transform
from caffe_fcn.errors import DatasetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import LayerParameter

_LABEL = re.compile(rb"[+-]?[0-9]{1,10}")
_MOST_LABEL = (1 << 31) - 1


def decoded(data: bytes, where: str, colour: bool) -> NDArray[np.uint8]:
    """An image file as C x H x W, in colour (blue first) or in grey; raises `Fault` for what is none."""
    image = images.open_header(data, where)
    if images.is_deep(image, data):
        raise Fault("16-bit", where, "has more than 8 bits a channel", "convert it to 8 bits")
    return images.to_planes(np.asarray(images.load(image, where).convert("RGB" if colour else "L")))


class PictureReader(Reader):
    """The images of a list, scaled to one size where the layer says so, and their numbers."""

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        param = layer.image_data_param
        if bool(param.new_height) != bool(param.new_width):
            self.fail("has only one of new_height and new_width", "set both, or neither")
        if param.batch_size < 1:
            self.fail("has no batch_size", "set it in image_data_param")
        self.size = param.batch_size
        self.new_size = (param.new_height, param.new_width) if param.new_height else None
        self.transform = Transform(layer, training)
        self._lines = self._read_list(param.source)
        self._skipped = int(self.random().integers(min(param.rand_skip, len(self)))) if param.rand_skip else 0
        self._orders = Orders(self._shuffled)

    def _read_list(self, source: str) -> list[tuple[str, int]]:
        lines = []
        # Caffe splits the bytes at each line feed and at the last blank: a name need not be UTF-8.
        content = files.read_bytes(source).removesuffix(b"\n")
        for number, line in enumerate(content.split(b"\n") if content else (), 1):
            name, space, label = line.removesuffix(b"\r").rpartition(b" ")
            if not space or not _LABEL.fullmatch(label) or not -_MOST_LABEL <= int(label) <= _MOST_LABEL:
                shown = source_files.escape_name(os.fsdecode(line[:60]))
                raise DatasetError(f"{source}:{number}", f"'{shown}' is no 'IMAGE NUMBER'", "write one a line")
            lines.append((os.fsdecode(name), int(label)))
        if not lines:
            raise DatasetError(source, "lists no image", "write 'IMAGE NUMBER', one a line")
        return lines

    def __len__(self) -> int:
        return len(self._lines)

    def batch(self, number: int) -> list[Array]:
        made: list[Array] = []
        labels = []
        for epoch, place in self.places(number):
            epoch, place = divmod(epoch * len(self) + place + self._skipped, len(self))
            name, label = self._lines[self._orders[epoch, place]]
            path = self.layer.image_data_param.root_folder + name
            random = self.random(epoch, place) if self.transform.is_random else None
            where = source_files.escape_name(path)
            made.append(self.transform(self._pixels(path, where), random, where))
            labels.append(label)
            if made[-1].shape != made[0].shape:
                what = f"is {dims(made[-1].shape)}, and the first of its batch {dims(made[0].shape)}"
                raise DatasetError(where, what, "set new_height and new_width, or batch_size 1")
        tops = [np.stack(made), np.array(labels, np.float32)]
        return tops[: len(self.layer.top)]

    def _pixels(self, path: str, where: str) -> Array:
        pixels = decoded(source_files.read_file(path, where), where, self.layer.image_data_param.is_color)
        return bilinear(pixels, self.new_size) if self.new_size else pixels

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if self.layer.image_data_param.shuffle:
            return self.random(epoch).permutation(len(self))
        return np.arange(len(self))
