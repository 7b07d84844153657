"""HDF5Data layers: data sets named like the layer's tops, in a list of HDF5 files, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.engines.readers.reader import Array, Orders, Reader
from caffe_fcn.errors import DatasetError, FileError, MissingExtraError
from caffe_fcn.geometry import dims
from caffe_fcn.proto import LayerParameter


class Hdf5Reader(Reader):
    """The rows of all files, one file after the other; shuffled, the files and the rows of each."""

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        try:
            import h5py
        except ImportError as error:
            raise MissingExtraError(f"layer '{layer.name}' (HDF5Data)", "hdf5") from error
        param = layer.hdf5_data_param
        if layer.HasField("transform_param"):
            self.fail("has a transform_param", "HDF5Data transforms nothing: leave it out")
        if param.batch_size < 1:
            self.fail("has no batch_size", "set it in hdf5_data_param")
        names = files.read_bytes(param.source).decode(errors="replace").split()
        if not names:
            raise DatasetError(param.source, "lists no HDF5 file", "write one name a line")
        self.size = param.batch_size
        self._files = [_opened(h5py, name) for name in names]
        self._rows = [self._count(file) for file in self._files]
        self._starts = np.cumsum([0, *self._rows])
        self._orders = Orders(self._shuffled)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batch(self, number: int) -> list[Array]:
        rows = [self._orders[place] for place in self.places(number)]
        return [np.stack([self._row(top, row) for row in rows]).astype(np.float32) for top in self.layer.top]

    def _row(self, top: str, row: int) -> Array:
        file = int(np.searchsorted(self._starts, row, "right")) - 1
        try:
            values: Array = self._files[file][top][row - self._starts[file]]
        except (OSError, RuntimeError) as error:
            raise DatasetError(self._files[file].filename, f"'{top}' cannot be read: {error}") from error
        return values

    def _count(self, file: Any) -> int:
        """The rows of a file, whose data sets must fit one another and the first file's."""
        shapes = []
        for top in self.layer.top:
            if top not in file or not getattr(file[top], "shape", ()):
                what = f"has no data set '{top}' of rows"
                raise DatasetError(file.filename, what, f"it has {', '.join(file) or 'none'}")
            shapes.append(file[top].shape)
            first = self._files[0][top].shape
            if shapes[-1][1:] != first[1:] or shapes[-1][0] != shapes[0][0] or not shapes[-1][0]:
                raise DatasetError(file.filename, f"'{top}' is {dims(shapes[-1])}", "rows must agree in all data sets")
        return int(shapes[0][0])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        if not self.layer.hdf5_data_param.shuffle:
            return np.arange(len(self))
        random = self.random(epoch)
        order = random.permutation(len(self._rows))
        return np.concatenate([self._starts[file] + random.permutation(self._rows[file]) for file in order])


def _opened(h5py: Any, name: str) -> Any:
    with files.told(name), open(name, "rb"):  # noqa: PTH123 - h5py's own words are worse
        pass
    try:
        return h5py.File(name, "r")
    except OSError as error:
        raise FileError(name, "is no HDF5 file, or is cut off", "make it again") from error
