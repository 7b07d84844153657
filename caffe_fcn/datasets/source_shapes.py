"""The shapes that data layers take from their files: an LMDB's first record, a list's first image.

    infer(net, phase="train", data_shapes=read_record_shapes)

Caffe looks at the first record when it sets a data layer up; so do we, and only at its header. Paths are relative
to the working directory, as Caffe takes them. `find_record_shapes` also looks in the folder of a net's file, because
a training runs there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from caffe_fcn import files
from caffe_fcn.errors import DatasetError, MissingExtraError, NetError
from caffe_fcn.files import PathLike
from caffe_fcn.net.layer_types import Origin, Shape, layer_type
from caffe_fcn.proto import Datum, LayerParameter


def read_record_shapes(layer: LayerParameter) -> list[Shape]:
    """The shapes of one record of a data layer: C x H x W of an image, or, of HDF5 data, one shape for each top.

    Raises `FileError` or `DatasetError` for files that cannot be read, and `NetError` for a layer that names none or
    whose files are of a kind that is not read here.
    """
    return _read_shapes(layer, Path())


def find_record_shapes(net: PathLike) -> Callable[[LayerParameter], list[Shape]]:
    """Return `read_record_shapes` for the net in a file: what is not in the working directory is beside this file."""
    folder = Path() if str(net) == "-" else Path(net).parent
    return lambda layer: _read_shapes(layer, folder)


def _read_shapes(layer: LayerParameter, folder: Path) -> list[Shape]:
    row = layer_type(layer.type)
    origin = row.origin
    if origin not in _READ or not row.param_name:
        _fail(layer, "is not a data layer whose files can be read here", "give a `size`, or the `inputs`")
    return _READ[origin](layer, folder)


def _locate(path: str, folder: Path) -> str:
    """The path from the working directory, or else, where only that exists, from ``folder``."""
    beside = folder / path
    return str(beside) if not Path(path).exists() and beside.exists() else path


def _read_database(layer: LayerParameter, folder: Path) -> list[Shape]:
    """The shape of an LMDB's first record."""
    param = layer.data_param
    if not param.source:
        _fail(layer, "has no source", "name its LMDB, or give a `size` HxW")
    if param.backend == 0:
        _fail(layer, "reads a LevelDB", "give a `size` HxW, or use an LMDB")
    source = _locate(param.source, folder)
    return [datum_shape(first_record(source), source)]


def _read_image_list(layer: LayerParameter, folder: Path) -> list[Shape]:
    """The shape of a list's first image."""
    param = layer.image_data_param
    source = _locate(param.source, folder)
    with files.naming_errors(source), Path(source).open() as file:
        line = file.readline().strip()
    name = line.rpartition(" ")[0]
    if not name:
        _fail(layer, f"{param.source} does not begin with 'IMAGE LABEL'", "write one such line per image")
    width, height = _image_size(_locate(param.root_folder + name, folder))
    return [(3 if param.is_color else 1, height, width)]


def _read_image_pairs(layer: LayerParameter, folder: Path) -> list[Shape]:
    """The shape of the first image of a list of images and labels."""
    param = getattr(layer, layer_type(layer.type).param_name)
    if not getattr(param, "source", ""):
        _fail(layer, "has no source", "name its list, or give a `size` HxW")
    source = _locate(param.source, folder)
    with files.naming_errors(source), Path(source).open(errors="surrogateescape") as file:
        words = file.readline().split()
    if not words:
        _fail(layer, f"{param.source} does not begin with 'IMAGE LABEL'", "write one such line per image")
    width, height = _image_size(_locate(param.root_folder + words[0], folder))
    return [(3 if param.is_color else 1, height, width)]


def _read_hdf5(layer: LayerParameter, folder: Path) -> list[Shape]:
    """The shapes of the data sets, named like the layer's tops, of the first file in its list."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"layer '{layer.name}' ({layer.type})", "hdf5") from error
    param = layer.hdf5_data_param
    source = _locate(param.source, folder)
    with files.naming_errors(source), Path(source).open() as lines:
        name = _locate(lines.readline().strip(), folder)
    with files.naming_errors(name), h5py.File(name, "r") as file:
        for top in layer.top:
            if top not in file:
                _fail(layer, f"{name} has no data set '{top}'", f"it has {', '.join(file) or 'none'}")
        return [tuple(file[top].shape[1:]) for top in layer.top]


_READ: dict[Origin | None, Callable[[LayerParameter, Path], list[Shape]]] = {
    Origin.DATABASE: _read_database,
    Origin.HDF5: _read_hdf5,
    Origin.IMAGE_LIST: _read_image_list,
    Origin.IMAGE_PAIRS: _read_image_pairs,
}


def first_record(source: str) -> Datum:
    """The first Datum of an LMDB; raises `FileError` for what is not one, `DatasetError` for an empty one."""
    from caffe_fcn.datasets.records import datum
    from caffe_fcn.datasets.records.database import Database

    if not Path(source).exists():
        raise DatasetError(source, "no such LMDB", "check the path, or give a `size` HxW")
    records = Database(source)
    if not len(records):
        raise DatasetError(source, "is an empty LMDB", "build the data set again")
    return datum.parse(records[0], f"{source}, record 0")


def datum_shape(record: Datum, source: str) -> Shape:
    """C x H x W of a Datum; of an encoded one from the image's header."""
    from caffe_fcn.datasets.records import datum

    return datum.read_shape(record, f"{source}, record 0")


def _image_size(path: str) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    with files.naming_errors(path):
        try:
            with Image.open(path) as image:
                return int(image.width), int(image.height)
        except UnidentifiedImageError as error:
            raise DatasetError(path, "is not an image", "check the list") from error


def _fail(layer: LayerParameter, what: str, mend: str) -> NoReturn:
    raise NetError(f"layer '{layer.name}' ({layer.type})", what, mend)
