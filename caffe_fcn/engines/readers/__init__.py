"""Data layers as readers: what each layer gives, batch by batch, without an engine.

    reader = open_reader(layer, training=True, seed=1337)
    images, labels = reader.batch(7)           # float32, the layer's tops

A batch is a function of its number and the seed; no batch depends on the one before. So a resumed training goes on
where it stopped, several processes divide the batches by their numbers, and worker processes read ahead in any order.
Batches follow one another in the order in which Caffe reads them, and start over at the end.

- `transform`: ``transform_param``, from pixels to a blob
- `databases`: Data, `image_lists`: ImageData, `image_pairs`: ImageSegData and DenseImageData of forks,
  `hdf5`: HDF5Data, `memory`: MemoryData
- `python_layers`: Python, with tops like pycaffe's (`layer_blob`)
- `augmentation`: Python, of joint augmentation behind data layers
- `prefetch`: the batches of all data layers of a net, read ahead by worker processes (``__main__``)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from caffe_fcn.engines.readers.augmentation import add_augmented_readers
from caffe_fcn.engines.readers.datum_records import DatabaseReader
from caffe_fcn.engines.readers.hdf5 import Hdf5Reader
from caffe_fcn.engines.readers.image_lists import ImageListReader
from caffe_fcn.engines.readers.image_pairs import open_pair_reader
from caffe_fcn.engines.readers.memory import MemoryReader
from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.proto import LayerParameter, NetParameter

__all__ = ["Array", "Reader", "open_data_layers", "open_reader"]

_READERS: dict[Origin | None, Callable[[LayerParameter, bool, int], Reader]] = {
    Origin.DATABASE: DatabaseReader,
    Origin.HDF5: Hdf5Reader,
    Origin.IMAGE_LIST: ImageListReader,
    Origin.IMAGE_PAIRS: open_pair_reader,
}


def open_data_layers(
    net: NetParameter,
    training: bool,
    seed: int,
    arrays: Mapping[str, Sequence[Array]] | None = None,
    earlier_passes: int = 0,
) -> dict[str, Reader]:
    """Open the readers of a net's data layers, by the layers' names; ``arrays`` go to its MemoryData layers.

    While training, the reader of an augmentation layer takes the place of those of the data layers that only it reads
    (see `augmentation.merge_sources`); ``earlier_passes`` goes to it.
    Raises `NetError` for a layer that lacks something, and `DatasetError` if Data layers read databases of different
    lengths, so that images would get other images' labels.
    """
    readers = {
        layer.name: open_reader(layer, training, seed, (arrays or {}).get(layer.name, ()))
        for layer in net.layer
        if origin_of(layer) in (*_READERS, Origin.MEMORY, Origin.CODE)
    }
    lengths = {reader.source: len(reader) for reader in readers.values() if isinstance(reader, DatabaseReader)}
    if len(set(lengths.values())) > 1:
        (one, many), (other, fewer) = max(lengths.items(), key=_by_length), min(lengths.items(), key=_by_length)
        raise DatasetError(other, f"has {fewer} records, and {one} {many}", "build both from the same list of images")
    return add_augmented_readers(net, readers, earlier_passes) if training else readers


def open_reader(layer: LayerParameter, training: bool, seed: int, arrays: Sequence[Array] = ()) -> Reader:
    """Open the reader of a data layer; ``seed`` determines its random crops, mirrors and orders.

    Raises `NetError` for a layer of another type.
    """
    origin = layer_type(layer.type).origin
    if origin is Origin.MEMORY:
        return MemoryReader(layer, arrays)
    if origin is Origin.CODE:
        from caffe_fcn.engines.readers.python_layers import open_python_reader

        return open_python_reader(layer, training, seed)
    if origin not in _READERS:
        raise NetError(f"layer '{layer.name}' ({layer.type})", "is not a data layer that the torch engine reads")
    return _READERS[origin](layer, training, seed)


def _by_length(item: tuple[str, int]) -> int:
    return item[1]
