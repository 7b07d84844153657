"""Values of a graph as operands: formulas of many nodes are written as formulas.

    x, y = (Value(place, name) for name in place.bottoms)
    half = (x + y) * 0.5

A number with a point is a constant of float32, one without is an int64: the other operand must be of that type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.interop.onnx.place import Place

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Operand: TypeAlias = "Value | float | int"

Size: TypeAlias = "int | Value"
"""Of an axis: a number where the graph fixes it, else a vector of one that the graph computes."""


@dataclass(frozen=True)
class Value:
    """A value of the graph of ``place``, by its name."""

    place: Place
    name: str

    def apply(self, operator: str, *others: Operand, **attributes: Any) -> Value:
        """The output of a node whose first input is this value."""
        names = [self.name, *(self._name(other) for other in others)]
        return Value(self.place, self.place.add(operator, *names, **attributes))

    def apply_many(self, operator: str, *others: Operand, outputs: int, **attributes: Any) -> list[Value]:
        """The outputs of a node whose first input is this value."""
        names = [self.name, *(self._name(other) for other in others)]
        made = self.place.graph.add_many(operator, *names, outputs=outputs, **attributes)
        return [Value(self.place, name) for name in made]

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, Value):
            return operand.name
        graph = self.place.graph
        return graph.add_integers([operand]) if isinstance(operand, int) else graph.add_constant(operand)

    def __add__(self, other: Operand) -> Value:
        return self.apply("Add", other)

    def __sub__(self, other: Operand) -> Value:
        return self.apply("Sub", other)

    def __mul__(self, other: Operand) -> Value:
        return self.apply("Mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self.apply("Div", other)

    def __gt__(self, other: Operand) -> Value:
        return self.apply("Greater", other)

    def __ge__(self, other: Operand) -> Value:
        return self.apply("GreaterOrEqual", other)

    def __lt__(self, other: Operand) -> Value:
        return self.apply("Less", other)

    def to_float(self) -> Value:
        """The same numbers as float32."""
        return self._cast("FLOAT")

    def to_whole(self) -> Value:
        """The same numbers as int64, towards zero."""
        return self._cast("INT64")

    def _cast(self, kind: str) -> Value:
        from onnx import TensorProto

        return self.apply("Cast", to=TensorProto.DataType.Value(kind))

    def limit(self, low: float, high: Operand) -> Value:
        """No less than ``low``, no more than ``high``."""
        return self.apply("Max", low).apply("Min", high)

    def cut(self, axis: int, begin: int, end: int) -> Value:
        """The part from ``begin`` to ``end`` of an axis."""
        return self.apply("Slice", *(integers(self.place, [each]) for each in (begin, end, axis)))

    def reshape(self, *shape: Size) -> Value:
        """The same values in another shape: 0 copies an axis, -1 takes what is left."""
        return self.apply("Reshape", list_sizes(self.place, *shape))

    def transpose(self, *order: int) -> Value:
        """The axes in another order."""
        return self.apply("Transpose", perm=list(order))

    def unsqueeze(self, *axes: int) -> Value:
        """With further axes of 1."""
        return self.apply("Unsqueeze", integers(self.place, axes))

    def take(self, index: Value | Sequence[int], axis: int = 0) -> Value:
        """The parts with these numbers, along an axis."""
        numbers = index if isinstance(index, Value) else integers(self.place, index)
        return self.apply("Gather", numbers, axis=axis)

    def reduce(self, operator: str, axis: int, keep: bool = False) -> Value:
        """The sum, minimum, ... over an axis."""
        return Value(self.place, self.place.graph.reduce(operator, self.name, [axis], keep=keep))


def integers(place: Place, values: Sequence[int]) -> Value:
    """A constant vector of int64."""
    return Value(place, place.graph.add_integers(values))


def constant(place: Place, values: ArrayLike) -> Value:
    """A constant of float32."""
    return Value(place, place.graph.add_constant(values))


def join(values: Sequence[Value], axis: int) -> Value:
    """Values behind each other along an axis."""
    return values[0].apply("Concat", *values[1:], axis=axis) if len(values) > 1 else values[0]


def find_size(place: Place, index: int, axis: int) -> Size:
    """The size of an axis of a bottom."""
    if axis not in place.varying[index]:
        return place.site.shapes[index][axis]
    return Value(place, place.bottoms[index]).apply("Shape").take([axis])


def list_sizes(place: Place, *sizes: Size) -> Value:
    """Sizes as one vector."""
    if all(isinstance(size, int) for size in sizes):
        return integers(place, [size for size in sizes if isinstance(size, int)])
    return join([integers(place, [size]) if isinstance(size, int) else size for size in sizes], axis=0)


def to_operand(size: Size) -> Operand:
    """A size as an operand of float32."""
    return float(size) if isinstance(size, int) else size.to_float()


def count_up(place: Place, size: Size) -> Value:
    """0, 1, ... below a size, as float32."""
    if isinstance(size, int):
        return constant(place, range(size))
    zero, one, stop = (each.apply("Squeeze", 0) for each in (integers(place, [0]), integers(place, [1]), size))
    return zero.apply("Range", stop, one).to_float()
