"""HDF5Data layers: a list of HDF5 files, in each a data set for every top of the layer, read row by row."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import files
from caffe_fcn.datasets.records import stores
from caffe_fcn.engines.readers.reader import Array, Reader, RecordOrder
from caffe_fcn.errors import DatasetError, FileError, MissingExtraError
from caffe_fcn.net.geometry import INT_MAX, dims
from caffe_fcn.proto import LayerParameter

_LARGEST_CHUNK = 1 << 30  # bytes; HDF5 decompresses a chunk as a whole
_SLOTS = 10_007  # of the cache of chunks: a prime number, as HDF5 recommends
_KINDS = "fiu"  # Caffe reads numbers: floats and integers


class Hdf5Reader(Reader):
    """The rows of all files, one file after the other; ``shuffle`` changes the order of files, and of rows in each."""

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        try:
            import h5py  # noqa: F401 - files are opened later
        except ImportError as error:
            raise MissingExtraError(f"layer '{layer.name}' (HDF5Data)", "hdf5") from error
        param = layer.hdf5_data_param
        if layer.HasField("transform_param"):
            self.fail("has a transform_param", "HDF5Data transforms nothing: leave it out")
        if param.batch_size < 1:
            self.fail("has no batch_size", "set it in hdf5_data_param")
        names = [os.fsdecode(name) for name in files.read_bytes(param.source).split()]
        if not names:
            raise DatasetError(param.source, "lists no HDF5 file", "write one name a line")
        self.size = param.batch_size
        self._names = names
        self._open_file: tuple[int, Any] = (-1, None)
        self._tops: dict[str, Any] = {}
        self._shapes: list[tuple[int, ...]] = []
        self._rows = [self._read_count(number) for number in range(len(names))]
        self._starts = np.cumsum([0, *self._rows])
        self._order = RecordOrder(self._draw_order)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def batch(self, number: int) -> list[Array]:
        rows = [self._order[position] for position in self.positions(number)]
        try:
            return [np.stack([self._row(top, row) for row in rows]).astype(np.float32) for top in self.layer.top]
        except MemoryError as error:
            where = stores.escape_name(self._names[0])
            what = f"a batch of rows of {', '.join(map(dims, self._shapes))} is larger than the memory"
            raise DatasetError(where, what, "lower batch_size") from error

    def _row(self, top: str, row: int) -> Array:
        file = int(np.searchsorted(self._starts, row, "right")) - 1
        try:
            values: Array = self._open_top(file, top)[row - self._starts[file]]
        except (OSError, RuntimeError) as error:
            raise DatasetError(stores.escape_name(self._names[file]), f"'{top}' cannot be read: {error}") from error
        return values

    def _open_numbered(self, number: int) -> Any:
        """Open a file of the list, and close the one before it."""
        opened, file = self._open_file
        if opened != number:
            self._tops = {}
            self._open_file = (-1, None)
            if file is not None:
                file.close()
            self._open_file = (number, _open(self._names[number]))
        return self._open_file[1]

    def _open_top(self, number: int, name: str) -> Any:
        """Open a data set with a cache for the chunks that a row is part of; if shuffled, for all chunks, as in Caffe.

        HDF5's own cache holds 1 MB; it would decompress a larger chunk again for each of its rows.
        """
        file = self._open_numbered(number)
        if name not in self._tops:
            dataset = file[name]
            if dataset.chunks is not None:
                import h5py

                shuffled = self.layer.hdf5_data_param.shuffle
                rows = len(dataset) if shuffled else dataset.chunks[0]
                across = (
                    -(-size // chunk) * chunk for size, chunk in zip(dataset.shape[1:], dataset.chunks[1:], strict=True)
                )
                needed = (rows + dataset.chunks[0]) * math.prod(across) * dataset.dtype.itemsize
                access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
                access.set_chunk_cache(_SLOTS, min(needed, _LARGEST_CHUNK), 0.75)
                dataset = h5py.Dataset(h5py.h5d.open(file.id, os.fsencode(name), access))
            self._tops[name] = dataset
        return self._tops[name]

    def _read_count(self, number: int) -> int:
        """Count the rows of a file; raises `FileError` if HDF5 finds it damaged (h5py says so in several ways)."""
        try:
            return self._check_rows(self._open_numbered(number))
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            where = stores.escape_name(self._names[number])
            raise FileError(where, f"is damaged: {str(error).lower()}", "make it again") from error

    def _check_rows(self, file: Any) -> int:
        """Count the rows of a file; raises `DatasetError` if its data sets do not fit those before."""
        where = stores.escape_name(file.filename)
        shapes: list[tuple[int, ...]] = []
        for top in self.layer.top:
            dataset = file.get(top)  # None also if a link leads nowhere
            if not getattr(dataset, "shape", ()):
                what = f"has no data set '{top}' of rows"
                raise DatasetError(where, what, f"it has {', '.join(file) or 'none'}")
            if dataset.dtype.kind not in _KINDS:
                raise DatasetError(where, f"'{top}' holds {dataset.dtype}, not numbers", "write floats or integers")
            if dataset.chunks is not None and math.prod(dataset.chunks) * dataset.dtype.itemsize > _LARGEST_CHUNK:
                what = f"'{top}' has chunks of {dims(dataset.chunks)}, too large to be read"
                raise DatasetError(where, what, "write it in smaller ones")
            shapes.append(dataset.shape)
        self._shapes = self._shapes or [shape[1:] for shape in shapes]
        for top, shape, first in zip(self.layer.top, shapes, self._shapes, strict=True):
            if shape[1:] != first or shape[0] != shapes[0][0] or not shape[0]:
                raise DatasetError(where, f"'{top}' is {dims(shape)}", "rows must agree in all data sets")
            if self.size * math.prod(first) > INT_MAX:
                raise DatasetError(where, f"'{top}' is {dims(shape)}, too large for a batch", "lower batch_size")
        return int(shapes[0][0])

    def _draw_order(self, epoch: int) -> NDArray[np.int64]:
        if not self.layer.hdf5_data_param.shuffle:
            return np.arange(len(self))
        random = self.random(epoch)
        order = random.permutation(len(self._rows))
        return np.concatenate([self._starts[file] + random.permutation(self._rows[file]) for file in order])


def _open(name: str) -> Any:
    import h5py

    where = stores.escape_name(name)
    with files.naming_errors(where):
        if not Path(name).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not Path(name).is_file():
            raise FileError(where, "is not a regular file", "name an HDF5 file")
        with open(name, "rb"):  # noqa: PTH123 - for its errors, which are clearer than h5py's
            pass
    try:
        return h5py.File(name, "r")
    except (OSError, RuntimeError) as error:
        raise FileError(where, "is no HDF5 file, or is cut off", "make it again") from error
