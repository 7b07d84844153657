"""The shapes that data layers take from their files: an LMDB's first record, a list's first image.

Caffe looks at the first record when it sets a data layer up; so do we, and only at its header. Paths
are relative to the working directory, as Caffe takes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from caffe_fcn import files
from caffe_fcn.errors import DatasetError, MissingExtraError, NetError
from caffe_fcn.proto import Datum, LayerParameter

Shape = tuple[int, ...]


def data(layer: LayerParameter) -> list[Shape]:
    """A Data layer: N x C x H x W of its LMDB's first record, and N labels."""
    param = layer.data_param
    if not param.source:
        _fail(layer, "has no source", "name its LMDB, or a size (--size HxW)")
    if param.backend == 0:
        _fail(layer, "reads a LevelDB", "name a size (--size HxW), or use an LMDB")
    channels, height, width = datum_shape(first_record(param.source), param.source)
    return _batch(layer, param.batch_size, channels, height, width)


def image_data(layer: LayerParameter) -> list[Shape]:
    """An ImageData layer: its list's first image, or new_height x new_width, and N labels."""
    param = layer.image_data_param
    channels = 3 if param.is_color else 1
    if param.new_height and param.new_width:
        return _batch(layer, param.batch_size, channels, param.new_height, param.new_width)
    with files.naming_errors(param.source), Path(param.source).open() as file:
        line = file.readline().strip()
    name = line.rpartition(" ")[0]
    if not name:
        _fail(layer, f"{param.source} does not begin with 'IMAGE LABEL'", "write one such line per image")
    width, height = _image_size(param.root_folder + name)
    return _batch(layer, param.batch_size, channels, height, width)


def window_data(layer: LayerParameter) -> list[Shape]:
    """A WindowData layer: windows of crop_size, and N labels."""
    param = layer.window_data_param
    size = layer.transform_param.crop_size or param.crop_size
    if not size:
        _fail(layer, "has no crop_size", "set transform_param.crop_size")
    return [(param.batch_size, 3, size, size), (param.batch_size,)]


def hdf5_data(layer: LayerParameter) -> list[Shape]:
    """An HDF5Data layer: the data sets, named like its tops, of the first file in its list."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"layer '{layer.name}' (HDF5Data)", "hdf5") from error
    param = layer.hdf5_data_param
    with files.naming_errors(param.source), Path(param.source).open() as lines:
        name = lines.readline().strip()
    with files.naming_errors(name), h5py.File(name, "r") as file:
        for top in layer.top:
            if top not in file:
                _fail(layer, f"{name} has no data set '{top}'", f"it has {', '.join(file) or 'none'}")
        return [(param.batch_size, *file[top].shape[1:]) for top in layer.top]


def first_record(source: str) -> Datum:
    """The first Datum of an LMDB; raises `FileError` for what is none, `DatasetError` for what is empty."""
    from caffe_fcn.datasets.records import datum
    from caffe_fcn.datasets.records.database import Database

    if not Path(source).exists():
        raise DatasetError(source, "no such LMDB", "check the path, or name a size (--size HxW)")
    records = Database(source)
    if not len(records):
        raise DatasetError(source, "is an empty LMDB", "build the data set again")
    return datum.parse(records[0], f"{source}, record 0")


def datum_shape(record: Datum, source: str) -> Shape:
    """C x H x W of a Datum; of an encoded one from the image's header."""
    from caffe_fcn.datasets.records import datum

    return datum.read_shape(record, f"{source}, record 0")


def _batch(layer: LayerParameter, batch: int, channels: int, height: int, width: int) -> list[Shape]:
    crop = layer.transform_param.crop_size
    return [(batch, channels, crop or height, crop or width), (batch,)]


def _image_size(path: str) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    with files.naming_errors(path):
        try:
            with Image.open(path) as image:
                return int(image.width), int(image.height)
        except UnidentifiedImageError as error:
            raise DatasetError(path, "is no image", "check the list") from error


def _fail(layer: LayerParameter, what: str, mend: str) -> NoReturn:
    raise NetError(f"layer '{layer.name}' ({layer.type})", what, mend)
