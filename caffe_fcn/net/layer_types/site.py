"""A layer in its place, and what a row of the table of layer types says about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import POINTWISE, CoordMap, Window, dims
from caffe_fcn.proto import LayerParameter

Shape: TypeAlias = tuple[int, ...]
ANY = 1 << 30


@dataclass(frozen=True)
class Site:
    """A layer in its place: its message and the names and shapes of the blobs that it reads."""

    layer: LayerParameter
    names: Sequence[str] = ()
    shapes: Sequence[Shape] = ()

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


Rule: TypeAlias = Callable[[Site], list[Shape]]


def none(site: Site) -> list[Shape]:
    """No tops, or no parameters."""
    return []


def no_macs(site: Site, tops: list[Shape]) -> int:
    """Nothing is multiplied and added up."""
    return 0


def ends(layer: LayerParameter) -> CoordMap | None:
    """Coordinates end here: nothing behind the layer can be aligned with what is before it."""
    return None


def pointwise(layer: LayerParameter) -> CoordMap | None:
    """Every value keeps its place."""
    return POINTWISE


@dataclass(frozen=True)
class LayerType:
    """One row of the table; the defaults are those of a layer that works on each value alone."""

    tops: Rule
    param_name: str = ""
    bottoms: tuple[int, int] = (1, 1)
    makes: tuple[int, int] = (1, 1)
    params: Rule = none
    macs: Callable[[Site, list[Shape]], int] = no_macs
    coords: Callable[[LayerParameter], CoordMap | None] = pointwise
    follows: int = ANY  # how many of the bottoms, from the first, carry coordinates
    field: Callable[[LayerParameter], tuple[Window, ...]] | None = None  # the windows, where there are any
    upsamples: bool = False


LAYER_TYPES: dict[str, LayerType] = {}  # filled by the package from its families
