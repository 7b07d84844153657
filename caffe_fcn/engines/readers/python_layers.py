"""Python layers that make data: those of the reference FCNs, and those that the running program registers.

    @register_layer
    class MyDataLayer:                       # written for pycaffe, where its base is caffe.Layer
        def setup(self, bottom, top): ...
        def reshape(self, bottom, top): ...
        def forward(self, bottom, top): ...

A layer gets what pycaffe gives it: ``param_str``, ``phase``, ``blobs``, and its tops as blobs (`LayerBlob`).
A module is never imported because a prototxt names it, for a net from elsewhere may name any code. A program that
trains a net with Python layers of its own registers their classes with `register_layer`.
"""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any, TypeVar

from caffe_fcn.datasets.reference_layers import published_sets, pycaffe_layers
from caffe_fcn.engines.readers.layer_blob import LayerBlob
from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.errors import DatasetError, FileError, nearest
from caffe_fcn.proto import TEST, TRAIN, LayerParameter

_Class = TypeVar("_Class", bound=type)

_REFERENCE = [pycaffe_layers.SegDataLayer.__name__, *(layer.name for layer in published_sets.LAYERS.values())]
_registered: dict[str, type] = {}

_BROKEN = (OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, EOFError, struct.error, zlib.error)
"""What Pillow and the label decoders raise for damaged files, and for files of another kind."""


def register_layer(class_: _Class) -> _Class:
    """Let this process run Python layers (without bottoms) whose ``layer`` is the name of this class."""
    _registered[class_.__name__] = class_
    return class_


def open_python_reader(layer: LayerParameter, training: bool, seed: int) -> Reader:
    """Open the reader of a Python layer; raises `NetError` if its class is neither registered nor the reference's."""
    name = layer.python_param.layer
    if name in _registered:
        return SequentialReader(layer, _registered[name], training, seed)
    return ReferenceReader(layer, training, seed)


class PythonReader(Reader):
    """Runs a layer as Caffe's PythonLayer does: setup and reshape once, then reshape and forward for each batch."""

    size = 1

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        self._instance: Any = None
        self._tops: list[LayerBlob] = []

    def _set_up(self, class_: type) -> None:
        self._instance = instance = class_()
        self._tops = [LayerBlob() for _ in self.layer.top]
        instance.param_str = self.layer.python_param.param_str
        instance.phase = TRAIN if self.training else TEST
        instance.blobs = []
        instance.setup([], self._tops)

    def _forward(self) -> list[Array]:
        self._instance.reshape([], self._tops)
        self._instance.forward([], self._tops)
        return [top.data.copy() for top in self._tops]


class ReferenceReader(PythonReader):
    """One image and its label at a time, in the order of the reference: at random while training."""

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        name = layer.python_param.layer
        if name not in _REFERENCE:
            mend = nearest(name, _REFERENCE) or f"those of the reference are: {', '.join(_REFERENCE)}"
            self.fail(f"Python layer {name!r} runs in pycaffe only", mend)
        try:
            self._set_up(pycaffe_layers.SegData)
        except OSError as error:
            raise FileError(error.filename, (error.strerror or str(error)).lower(), "check param_str") from error
        except (ValueError, KeyError, TypeError) as error:
            self.fail(str(error), "correct param_str")
        params = self._instance.params
        self._drawn: list[int] = []
        self._random = random.Random(params.get("seed", seed)) if self._instance.random else None

    def __len__(self) -> int:
        return len(self._instance.names)

    def batch(self, number: int) -> list[Array]:
        self._instance.index = index = self._image_index(number)
        try:
            return self._forward()
        except (*_BROKEN, _decompression_bomb()) as error:
            where = f"layer '{self.layer.name}' (Python), image {self._instance.names[index]}"
            raise DatasetError(where, _first_line(error), "fetch it again") from error

    def _image_index(self, number: int) -> int:
        if self._random is None:
            return number % len(self)
        while len(self._drawn) <= number:
            self._drawn.append(self._random.randint(0, len(self) - 1))
        return self._drawn[number]


class SequentialReader(PythonReader):
    """A layer of the running program. It may have a state of its own, so its batches are made one after the other.

    For an earlier batch the layer is set up again, and starts over. What the layer raises is not caught.
    """

    sequential = True

    def __init__(self, layer: LayerParameter, class_: type, training: bool, seed: int) -> None:
        super().__init__(layer, training, seed)
        self._class = class_
        self._number = -1  # of the last batch that was made
        self._batch: list[Array] = []
        self._restart()

    def __len__(self) -> int:
        return self._number + 1  # those made so far; only the layer knows how many there are

    def batch(self, number: int) -> list[Array]:
        if number < self._number:
            self._restart()
        while self._number < number:
            self._batch = self._forward()
            self._number += 1
        return self._batch

    def _restart(self) -> None:
        self._set_up(self._class)
        self._instance.reshape([], self._tops)
        self._number = -1


def _decompression_bomb() -> type[Exception]:
    from PIL import Image

    return Image.DecompressionBombError


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
