"""The torch classes of Caffe's layer types: one class a type, registered under the type's name by a decorator.

    @layer("Swish")
    class Swish(TorchLayer):
        def forward(self, bottoms):
            return [x * torch.sigmoid(self.param.beta * x) for x in bottoms]

A class says how the tops are computed. Everything else about a layer type (its shapes, its parameters, ...) is in
its row of `caffe_fcn.net.layer_types`. A type that Caffe does not have brings its row: ``@layer("Mine",
LayerType(...))``. Torch finds the gradients; a class defines its own only where Caffe's differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

import torch
from torch import Tensor

from caffe_fcn.engines.torch.product_ways import find_libraries
from caffe_fcn.engines.torch.products import (
    PLAIN,
    Libraries,
    choose_kernel_library,
    has_few_rows,
    has_large_gradient,
    is_large,
)
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net.geometry import Window
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import LAYER_TYPES, LayerType, Origin, Shape, Site, layer_type

Function: TypeAlias = Callable[..., Tensor]
"""A top as a function of its bottoms, made of torch's operations alone, with every size a constant."""


@dataclass
class State:
    """What all layers of a net share: whether the net is in its TRAIN phase, and its source of random numbers.

    ``faults`` is None where a layer raises an error for a value that it cannot take, such as a wrong label. To find one
    a GPU must be waited for; where it is not, layers add to ``faults`` whether there is one, and the loss becomes NaN.
    ``libraries`` are those for large products, which are found when a layer first needs them. ``adds_gradients`` is
    whether gradients go to those of the parameters, which is not so in a training loop of others (`Net.as_module`).
    """

    training: bool
    random: torch.Generator
    faults: list[Tensor] | None = None
    libraries: Libraries | None = None
    adds_gradients: bool = False

    def find_libraries(self, rows: Tensor, weights: Tensor) -> Libraries | None:
        """By which libraries a layer computes this product, or None where torch decides."""
        if is_large(rows, weights):
            libraries = self._choose_libraries()
        elif has_few_rows(rows, weights):
            libraries = Libraries(self._choose_libraries().of_few)
        else:
            libraries = PLAIN
        return None if libraries == PLAIN else libraries

    def find_kernel_library(self, x: Tensor, kernels: Tensor, positions: int) -> str | None:
        """How the gradient of a convolution for its kernels is computed (`kernel_gradients`), or None if torch decides.

        ``positions`` is at how many places of an image the kernels are applied.
        """
        libraries = self._choose_libraries() if has_large_gradient(x, kernels, positions) else PLAIN
        return None if libraries == PLAIN else choose_kernel_library(kernels, libraries)

    def find_ways(self) -> tuple[str, str]:
        """How a wide convolution that gets gradients is computed (`winograd`), and its gradient for the kernels."""
        libraries = self._choose_libraries()
        return libraries.of_wide, libraries.of_wide_kernels

    def _choose_libraries(self) -> Libraries:
        if self.libraries is None:
            self.libraries = find_libraries(self.training)
        return self.libraries


class Operation:
    """Computes tops from bottoms: a layer, or several layers that were fused into one operation.

    The methods after `forward` are shortcuts that an operation may have: programs call them where they give the same
    result as `forward`.
    """

    supports_in_place: ClassVar[bool] = False  # whether `forward_in_place` saves anything over `forward`

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The tops of these bottoms."""
        raise NotImplementedError

    def forward_in_place(self, bottoms: list[Tensor]) -> list[Tensor]:
        """The same as `forward`, but the first bottom may be overwritten, because nothing else reads it."""
        return self.forward(bottoms)

    @property
    def is_recordable(self) -> bool:
        """Whether a GPU may repeat its kernels in place of `forward` (see `recordings`).

        It must keep nothing from one pass for the next, and read no values back from the GPU.
        """
        return True

    @property
    def remembered_state(self) -> object:
        """The state of the weights from which the operation has computed something that it keeps, if it does so."""
        return ()

    def prepare(self, pixels: int) -> None:
        """Make now what is kept of the weights for tops of so many pixels, before memory is taken for blobs."""

    def list_params(self) -> list[Tensor]:
        """The parameters that its tops depend on."""
        return []

    def find_windows(self) -> tuple[Window, ...]:
        """The windows, over height and width, of the pixels that one value of the top depends on.

        Empty if a value depends on more than a window, or also on where it is: then `forward_part` must not be called.
        """
        return ()

    def count_products(self) -> int | None:
        """How many multiply-accumulates a value of the top takes; None where that does not tell what it costs."""
        return None

    def forward_part(self, part: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
        """The top of a part of the bottom, which is padded by ``pads`` (before, after) on each axis, not by `pad`."""
        raise NotImplementedError

    @property
    def rectifies(self) -> bool:
        """Whether it ends with a ReLU."""
        return False

    def has_function(self, shapes: Sequence[Shape]) -> bool:
        """Whether `make_function` makes a function for bottoms of these shapes that is as quick as `forward`."""
        return False

    def make_function(self, exact: bool) -> Function:
        """The only top as a function of the bottoms, with the weights as they are now.

        Where it need not be ``exact``, a value x that a ReLU makes 0 may be 1e-30 x. It must not be called where
        `has_function` is false.
        """
        raise NotImplementedError


class TorchLayer(Operation):
    """One layer of a net. A subclass computes in `forward`, and refuses in ``__init__`` what it cannot compute.

    ``site`` holds the layer's message and the shapes that its bottoms have when the net is made; images may have
    other sizes later. ``params`` are the layer's parameters in Caffe's shapes and order; the net sets them.
    """

    allocates_tops: ClassVar[bool] = False  # whether its tops are new memory that its own gradient does not need

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

    def list_params(self) -> list[Tensor]:
        return self.params

    def find_channel_factors(self) -> tuple[Tensor, Tensor] | None:
        """A factor and a shift for each channel, if multiplying and adding these is all that the layer does."""
        return None

    def learns(self, index: int) -> bool:
        """Whether a solver may change this parameter, given by its index."""
        return True

    @property
    def row(self) -> LayerType:
        """The row of its type in the table of layer types."""
        return LAYER_TYPES[self.site.layer.type]


class UnrecordedLayer(TorchLayer):
    """A layer whose passes are never recorded: it computes on the processor, reads values back, or keeps a state."""

    @property
    def is_recordable(self) -> bool:
        return False


_CLASSES: dict[str, type[TorchLayer]] = {}

_Class = TypeVar("_Class", bound=type[TorchLayer])


def layer(name: str, row: LayerType | None = None) -> Callable[[_Class], _Class]:
    """Register the class that computes layers of the type ``name``; ``row`` is for a type that Caffe does not have."""

    def register(cls: _Class) -> _Class:
        _CLASSES[name] = cls
        if row is not None:
            LAYER_TYPES[name] = row
        return cls

    return register


_PYTHON_CLASSES: dict[tuple[str, str], type[TorchLayer]] = {}


def python_layer(module: str, name: str) -> Callable[[_Class], _Class]:
    """Register the class that computes Python layers of this module and name, which themselves are never run."""

    def register(cls: _Class) -> _Class:
        _PYTHON_CLASSES[module, name] = cls
        return cls

    return register


def has_class(type_name: str) -> bool:
    """Whether a class is registered for this layer type."""
    return type_name in _CLASSES


def find_class(node: Node) -> type[TorchLayer]:
    """The class that computes a node; raises `NetError` if there is none."""
    named = (node.layer.python_param.module, node.layer.python_param.layer)
    if named in _PYTHON_CLASSES and layer_type(node.type).origin is Origin.CODE:
        return _PYTHON_CLASSES[named]
    if node.type not in _CLASSES:
        mend = nearest(node.type, _CLASSES) or "add it with caffe_fcn.engines.torch.layer, or use real Caffe"
        raise NetError(node, "the torch engine does not compute this type", mend)
    return _CLASSES[node.type]
