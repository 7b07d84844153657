"""A layer in its place, as converters get it: the names and shapes of what it reads, its parameters, and the graph.

    @converts("AbsVal")
    def convert_abs(place: Place) -> list[str]:
        return [place.add("Abs", place.bottom)]

A converter returns the name of the value of each top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from caffe_fcn.interop.layer_place import LayerPlace
from caffe_fcn.interop.onnx.graph import OnnxGraph
from caffe_fcn.net.layer_types import Shape


@dataclass(frozen=True)
class Place(LayerPlace):
    """A layer whose ``bottoms`` are names of values of ``graph``.

    ``varying`` has, for each bottom, the axes whose size the graph does not fix; ``varying_tops`` those of each top.
    """

    graph: OnnxGraph
    varying: Sequence[frozenset[int]]
    varying_tops: Sequence[frozenset[int]]

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        return self.graph.add(operator, *inputs, **attributes)

    def add_parameter(self, index: int, shape: Shape | None = None) -> str:
        """Return the name of a parameter of the layer, in its own shape or another one of as many values."""
        tensor = self.params[index]
        return self.graph.add_parameter(
            tensor, tensor.shape if shape is None else shape, f"{self.graph.prefix}/{index}"
        )

    def require_fixed(self, *axes: int) -> None:
        """Raise `NetError` where the graph does not fix the size of one of these axes of a bottom (of all: no axes)."""
        for varying in self.varying:
            if varying & set(axes) if axes else varying:
                self.fail("is written for one size of its bottoms alone", "export without `dynamic`")


Converter: TypeAlias = Callable[[Place], list[str]]

CONVERTERS: dict[str, Converter] = {}  # filled by the modules of each family

_Converter = TypeVar("_Converter", bound=Converter)


def converts(*types: str) -> Callable[[_Converter], _Converter]:
    """Register the converter of layer types."""

    def register(convert: _Converter) -> _Converter:
        for name in types:
            CONVERTERS[name] = convert
        return convert

    return register
