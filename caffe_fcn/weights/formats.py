"""Weights files of all formats: opened by what they contain, written by their suffix.

| suffix | what it is | module |
|---|---|---|
| ``.caffemodel`` | Caffe's NetParameter, of any age | `caffemodel` |
| ``.caffemodel.h5``, ``.h5``, ``.hdf5`` | Caffe's HDF5 layout | `hdf5` |
| ``.npz`` | numpy arrays named ``LAYER/INDEX`` | `npz` |
| ``.safetensors`` | the same names | `safetensors` |
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
from caffe_fcn.weights import caffemodel, hdf5, npz, safetensors
from caffe_fcn.weights.layers import Layer, Weights, place
from caffe_fcn.weights.tensors import Sink, SourceFile, shape_refusal


def open_weights(path: PathLike) -> Weights:
    """The layers of a weights file and handles on their parameters; only headers are read.

    Raises `WeightsError` or `FileError` for a file that is missing, empty, damaged or no weights.
    """
    file = SourceFile(path)
    if not len(file):
        raise WeightsError(path, "is empty", "name a weights file")
    head = file.read(0, min(4096, len(file)))
    if head.startswith(hdf5.MAGIC):
        return hdf5.read(file)
    if head.startswith((npz.MAGIC, npz.EMPTY)):
        return npz.read(file)
    if head.startswith(npz.NUMPY):
        shape, dtype, _ = npz.parse_header(file.read(0, min(npz.LONGEST_HEADER, len(file))), str(path))
        what = f"is one array of {dims(shape)} {dtype}, such as an image mean, not a net's weights"
        raise WeightsError(path, what, "name an .npz of arrays named conv1/0, conv1/1, ...")
    if safetensors.matches(head):
        return safetensors.read(file)
    if not is_binary(head):
        raise WeightsError(path, "is text and carries no weights", "name a .caffemodel; a prototxt is only the net")
    return caffemodel.read(file)


def save_weights(path: PathLike, layers: Sequence[Layer], head: bytes = b"") -> None:
    """Write ``layers`` in the format that the suffix names, in one pass and atomically.

    The bytes of parameters go from file to file inside the kernel; memory stays below a few `CHUNK`. Like
    `cp`, this does not wait for the disk. Raises `WeightsError` where the format cannot hold the layers,
    `FileError` where the disk is full or a source changed meanwhile.
    """
    write = _writer_of(path)
    for layer in layers:
        for index, tensor in enumerate(layer.tensors):
            if refusal := shape_refusal(tensor.shape):
                raise WeightsError(place(path, layer.name, index), refusal, "")
    with atomic_write(path, wait=False) as file:
        write(file, path, layers, head)
        for source in {file for layer in layers for tensor in layer.tensors for file in tensor.files}:
            source.check_unchanged()


def convert(source: PathLike, target: PathLike, half: bool = False) -> None:
    """Write the weights of ``source`` in the format that ``target``'s suffix names.

    Values keep their type, but float16 becomes float32 in a ``.caffemodel``, where only NVIDIA's Caffe and
    OpenCV read it, unless ``half``, which makes all float16. Raises `WeightsError` where a value does not
    fit float16.
    """
    with open_weights(source) as weights:
        to_caffemodel = _writer_of(target) is _write_caffemodel

        def typed(dtype: str) -> str:
            return "float16" if half else "float32" if to_caffemodel and dtype == "float16" else dtype

        layers = [
            replace(
                layer,
                tensors=tuple(
                    tensor.cast(typed(tensor.dtype), place(source, layer.name, index))
                    for index, tensor in enumerate(layer.tensors)
                ),
            )
            for layer in weights.layers
        ]
        save_weights(target, layers, weights.head)


_Writer: TypeAlias = Callable[[IO[bytes], PathLike, Sequence[Layer], bytes], None]


def _writer_of(path: PathLike) -> _Writer:
    suffix = Path(path).suffix
    if suffix not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise WeightsError(path, f"no weights format has the suffix {suffix!r}", f"{known} are known")
    return _WRITERS[suffix]


def _write_caffemodel(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    sink = Sink(out.fileno())
    caffemodel.write(sink, path, layers, head)
    sink.flush()


def _write_hdf5(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    hdf5.write(out, path, layers)


def _write_npz(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    npz.write(out, path, layers)


def _write_safetensors(out: IO[bytes], path: PathLike, layers: Sequence[Layer], head: bytes) -> None:
    sink = Sink(out.fileno())
    safetensors.write(sink, path, layers)
    sink.flush()


_WRITERS: dict[str, _Writer] = {
    ".caffemodel": _write_caffemodel,
    ".h5": _write_hdf5,
    ".hdf5": _write_hdf5,
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}
