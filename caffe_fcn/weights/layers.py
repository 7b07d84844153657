"""What a weights file holds: layers with their parameters, as handles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from caffe_fcn.errors import WeightsError, nearest
from caffe_fcn.weights.tensors import SourceFile, Tensor


@dataclass(frozen=True)
class Layer:
    """A layer's parameters in Caffe's order, and how the file describes the layer, where it does.

    ``definition`` is a serialized LayerParameter of the current format without its blobs. It is kept as
    bytes because forks of Caffe give some of its fields other meanings.
    """

    name: str
    tensors: tuple[Tensor, ...]
    type: str = ""
    definition: bytes = b""


@dataclass(frozen=True)
class Weights:
    """An open weights file; usable as a context manager, which closes it.

    ``head`` is what a caffemodel says of the net apart from its layers, as serialized NetParameter.
    """

    file: SourceFile
    format: str
    layers: tuple[Layer, ...]
    head: bytes = b""

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path

    @property
    def count(self) -> int:
        """The number of values in all parameters."""
        return sum(tensor.count for _, _, tensor in self)

    def __iter__(self) -> Iterator[tuple[str, int, Tensor]]:
        """Every parameter: its layer's name, its index there, its handle."""
        for layer in self.layers:
            for index, tensor in enumerate(layer.tensors):
                yield layer.name, index, tensor

    def __getitem__(self, name: str) -> tuple[Tensor, ...]:
        """The parameters of a layer; raises `WeightsError` with the nearest name."""
        for layer in self.layers:
            if layer.name == name and layer.tensors:
                return layer.tensors
        names = [layer.name for layer in self.layers if layer.tensors]
        raise WeightsError(self.path, f"has no parameters of a layer '{name}'", nearest(name, names))

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def place(path: object, layer: str, index: int | None = None) -> str:
    """A parameter as errors name it."""
    return f"{path}, layer '{layer}'" + ("" if index is None else f", parameter {index}")
