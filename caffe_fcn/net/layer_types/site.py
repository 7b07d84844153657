"""A layer in its place: what the rules of the table of layer types are functions of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types.row import LAYER_TYPES
from caffe_fcn.proto.kept_fields import kept_name, kept_values
from caffe_fcn.proto.text import read_fields

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter

TELL_SHAPES = "tell what it makes: `inputs` BLOB=NxCxHxW"

Shape: TypeAlias = tuple[int, ...]
Number = TypeVar("Number", int, float)
_KINDS = {int: "a whole number", float: "a number"}

DataShapes: TypeAlias = "Callable[[LayerParameter], list[Shape]]"
"""What knows the files of data layers: the shapes of one record of such a layer, C x H x W of an image, or, of HDF5
data, one for each top. `caffe_fcn.datasets.source_shapes.read_record_shapes` opens the files."""


@dataclass(frozen=True)
class Site:
    """A layer in its place: its message, the names and shapes of the blobs that it reads, and who knows its files.

    ``size`` is the size (H, W) of the images, where the caller gives one.
    """

    layer: LayerParameter
    names: Sequence[str] = ()
    shapes: Sequence[Shape] = ()
    data_shapes: DataShapes | None = None
    size: tuple[int, int] | None = None

    @property
    def param(self) -> Any:
        """The layer's own parameter message, such as ``convolution_param``."""
        return getattr(self.layer, LAYER_TYPES[self.layer.type].param_name)

    def fail(self, what: str, mend: str = "") -> NoReturn:
        """Raise a `NetError` that names the layer."""
        raise NetError(f"layer '{self.layer.name}' ({self.layer.type})", what, mend)

    def blob(self, index: int = 0) -> str:
        """A bottom as errors name it: ``'data' (1x3x227x227)``."""
        return f"'{self.names[index]}' ({dims(self.shapes[index])})"

    def record_shapes(self) -> list[Shape]:
        """The shapes of one record of a data layer's files."""
        if self.data_shapes is None:
            opener = "caffe_fcn.datasets.source_shapes.read_record_shapes"
            self.fail("has the shape of what its files hold", f"give a `size`, or `data_shapes`, such as {opener}")
        return self.data_shapes(self.layer)

    def setting(self, message: str, name: str) -> list[str]:
        """The values of a field of a fork's message, whether our schema has the message or it is kept as its text."""
        found: Any = getattr(self.layer, message, None)
        if found is not None and name in found.DESCRIPTOR.fields_by_name:
            value = getattr(found, name)
            field = found.DESCRIPTOR.fields_by_name[name]
            return [str(each) for each in value] if not field.has_presence else [str(value)] * found.HasField(name)
        kept = next((text for text in self.layer.kept_fields if kept_name(text) == message), "{")
        inner = read_fields(kept.partition("{")[2].rpartition("}")[0])
        return kept_values(inner, name) + (kept_values(found, name) if found is not None else [])

    def numbers(self, message: str, name: str, kind: type[Number]) -> list[Number]:
        """The values of such a field as numbers of a ``kind``; raises `NetError` for a value that is none."""
        values = self.setting(message, name)
        try:
            return [kind(value) for value in values]
        except ValueError:
            return self.fail(f"has {message} {{ {name}: {', '.join(values)} }}", f"it takes {_KINDS[kind]}")

    def four_axes(self) -> Shape:
        """The shape of the first bottom, which must be N x C x H x W."""
        if len(self.shapes[0]) != 4:
            self.fail(f"reads {self.blob()}", "it takes 4 axes: N x C x H x W")
        return self.shapes[0]

    def axis(self, axis: int, index: int = 0) -> int:
        """A possibly negative axis of a bottom as a non-negative one."""
        count = len(self.shapes[index])
        if not -count <= axis < count:
            self.fail(f"axis {axis} does not exist in {self.blob(index)}", f"{-count} to {count - 1} do")
        return axis % count


def image_axis(axis: int) -> int:
    """An axis where no shape is known: one counted from the end is that of N x C x H x W."""
    return axis % 4 if axis < 0 else axis
