"""A layer in its place, for what writes a net in another form: what it reads and makes, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from caffe_fcn.net.layer_types import Shape, Site
from caffe_fcn.proto import LayerParameter
from caffe_fcn.weights.tensors import Tensor


@dataclass(frozen=True)
class LayerPlace:
    """``bottoms`` are names in the other form, ``tops`` the shapes of what the layer makes."""

    site: Site
    bottoms: Sequence[str]
    tops: Sequence[Shape]
    params: Sequence[Tensor]

    @property
    def layer(self) -> LayerParameter:
        """The layer's message."""
        return self.site.layer

    @property
    def param(self) -> Any:
        """The layer's own message, such as ``convolution_param``."""
        return self.site.param

    @property
    def bottom(self) -> str:
        """The name of the first blob that the layer reads."""
        return self.bottoms[0]

    @property
    def shape(self) -> Shape:
        """The shape of the first bottom."""
        return self.site.shapes[0]

    @property
    def rank(self) -> int:
        """The number of axes of the first bottom."""
        return len(self.shape)

    def fail(self, what: str, mend: str) -> NoReturn:
        """Raise a `NetError` that names the layer."""
        self.site.fail(what, mend)
