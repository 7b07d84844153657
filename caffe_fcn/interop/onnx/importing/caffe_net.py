"""A Caffe net under construction: layers in order, with their parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_fcn.interop.onnx.importing.parameters import make_tensor
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.weights.layers import Layer

if TYPE_CHECKING:
    from caffe_fcn.interop.onnx.importing.source import Constant


@dataclass
class CaffeNet:
    """Layers and their parameters. ``prefix`` is the name of the node that is being converted."""

    layers: list[LayerParameter] = field(default_factory=list)
    parameters: dict[str, Sequence[Constant]] = field(default_factory=dict)
    prefix: str = ""
    reversed_axes: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The blob of which a blob is the reverse along an axis."""
    scaled: dict[str, tuple[str, tuple[float, float]]] = field(default_factory=dict)
    """The blob of which a blob is a multiple, with scale and shift."""
    _layers: set[str] = field(default_factory=set)
    _blobs: set[str] = field(default_factory=set)

    def add(self, kind: str, *bottoms: str, parameters: Sequence[Constant] = (), **settings: Any) -> str:
        """Append a layer of one top; returns the top's name. ``settings`` are fields of its LayerParameter."""
        return self.add_many(kind, *bottoms, tops=1, parameters=parameters, **settings)[0]

    def add_many(
        self, kind: str, *bottoms: str, tops: int, parameters: Sequence[Constant] = (), **settings: Any
    ) -> list[str]:
        """Append a layer; returns the names of its tops."""
        name = self.prefix if self.prefix not in self._layers else _choose(f"{self.prefix}/{kind}", self._layers)
        self._layers.add(name)
        made = [self.choose_blob(f"{name}:{index}") for index in range(tops)]
        self.layers.append(LayerParameter(name=name, type=kind, bottom=bottoms, top=made, **settings))
        if parameters:
            self.parameters[name] = parameters
        return made

    def choose_blob(self, wanted: str) -> str:
        """Return a name for a blob: ``wanted``, with a number behind it where another has it."""
        name = _choose(wanted, self._blobs)
        self._blobs.add(name)
        return name

    def rename(self, old: str, new: str, first: int) -> None:
        """Give a blob another name, in the layers from the ``first`` on."""
        for layer in self.layers[first:]:
            for names in (layer.bottom, layer.top):
                names[:] = [new if name == old else name for name in names]

        def choose(name: str) -> str:
            return new if name == old else name

        self.reversed_axes = {choose(y): (choose(x), axis) for y, (x, axis) in self.reversed_axes.items()}
        self.scaled = {choose(y): (choose(x), line) for y, (x, line) in self.scaled.items()}

    def remove_unread(self, outputs: Collection[str]) -> None:
        """Remove layers whose tops nothing reads and that are no ``outputs``; the other unread tops go into Silence."""
        needed, kept = set(outputs), set()
        for index in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[index]
            if layer.type == "Input" or needed.intersection(layer.top):
                kept.add(index)
                needed.update(layer.bottom)
        made = {top for index in kept for top in self.layers[index].top}
        self.layers = [
            layer
            for index, layer in enumerate(self.layers)
            if index in kept or (not layer.top and made.issuperset(layer.bottom))
        ]
        names = {layer.name for layer in self.layers}
        self.parameters = {name: each for name, each in self.parameters.items() if name in names}
        read = {*outputs, *(bottom for layer in self.layers for bottom in layer.bottom)}
        for layer in [each for each in self.layers if each.type != "Input"]:
            if unread := [top for top in layer.top if top not in read]:
                self.prefix = f"{layer.name}/Silence"
                self.add_many("Silence", *unread, tops=0)

    def make_message(self, name: str) -> NetParameter:
        """Return the net, without parameters."""
        return NetParameter(name=name, layer=self.layers)

    def list_weights(self) -> list[Layer]:
        """The parameters as a weights file has them."""
        return [
            Layer(
                layer.name,
                tuple(map(make_tensor, self.parameters.get(layer.name, ()))),
                layer.type,
                layer.SerializeToString(deterministic=True),
            )
            for layer in self.layers
        ]


def _choose(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}#{number}"
    return name
