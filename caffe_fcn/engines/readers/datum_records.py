"""Data layers: an LMDB of Datum records, read in the order of its keys."""

from __future__ import annotations

import numpy as np

from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.records.database import Database
from caffe_fcn.engines.readers.image_lists import decode_image
from caffe_fcn.engines.readers.reader import Array, Reader, require_one_size
from caffe_fcn.engines.readers.transform import Transform
from caffe_fcn.errors import DatasetError
from caffe_fcn.proto import Datum, LayerParameter


class DatabaseReader(Reader):
    """The images of an LMDB and, if the layer has a second top, their labels (one number each).

    Readers with the same seed draw the same crops and mirrors for the same record, so that a label image keeps
    fitting its image.
    """

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        param = layer.data_param
        if not param.source:
            self.fail("has no source", "name its LMDB in data_param")
        if param.backend != param.LMDB:
            self.fail("reads a LevelDB", "convert it to an LMDB and set backend: LMDB")
        if param.batch_size < 1:
            self.fail("has no batch_size", "set it in data_param")
        colours = [layer.transform_param.force_color or param.force_encoded_color, layer.transform_param.force_gray]
        if all(colours):
            self.fail("has force_color and force_gray", "keep one of them")
        self.source = str(param.source)
        self.size = param.batch_size
        self.transform = Transform(layer, training)
        self._colour = colours[0] if any(colours) else None
        self._database = Database(self.source)
        if not len(self._database):
            raise DatasetError(self.source, "is an empty LMDB", "build the data set again")

    def __len__(self) -> int:
        return len(self._database)

    def batch(self, number: int) -> list[Array]:
        images: list[Array] = []
        labels = []
        for epoch, index in self.positions(number):
            where = f"{self.source}, record {index}"
            record = datum.parse(self._database[index], where)
            random = self.random(epoch, index) if self.transform.is_random else None
            images.append(self.transform(self._pixels(record, where), random, where))
            labels.append(record.label)
            require_one_size(images, where, "batch_size 1 takes images of any size")
        tops = [np.stack(images), np.array(labels, np.float32)]
        return tops[: len(self.layer.top)]

    def _pixels(self, record: Datum, where: str) -> Array:
        if self._colour is None or not record.encoded:
            return datum.to_array(record, where)
        return decode_image(record.data, where, self._colour)
