"""Layer types by their names in Caffe: one class for each, registered by a decorator.

    @layer("Swish")
    class Swish(Layer):
        def forward(self, bottoms):
            return [x * torch.sigmoid(self.param.beta * x) for x in bottoms]

A class computes; what shapes come of it, and which parameters it has, stands in the one table of
`caffe_fcn.net.layer_types`. A type that Caffe does not have brings its row along: ``@layer("Mine", LayerType(...))``.
Gradients are torch's, except where Caffe's differ and the layer says so itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import LAYER_TYPES, LayerType, Site


@dataclass(frozen=True)
class State:
    """What all layers of a net share: whether it trains, and where its random numbers come from."""

    training: bool
    random: torch.Generator


class Computes:
    """What turns bottoms into tops: a layer, or what stands in for several."""

    in_place: ClassVar[bool] = False  # whether it has a way of its own of `overwriting`

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops of these bottoms."""
        raise NotImplementedError

    def overwriting(self, bottoms: list[Tensor]) -> list[Tensor]:
        """As `forward`, where the first bottom may be written over, since nobody else needs it."""
        return self.forward(bottoms)

    def sees(self) -> tuple[Window, ...]:
        """Of an image's height and width, the windows that a value of the top depends on; none where it is all."""
        return ()

    def within(self, x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        """The top of a part of the bottom, padded by so much before and behind on each axis instead of by `pad`."""
        raise NotImplementedError


class Layer(Computes):
    """A layer in its place. Subclasses say in `forward` what they compute, and refuse in ``__init__`` what they cannot.

    ``site`` holds the layer's message and the shapes of its bottoms when the net was made; later ones may have
    other sizes. ``params`` are the parameters in Caffe's shapes and order; the net puts them there.
    """

    learns: ClassVar[bool] = True  # whether the solver may change its parameters
    fresh: ClassVar[bool] = False  # whether its tops are new memory that its own gradient does not need

    def __init__(self, site: Site, state: State) -> None:
        self.site = site
        self.state = state
        self.params: list[Tensor] = []

    @property
    def param(self) -> Any:
        """The layer's own message, such as ``convolution_param``."""
        return self.site.param

    @property
    def name(self) -> str:
        """The layer's name."""
        return str(self.site.layer.name)


_CLASSES: dict[str, type[Layer]] = {}

_Class = TypeVar("_Class", bound=type[Layer])


def layer(name: str, row: LayerType | None = None) -> Callable[[_Class], _Class]:
    """Register the class that computes the layers of a type; ``row`` is for types that Caffe does not have."""

    def register(cls: _Class) -> _Class:
        _CLASSES[name] = cls
        if row is not None:
            LAYER_TYPES[name] = row
        return cls

    return register


def class_of(node: Node) -> type[Layer]:
    """The class that computes a node; raises `NetError` where there is none."""
    if node.type not in _CLASSES:
        mend = nearest(node.type, _CLASSES) or "add it with caffe_fcn.engines.torch.layer, or use real Caffe"
        raise NetError(node, "the torch engine does not compute this type", mend)
    return _CLASSES[node.type]
