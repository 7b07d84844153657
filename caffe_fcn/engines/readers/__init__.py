"""Data layers as readers: what each makes of its files, batch by batch, without an engine.

    reader = open_reader(layer, training=True, seed=1337)
    images, labels = reader.batch(7)           # float32, the layer's tops

A batch is a function of its number and the seed: nothing is remembered from one to the next. So a training that is
resumed goes on where it stopped, several processes share the batches among them by their numbers, and workers read
ahead in any order. Batches follow one another in the order in which Caffe reads them, and start over at the end.

- `transform`: ``transform_param``, from pixels to a blob
- `databases`: Data, `pictures`: ImageData, `hdf5`: HDF5Data, `memory`: MemoryData, `python`: Python,
  with blobs as pycaffe has them (`pycaffe`)
- `ahead`: batches of all data layers of a net, read ahead by worker processes (``__main__``)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from caffe_fcn.engines.readers.databases import DatabaseReader
from caffe_fcn.engines.readers.hdf5 import Hdf5Reader
from caffe_fcn.engines.readers.memory import MemoryReader
from caffe_fcn.engines.readers.pictures import PictureReader
from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, NetParameter

__all__ = ["Array", "Reader", "open_reader", "open_readers"]

_READERS: dict[Origin | None, type[Reader]] = {
    Origin.DATABASE: DatabaseReader,
    Origin.HDF5: Hdf5Reader,
    Origin.IMAGE_LIST: PictureReader,
}


def open_readers(
    net: NetParameter, training: bool, seed: int, arrays: Mapping[str, Sequence[Array]] | None = None
) -> dict[str, Reader]:
    """The readers of a net's data layers by name; ``arrays`` are those of its MemoryData layers.

    Raises `NetError` for a layer that lacks something, and `DatasetError` where Data layers walk databases of
    different lengths, whose images and labels would come apart.
    """
    readers = {
        layer.name: open_reader(layer, training, seed, (arrays or {}).get(layer.name, ()))
        for layer in net.layer
        if origin_of(layer) in (*_READERS, Origin.MEMORY, Origin.CODE)
    }
    lengths = {reader.source: len(reader) for reader in readers.values() if isinstance(reader, DatabaseReader)}
    if len(set(lengths.values())) > 1:
        (one, many), (other, fewer) = max(lengths.items(), key=_length), min(lengths.items(), key=_length)
        raise DatasetError(other, f"has {fewer} records, and {one} {many}", "build both from the same list of images")
    return readers


def open_reader(layer: LayerParameter, training: bool, seed: int, arrays: Sequence[Array] = ()) -> Reader:
    """The reader of a data layer; random crops, mirrors and orders come of ``seed``.

    Raises `NetError` for a type that is not read here.
    """
    origin = layer_type(layer.type).origin
    if origin is Origin.MEMORY:
        return MemoryReader(layer, arrays)
    if origin is Origin.CODE:
        from caffe_fcn.engines.readers.python import open_python_reader

        return open_python_reader(layer, training, seed)
    if origin not in _READERS:
        raise NetError(f"layer '{layer.name}' ({layer.type})", "is no data layer that the torch engine reads")
    return _READERS[origin](layer, training, seed)


def _length(item: tuple[str, int]) -> int:
    return item[1]
