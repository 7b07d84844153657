"""Caffe's HDF5 weights (``.caffemodel.h5``): ``/data/LAYER/INDEX``, one contiguous data set each.

HDF5 lays the file out and tells where each data set lies; the kernel then copies the bytes there. Read back, a data
set is a segment of the file. Only compressed data sets pass through h5py, slab by slab.

Source: Net::ToHDF5 and CopyTrainedLayersFromHDF5 in src/caffe/net.cpp. The file does not keep the order of the layers.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import IO, Any

from caffe_fcn.errors import MissingExtraError, WeightsError
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.npz import DENSEST
from caffe_fcn.weights.output_file import OutputFile
from caffe_fcn.weights.tensors import (
    CHUNK,
    ITEM_SIZES,
    FileSegment,
    GeneratedSegment,
    Segment,
    Shape,
    Tensor,
    explain_bad_shape,
)

# Memory for a compressed data set: HDF5 unpacks whole chunks, and all chunks that share a row are needed to give the
# row's values in their order. It is room for a chunk of 64 million float32, more than any that HDF5 chooses by itself.
_LARGEST_SLAB = 256 << 20


def _h5py(path: object) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"{path} (HDF5)", "hdf5") from error
    return h5py


def read(file: InputFile) -> Weights:
    """The layers of an HDF5 weights file; raises `WeightsError` naming the layer."""
    h5py = _h5py(file.path)
    try:
        with h5py.File(file.path, "r") as content:
            if not isinstance(data := get_member(content, "data", str(file.path)), h5py.Group):
                raise WeightsError(file.path, "has no group 'data'", "name a weights file that Caffe wrote")
            layers = tuple(_read_layer(file, name, get_member(data, name, locate(file.path, name))) for name in data)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(file.path, f"HDF5 cannot read it: {error}", DAMAGED) from error
    return Weights(file, "hdf5", layers)


def get_member(group: Any, name: str, where: str) -> Any:
    """A member of a group, or None; raises `WeightsError` for a link, which may lead to another file."""
    if group.get(name, getlink=True).__class__.__name__ not in ("HardLink", "NoneType"):
        raise WeightsError(where, f"'{name}' is a link", "weights lie in the file itself")
    return group.get(name)


def _read_layer(file: InputFile, name: str, group: Any) -> Layer:
    if not hasattr(group, "keys"):
        raise WeightsError(locate(file.path, name), "is not a group", DAMAGED)
    tensors = []
    for index in range(len(group)):
        where = locate(file.path, name, index)
        data = get_member(group, str(index), where)
        if not hasattr(data, "shape"):
            raise WeightsError(where, "is not there, or no data set", "a layer that shares it?")
        tensors.append(open_tensor(file, data, where))
    return Layer(name, tuple(tensors))


def open_tensor(file: InputFile, data: Any, where: str) -> Tensor:
    """A handle on a data set of the file; raises `WeightsError` at ``where`` for a data set without floats."""
    dtype = data.dtype.name
    if dtype not in ITEM_SIZES:
        raise WeightsError(where, f"holds {dtype}", "weights are float16, float32 or float64")
    if data.is_virtual or data.external:
        raise WeightsError(where, "lies in another file", "weights lie in the file itself")
    shape: Shape = tuple(data.shape or ())
    if reason := explain_bad_shape(shape) if data.shape is not None else "has no values":
        raise WeightsError(where, reason, DAMAGED)
    size = math.prod(shape) * ITEM_SIZES[dtype]
    if not size:
        return Tensor(shape, dtype, ())
    begin = data.id.get_offset()
    if begin is not None and data.chunks is None and data.dtype.byteorder in "=<|":
        if data.id.get_storage_size() != size or begin + size > len(file):
            raise WeightsError(where, f"needs {size} bytes and has fewer", DAMAGED)
        return Tensor(shape, dtype, (FileSegment(file, begin, size),))
    if not _is_complete(data):
        raise WeightsError(where, f"declares {size} bytes that are not there", DAMAGED)
    grid = data.chunks or (1,) * len(shape)
    axis = _find_slab_axis(shape, grid, data.dtype.itemsize)
    if axis is None:
        what = f"is compressed so that more than {_LARGEST_SLAB} bytes must be unpacked together"
        raise WeightsError(where, what, "write it uncompressed, or in chunks of one row")
    return Tensor(shape, dtype, (_read_slabs(file, data.name, dtype, size, axis, grid, where),))


def _is_complete(data: Any) -> bool:
    """Whether the file has bytes for all chunks, and enough that they can unpack to what is declared."""
    stored = data.id.get_storage_size()
    if data.chunks is None:
        return bool(stored == data.nbytes)
    pairs = zip(data.shape, data.chunks, strict=True)
    chunks = math.prod(-(-side // chunk) for side, chunk in pairs)
    return bool(data.id.get_num_chunks() == chunks and stored * DENSEST >= data.nbytes)


def _find_slab_axis(shape: Shape, grid: Shape, item: int) -> int | None:
    """The axis along which a data set is read in slabs of whole chunks, each with all of the axes behind it.

    The slabs must come in storage order, so that along the axes before it no chunk may be longer than one.
    None where the slabs would be too large; a data set without axes has one value, and one slab.
    """
    for axis, chunk in enumerate(grid):
        if min(chunk, shape[axis]) * math.prod(shape[axis + 1 :]) * item <= _LARGEST_SLAB:
            return axis
        if min(chunk, shape[axis]) > 1:
            return None
    return None if grid else 0


def _read_slabs(file: InputFile, name: str, dtype: str, size: int, axis: int, grid: Shape, where: str) -> Segment:
    """The values of a compressed or byte-swapped data set, in slabs of whole chunks, so that each is unpacked once."""

    def values() -> Iterator[bytes]:
        h5py, item = _h5py(file.path), ITEM_SIZES[dtype]
        try:
            with h5py.File(file.path, "r") as content:
                data = content[name]
                for part in _locate_slabs(data.shape, axis, grid, item):
                    slab = data[part].astype(f"<f{item}", copy=False).ravel()
                    for begin in range(0, len(slab), CHUNK // item):
                        yield slab[begin : begin + CHUNK // item].tobytes()
        except (OSError, RuntimeError, KeyError) as error:
            raise WeightsError(where, f"HDF5 cannot read it: {error}", DAMAGED) from error

    return GeneratedSegment(size, values, frozenset((file,)))


def _locate_slabs(shape: Shape, axis: int, grid: Shape, item: int) -> Iterator[tuple[int | slice, ...]]:
    """The indexes of the slabs along an axis, in storage order; small slabs are joined to about `CHUNK` bytes."""
    if not shape:
        yield ()
        return
    row = math.prod(shape[axis + 1 :]) * item
    step = max(CHUNK // (row * grid[axis]), 1) * grid[axis]
    for outer in itertools.product(*map(range, shape[:axis])):
        for begin in range(0, shape[axis], step):
            yield (*outer, slice(begin, begin + step))


def write(out: IO[bytes], path: object, layers: Sequence[Layer]) -> None:
    """Write Caffe's layout to ``out``; raises `WeightsError` for names that it cannot hold."""
    h5py = _h5py(path)
    places: list[tuple[int, Tensor]] = []
    with h5py.File(out, "w") as content:  # our file and not its name: a full disk then raises our OSError
        data = content.create_group("data")
        for layer in layers:
            if not layer.tensors:
                continue
            if (
                not layer.name
                or "/" in layer.name
                or "\0" in layer.name
                or layer.name in (".", "..")
                or layer.name in data
            ):
                what = "Caffe's HDF5 layout cannot hold this name: Caffe neither saves nor loads it"
                raise WeightsError(locate(path, layer.name), what, "rename the layer, or keep .caffemodel")
            group = data.create_group(layer.name)
            for index, tensor in enumerate(layer.tensors):
                begin = _allocate(h5py, group, str(index), tensor)
                if begin is not None:
                    places.append((begin, tensor))
    out.flush()
    for begin, tensor in places:
        os.lseek(out.fileno(), begin, os.SEEK_SET)
        output = OutputFile(out.fileno())
        output.write_tensor(tensor)
        output.flush()


def _allocate(h5py: Any, group: Any, name: str, tensor: Tensor) -> int | None:
    """Make room for a contiguous data set; returns where it begins."""
    space = h5py.h5s.create_simple(tensor.shape) if tensor.shape else h5py.h5s.create(h5py.h5s.SCALAR)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)  # the same weights, the same bytes
    kind = h5py.h5t.py_create(f"<f{tensor.item_size}")
    begin: int | None = h5py.h5d.create(group.id, name.encode(), kind, space, layout).get_offset()
    return begin
