"""MemoryData layers: images and labels that the caller gives as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import LayerParameter


class MemoryReader(Reader):
    """The rows of ``arrays``: images N x C x H x W, and N labels."""

    def __init__(self, layer: LayerParameter, arrays: Sequence[Array]) -> None:
        super().__init__(layer, training=False, seed=0)
        param = layer.memory_data_param
        self.size = param.batch_size
        shape = (param.channels, param.height, param.width)
        if len(arrays) != len(layer.top):
            self.fail(f"got {len(arrays)} arrays for {len(layer.top)} tops", "give it images and labels from Python")
        if arrays[0].shape[1:] != shape or len(arrays[0]) < 1 or any(len(a) != len(arrays[0]) for a in arrays):
            given = " and ".join(dims(array.shape) for array in arrays)
            self.fail(f"got {given}", f"it takes N x {dims(shape)} and N labels")
        self._arrays = [np.asarray(array, np.float32) for array in arrays]

    def __len__(self) -> int:
        return len(self._arrays[0])

    def batch(self, number: int) -> list[Array]:
        rows = [index for _, index in self.positions(number)]
        return [array[rows] for array in self._arrays]
