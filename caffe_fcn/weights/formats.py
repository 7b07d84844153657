"""Weights files of all formats: the content tells the format of a file that is read, the suffix that of a new one.

| suffix | what it is | module |
|---|---|---|
| ``.caffemodel`` | Caffe's NetParameter, of any age | `caffemodel`, `caffemodel_writing` |
| ``.caffemodel.h5``, ``.h5``, ``.hdf5`` | Caffe's HDF5 layout | `hdf5` |
| ``.npz`` | numpy arrays named ``LAYER/INDEX`` | `npz` |
| ``.safetensors`` | the same names | `safetensors` |

The module of a format is imported when a file of that format is read or written: looking at one starts sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeAlias

from caffe_fcn.errors import WeightsError
from caffe_fcn.files import PathLike, atomic_write
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto.wire import is_binary
from caffe_fcn.weights import signatures
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.tensors import explain_bad_shape


def open_weights(path: PathLike) -> Weights:
    """The layers of a weights file, with handles on their parameters; only headers are read.

    >>> import numpy as np
    >>> np.savez("small.npz", **{"conv1/0": np.zeros((8, 3, 5, 5), "f4"), "conv1/1": np.zeros(8, "f4")})
    >>> with open_weights("small.npz") as weights:
    ...     [(layer, index, tensor.shape) for layer, index, tensor in weights]
    [('conv1', 0, (8, 3, 5, 5)), ('conv1', 1, (8,))]

    Raises `WeightsError` or `FileError` for a file that is missing, empty, damaged or not a weights file.
    """
    file = InputFile(path)
    if not len(file):
        raise WeightsError(path, "is empty", "name a weights file")
    head = file.read(0, min(4096, len(file)))
    if head.startswith(signatures.HDF5):
        from caffe_fcn.weights import hdf5

        return hdf5.read(file)
    if head.startswith((signatures.ZIP, signatures.EMPTY_ZIP)):
        from caffe_fcn.weights import npz

        return npz.read(file)
    if head.startswith(signatures.NPY):
        from caffe_fcn.weights import npz

        shape, dtype, _ = npz.parse_header(file.read(0, min(npz.LONGEST_HEADER, len(file))), str(path))
        what = f"is one array of {dims(shape)} {dtype}, such as an image mean, not a net's weights"
        raise WeightsError(path, what, "name an .npz of arrays named conv1/0, conv1/1, ...")
    if signatures.is_safetensors(head):
        from caffe_fcn.weights import safetensors

        return safetensors.read(file)
    if not is_binary(head):
        raise WeightsError(path, "is text and carries no weights", "name a .caffemodel; a prototxt is only the net")
    from caffe_fcn.weights import caffemodel

    return caffemodel.read(file)


def save_weights(path: PathLike, layers: Sequence[Layer], head: bytes = b"") -> None:
    """Write ``layers`` in the format that the suffix names, in one pass and atomically.

    The kernel copies the bytes of parameters from file to file; memory stays below a few `CHUNK`. Like `cp`,
    this does not wait for the disk. Raises `WeightsError` where the format cannot hold the layers,
    `FileError` where the disk is full or a source changed meanwhile.
    """
    write = _find_writer(path)
    for layer in layers:
        for index, tensor in enumerate(layer.tensors):
            if reason := explain_bad_shape(tensor.shape):
                raise WeightsError(locate(path, layer.name, index), reason, "")
    with atomic_write(path, wait=False) as file:
        write(file, path, layers, head)
        for source in {file for layer in layers for tensor in layer.tensors for file in tensor.files}:
            source.check_unchanged()


def convert(source: PathLike, target: PathLike, half: bool = False) -> None:
    """Write the weights of ``source`` in the format that ``target``'s suffix names.

    Values keep their type, except that float16 becomes float32 in a ``.caffemodel``: only NVIDIA's Caffe and OpenCV
    read float16 there. ``half`` makes all values float16; raises `WeightsError` where one does not fit it.
    """
    with open_weights(source) as weights:
        to_caffemodel = _find_writer(target) is _write_caffemodel

        def choose_dtype(dtype: str) -> str:
            return "float16" if half else "float32" if to_caffemodel and dtype == "float16" else dtype

        layers = [
            replace(
                layer,
                tensors=tuple(
                    tensor.cast(choose_dtype(tensor.dtype), locate(source, layer.name, index))
                    for index, tensor in enumerate(layer.tensors)
                ),
            )
            for layer in weights.layers
        ]
        save_weights(target, layers, weights.head)


_Writer: TypeAlias = Callable[[IO[bytes], PathLike, Sequence[Layer], bytes], None]


def _find_writer(path: PathLike) -> _Writer:
    suffix = Path(path).suffix
    if suffix not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise WeightsError(path, f"no weights format has the suffix {suffix!r}", f"{known} are known")
    return _WRITERS[suffix]


def _write_caffemodel(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    from caffe_fcn.weights import caffemodel_writing
    from caffe_fcn.weights.output_file import OutputFile

    output = OutputFile(out.fileno())
    caffemodel_writing.write(output, path, layers, head)
    output.flush()


def _write_hdf5(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    from caffe_fcn.weights import hdf5

    hdf5.write(out, path, layers)


def _write_npz(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    from caffe_fcn.weights import npz

    npz.write(out, path, layers)


def _write_safetensors(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    from caffe_fcn.weights import safetensors
    from caffe_fcn.weights.output_file import OutputFile

    output = OutputFile(out.fileno())
    safetensors.write(output, path, layers)
    output.flush()


_WRITERS: dict[str, _Writer] = {
    ".caffemodel": _write_caffemodel,
    ".h5": _write_hdf5,
    ".hdf5": _write_hdf5,
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}
