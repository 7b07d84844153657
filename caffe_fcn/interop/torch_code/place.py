"""A layer in its place, as writers get it: the variables that it reads, its parameters, and the module that is written.

    def write_softmax(place: Place) -> list[str]:
        return [f"torch.softmax({place.bottom}, dim={place.site.axis(place.param.axis)})"]

A writer returns an expression for each top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from caffe_fcn.interop.layer_place import LayerPlace
from caffe_fcn.interop.torch_code.names import TAKEN, Names
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.weights.tensors import Tensor


@dataclass
class ModuleCode:
    """The lines of ``__init__`` and of ``forward``, the arrays of the state dict, and the blocks that lines call.

    ``modules`` are the names of members that are modules.
    """

    members: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    arrays: dict[str, Tensor] = field(default_factory=dict)
    blocks: set[str] = field(default_factory=set)
    modules: list[str] = field(default_factory=list)
    names: Names = field(default_factory=lambda: Names(TAKEN))


@dataclass(frozen=True)
class Place(LayerPlace):
    """A layer whose ``bottoms`` are variables of ``code``."""

    code: ModuleCode

    def add_module(self, construct: str, arrays: Mapping[str, Tensor] | None = None) -> str:
        """Add a module under the layer's name, with arrays of its own; returns the expression that names it."""
        name = self._choose_name()
        self.code.modules.append(name)
        self.code.members.append(f"self.{name} = {construct}")
        self.code.arrays |= {f"{name}.{key}": tensor for key, tensor in (arrays or {}).items()}
        return f"self.{name}"

    def add_parameter(self, tensor: Tensor, shape: Shape) -> str:
        """Add a parameter of the net, in a shape of as many values; returns the expression that names it."""
        name = self._choose_name()
        self.code.members.append(f"self.{name} = nn.Parameter(torch.zeros({', '.join(map(str, shape))}))")
        self.code.arrays[name] = tensor.reshaped(shape)
        return f"self.{name}"

    def add_buffer(self, tensor: Tensor, shape: Shape) -> str:
        """Add a constant; returns the expression that names it."""
        name = self._choose_name()
        self.code.members.append(f'self.register_buffer("{name}", torch.zeros({", ".join(map(str, shape))}))')
        self.code.arrays[name] = tensor.reshaped(shape)
        return f"self.{name}"

    def take_parts(self, expression: str) -> list[str]:
        """Compute a tuple with one part for each top; returns the expressions that name them."""
        self.code.steps.append(f"parts = {expression}")
        return [f"parts[{index}]" for index in range(len(self.tops))]

    def call(self, block: str, *arguments: object) -> str:
        """Return a call of one of the blocks."""
        self.code.blocks.add(block)
        return f"{block}({', '.join(map(str, arguments))})"

    def _choose_name(self) -> str:
        return self.code.names.choose(self.layer.name, "layer")


Writer: TypeAlias = Callable[[Place], list[str]]
