"""A node in its place, as converters get it: what it reads, the shapes of what it makes, and the net that grows.

    @converts("Relu")
    def convert_relu(place: NodePlace) -> list[str]:
        return [place.add("ReLU", place.blob())]

A converter returns the name of the blob of each output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.caffe_net import CaffeNet
from caffe_fcn.interop.onnx.importing.onnx_file import Array, Constant, load
from caffe_fcn.interop.onnx.importing.parameters import make_tensor
from caffe_fcn.interop.onnx.importing.source import Shape, Source, describe
from caffe_fcn.weights.tensors import Tensor

if TYPE_CHECKING:
    from onnx import NodeProto

DIALECTS: Mapping[str, frozenset[str]] = {
    "": frozenset(),
    "master": frozenset({"Clip", "Swish", "round_mode"}),
    "ssd": frozenset({"Permute"}),
    "deeplab-v2": frozenset({"Interp"}),
}
"""What a dialect says beyond BVLC's release 1.0: BVLC's later master, the fork of SSD, and DeepLab's."""


@dataclass(frozen=True)
class Blob:
    """A value that the net computes. ``pads`` have still to be laid around it: for each axis before and behind."""

    name: str
    shape: Shape
    pads: tuple[tuple[int, int], ...] = ()
    filling: float = 0.0

    @property
    def inner(self) -> Shape:
        """The shape without the pads."""
        if not self.pads:
            return self.shape
        return tuple(side - sum(pads) for side, pads in zip(self.shape, self.pads, strict=True))


@dataclass
class NodePlace:
    """``inputs`` are blobs, constants, or None for those left out; ``shapes`` are those of the outputs."""

    node: NodeProto
    source: Source
    net: CaffeNet
    inputs: Sequence[Blob | Constant | None]
    shapes: Sequence[Shape]
    values: Mapping[str, Blob | Constant]
    compose: bool = False
    dialect: str = ""
    absorbed: list[str] = field(default_factory=list)  # outputs of later nodes that this one computes, too
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, *bottoms: str, parameters: Sequence[Constant] = (), **settings: Any) -> str:
        """Append a layer of one top; returns the name of the top."""
        return self.net.add(kind, *bottoms, parameters=parameters, **settings)

    def scale(self, x: str, factors: Array, axis: int) -> str:
        """Append a Scale by factors that span the axes from ``axis`` on."""
        settings = {"axis": axis, "num_axes": factors.ndim, "bias_term": False}
        return self.add("Scale", x, parameters=[factors], scale_param=settings)

    def shift(self, x: str, terms: Array, axis: int) -> str:
        """Append a Bias of terms that span the axes from ``axis`` on."""
        return self.add("Bias", x, parameters=[terms], bias_param={"axis": axis, "num_axes": terms.ndim})

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value: texts as str, lists as lists."""
        from onnx import helper

        for each in self.node.attribute:
            if each.name == name:
                value = helper.get_attribute_value(each)
                value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                if value is None or (default is not None and type(value) not in (type(default), list)):
                    self.fail(f"has {name} of another type", "the model is damaged")
                return value
        return default

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def is_constant(self, index: int) -> bool:
        """Whether an input is known."""
        return self.has(index) and not isinstance(self.inputs[index], Blob)

    def constant(self, index: int, what: str = "") -> Array:
        """An input that must be a constant."""
        return load(self._find_constant(index, what))

    def parameter(self, index: int, what: str = "") -> Tensor:
        """An input that must be a constant, as a handle on values of float32, which may be large."""
        return make_tensor(self._find_constant(index, what))

    def _find_constant(self, index: int, what: str) -> Constant:
        value = self.inputs[index] if self.has(index) else None
        if value is None or isinstance(value, Blob):
            self.fail(f"its {what or f'input {index}'} is computed", "Caffe wants a constant")
        return value

    def integers(self, index: int, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Whole numbers that are an input in new operator sets, and an attribute in old ones."""
        if self.has(index):
            return [int(each) for each in self.constant(index, name).ravel()]
        found = self.attribute(name, default)
        if found is None:
            self.fail(f"has no {name}", "the model is damaged")
        return [int(each) for each in found]

    def take_padded(self, index: int = 0) -> Blob:
        """An input that is a blob, with pads that the layer must lay around it itself."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, Blob):
            self.fail("computes with constants alone, or its input is missing", "simplify the model first")
        return value

    def shape(self, index: int = 0) -> Shape:
        """The shape of an input."""
        value = self.inputs[index]
        if value is None:
            self.fail("lacks an input", "the model is damaged")
        return tuple(value.shape)

    def blob(self, index: int = 0) -> str:
        """The name of an input that is a blob."""
        value = self.take_padded(index)
        if value.pads:
            from caffe_fcn.interop.onnx.importing.windowed import lay_pads

            return lay_pads(self, value)
        return value.name

    def axis(self, axis: int, rank: int | None = None) -> int:
        """An axis counted from the first."""
        rank = len(self.shape()) if rank is None else rank
        if not -rank <= axis < rank:
            self.fail(f"has axis {axis} of {rank}", "the model is damaged")
        return axis % rank

    def require_axes(self, count: int) -> None:
        """Raise `NetError` where the first input has another number of axes."""
        if len(self.shape()) != count:
            self.fail(f"has {len(self.shape())} axes", f"Caffe's layer has {count}")

    @property
    def name(self) -> str:
        """The node's name, or that of its output."""
        return self.node.name or self.node.output[0]

    def note_edges(self) -> None:
        """Tell the user that a layer holds factors for one size of images."""
        self.notes.append(f"{self.name}: the edges are right at this size of images alone")

    def says(self, feature: str) -> bool:
        """Whether the dialect has a layer type or field."""
        return feature in DIALECTS[self.dialect]

    def fail(self, what: str, mend: str) -> NoReturn:
        """Raise a `NetError` that names the node."""
        raise NetError(describe(self.node), what, mend)


Converter: TypeAlias = Callable[[NodePlace], list[str]]

CONVERTERS: dict[str, Converter] = {}  # by operator, filled by the modules of each family

_Converter = TypeVar("_Converter", bound=Converter)


def converts(*operators: str) -> Callable[[_Converter], _Converter]:
    """Register the converter of operators."""

    def register(convert: _Converter) -> _Converter:
        for name in operators:
            CONVERTERS[name] = convert
        return convert

    return register
