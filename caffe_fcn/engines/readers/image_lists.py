"""ImageData layers: a list of image files with a label each, as lines of ``FILE LABEL``."""

from __future__ import annotations

import os
import re

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import images, stores
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.engines.readers.reader import Array, Reader, RecordOrder, require_one_size
from caffe_fcn.engines.readers.resize import resize_bilinear
from caffe_fcn.engines.readers.transform import Transform
from caffe_fcn.errors import DatasetError
from caffe_fcn.proto import LayerParameter

_LABEL = re.compile(rb"[+-]?[0-9]{1,10}")
_MOST_LABEL = (1 << 31) - 1


def decode_image(data: bytes, where: str, colour: bool) -> NDArray[np.uint8]:
    """Decode an image file to C x H x W, in colour (blue first) or in grey; raises `Fault` if it is not an image."""
    image = images.open_header(data, where)
    if images.is_deep(image, data):
        raise Fault("16-bit", where, "has more than 8 bits a channel", "convert it to 8 bits")
    return images.to_planes(np.asarray(images.load(image, where).convert("RGB" if colour else "L")))


class ImageListReader(Reader):
    """The images of a list, scaled to ``new_height`` x ``new_width`` if the layer has these, and their labels."""

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
        self._order = RecordOrder(self._draw_order)

    def _read_list(self, source: str) -> list[tuple[str, int]]:
        lines = []
        # Caffe splits the bytes at each line feed and at the last blank, so a name need not be UTF-8.
        content = files.read_bytes(source).removesuffix(b"\n")
        for number, line in enumerate(content.split(b"\n") if content else (), 1):
            name, space, label = line.removesuffix(b"\r").rpartition(b" ")
            if not space or not _LABEL.fullmatch(label) or not -_MOST_LABEL <= int(label) <= _MOST_LABEL:
                shown = stores.escape_name(os.fsdecode(line[:60]))
                raise DatasetError(f"{source}:{number}", f"'{shown}' is no 'IMAGE NUMBER'", "write one a line")
            lines.append((os.fsdecode(name), int(label)))
        if not lines:
            raise DatasetError(source, "lists no image", "write 'IMAGE NUMBER', one a line")
        return lines

    def __len__(self) -> int:
        return len(self._lines)

    def batch(self, number: int) -> list[Array]:
        pixels: list[Array] = []
        labels = []
        for epoch, index in self.positions(number):
            epoch, index = divmod(epoch * len(self) + index + self._skipped, len(self))
            name, label = self._lines[self._order[epoch, index]]
            path = self.layer.image_data_param.root_folder + name
            random = self.random(epoch, index) if self.transform.is_random else None
            where = stores.escape_name(path)
            pixels.append(self.transform(self._pixels(path, where), random, where))
            labels.append(label)
            require_one_size(pixels, where, "set new_height and new_width, or batch_size 1")
        tops = [np.stack(pixels), np.array(labels, np.float32)]
        return tops[: len(self.layer.top)]

    def _pixels(self, path: str, where: str) -> Array:
        pixels = decode_image(stores.read_file(path, where), where, self.layer.image_data_param.is_color)
        return resize_bilinear(pixels, self.new_size) if self.new_size else pixels

    def _draw_order(self, epoch: int) -> NDArray[np.int64]:
        if self.layer.image_data_param.shuffle:
            return self.random(epoch).permutation(len(self))
        return np.arange(len(self))
