"""Weights files of all formats: opened by what they contain, written by their suffix.

| suffix | what it is |
|---|---|
| ``.caffemodel`` | Caffe's NetParameter (see `caffemodel`); the default |
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from caffe_fcn.errors import WeightsError
from caffe_fcn.files import atomic
from caffe_fcn.proto import is_binary
from caffe_fcn.surgery import caffemodel
from caffe_fcn.surgery.layers import Layer, Weights
from caffe_fcn.surgery.tensors import Sink, SourceFile


def open_weights(path: str | os.PathLike[str]) -> Weights:
    """The layers of a weights file and handles on their parameters; only headers are read.

    Raises `WeightsError` or `FileError` for a file that is missing, empty, damaged or no weights.
    """
    file = SourceFile(path)
    if not len(file):
        raise WeightsError(path, "is empty", "name a weights file")
    head = file.read(0, min(4096, len(file)))
    if not is_binary(head):
        raise WeightsError(path, "is text and carries no weights", "name a .caffemodel; a prototxt is only the net")
    return caffemodel.read(file)


def save_weights(path: str | os.PathLike[str], layers: Sequence[Layer], head: bytes = b"") -> None:
    """Write ``layers`` in the format that the suffix names, in one pass and atomically.

    The bytes of parameters go from file to file inside the kernel; memory stays below a few `CHUNK`.
    Raises `WeightsError` where the format cannot hold them, `FileError` where the disk is full.
    """
    with atomic(path) as file:
        sink = Sink(file.fileno())
        caffemodel.write(sink, path, layers, head)
        sink.flush()
        for source in {file for layer in layers for tensor in layer.tensors for file in tensor.files}:
            source.check_unchanged()
