"""The contents of a weights file: layers, with handles on their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from caffe_fcn.errors import WeightsError, nearest
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.tensors import Tensor


@dataclass(frozen=True)
class Layer:
    """A layer's parameters in Caffe's order, and its type and definition where the file has them.

    ``definition`` is a serialized LayerParameter of the current format without its blobs. It stays bytes because
    forks of Caffe give some of its fields other meanings.
    """

    name: str
    tensors: tuple[Tensor, ...]
    type: str = ""
    definition: bytes = b""


@dataclass(frozen=True)
class Weights:
    """An open weights file; usable as a context manager, which closes it.

    ``head`` is a caffemodel's serialized NetParameter without its layers.
    """

    file: InputFile
    format: str
    layers: tuple[Layer, ...]
    head: bytes = b""

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.file.path

    @property
    def count(self) -> int:
        """The number of values in all parameters."""
        return sum(tensor.count for _, _, tensor in self)

    def name_layers(self) -> dict[str, Layer]:
        """The layers by name, with a number behind it where an earlier one has the same: ``crop#2``, as in a graph."""
        from caffe_fcn.net.graph import make_unique  # loads the schema, which looking at a file does without

        named: dict[str, Layer] = {}
        for layer in self.layers:
            unique = make_unique(layer.name, named)
            named[unique] = replace(layer, name=unique)
        return named

    def __iter__(self) -> Iterator[tuple[str, int, Tensor]]:
        """Every parameter: the name of its layer, its index in the layer, its handle."""
        for layer in self.layers:
            for index, tensor in enumerate(layer.tensors):
                yield layer.name, index, tensor

    def __getitem__(self, name: str) -> tuple[Tensor, ...]:
        """The parameters of a layer; raises `WeightsError`, with the nearest name, where it has none."""
        for layer in self.layers:
            if layer.name == name and layer.tensors:
                return layer.tensors
        names = [layer.name for layer in self.layers if layer.tensors]
        raise WeightsError(self.path, f"has no parameters of a layer '{name}'", nearest(name, names))

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def locate(path: object, layer: str, index: int | None = None) -> str:
    """The name of a layer, or of one of its parameters, in errors."""
    return f"{path}, layer '{layer}'" + ("" if index is None else f", parameter {index}")
