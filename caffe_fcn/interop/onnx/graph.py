"""An ONNX graph under construction: nodes, and constants whose numbers stay where they are.

    graph = OnnxGraph(opset=17)
    y = graph.add("Mul", x, graph.add_constant([2.0]))

Values are names. A constant is a handle on a tensor (`weights.tensors.Tensor`), so that a graph with the weights of a
VGG is small until it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caffe_fcn.weights.tensors import Shape, Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto

_AXES_ARE_INPUTS_FROM = {"ReduceSum": 13}
_REDUCTIONS_TAKE_INPUTS_FROM = 18


@dataclass(frozen=True)
class Constant:
    """An initializer of the graph: a parameter by its handle, or whole numbers."""

    name: str
    shape: Shape
    values: Tensor | tuple[int, ...]


@dataclass
class OnnxGraph:
    """The nodes in execution order, and the constants in the order of their first use.

    ``prefix`` goes before the names of what is added: the name of the layer that is being converted.
    """

    opset: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, Constant] = field(default_factory=dict)
    prefix: str = ""
    _values: set[str] = field(default_factory=set)
    _nodes: set[str] = field(default_factory=set)
    _numbers: dict[tuple[object, ...], str] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output; returns its name."""
        return self.add_many(operator, *inputs, outputs=1, **attributes)[0]

    def add_many(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Append a node; returns the names of its outputs."""
        from onnx import helper

        node = _make_unique(self.prefix or operator, self._nodes)
        tops = [self.choose_name(f"{node}:{index}") for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, tops, name=node, **attributes))
        return tops

    @contextmanager
    def collect(self) -> Iterator[list[NodeProto]]:
        """Collect the nodes that are added meanwhile in a list of their own: those of a loop's body."""
        outer, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = outer

    def reduce(self, operator: str, x: str, axes: Sequence[int], keep: bool = True) -> str:
        """Append a reduction over axes, which older operator sets take as an attribute."""
        from_opset = _AXES_ARE_INPUTS_FROM.get(operator, _REDUCTIONS_TAKE_INPUTS_FROM)
        if self.opset >= from_opset:
            return self.add(operator, x, self.add_integers(axes), keepdims=int(keep))
        return self.add(operator, x, axes=list(axes), keepdims=int(keep))

    def add_constant(self, values: ArrayLike) -> str:
        """Return the name of a constant of float32; equal ones are one."""
        import numpy as np

        from caffe_fcn.weights.tensors import from_array

        array = np.asarray(values, np.float32)
        key = ("float32", array.shape, array.tobytes())
        if key not in self._numbers:
            self._numbers[key] = self.add_parameter(from_array(array), array.shape)
        return self._numbers[key]

    def add_integers(self, values: Sequence[int]) -> str:
        """Return the name of a constant vector of int64; equal ones are one."""
        key = ("int64", *values)
        if key not in self._numbers:
            name = self.choose_name(f"{self.prefix}/{'_'.join(map(str, values))}")
            self.constants[name] = Constant(name, (len(values),), tuple(values))
            self._numbers[key] = name
        return self._numbers[key]

    def add_parameter(self, values: Tensor, shape: Shape, name: str = "") -> str:
        """Return the name of a new constant with the values of a handle, in any shape of as many values."""
        name = self.choose_name(name or f"{self.prefix}/constant")
        self.constants[name] = Constant(name, shape, values)
        return name

    def choose_name(self, wanted: str) -> str:
        """Return a name for a value: ``wanted``, with a number behind it where another value has it."""
        return _make_unique(wanted, self._values)

    def rename(self, old: str, new: str, first: int) -> None:
        """Give a value another name, in the nodes from the ``first`` on."""
        for node in self.nodes[first:]:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]


def _make_unique(wanted: str, taken: set[str]) -> str:
    """Return ``wanted``, with a number behind it where it is taken, and take it."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}#{number}"
    taken.add(name)
    return name
