"""Parameters in formats that know only names: parameter 1 of layer ``conv1`` is ``conv1/1``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from caffe_fcn.errors import WeightsError
from caffe_fcn.surgery.layers import Layer
from caffe_fcn.surgery.tensors import Tensor


def name_of(layer: str, index: int) -> str:
    """The name of a parameter."""
    return f"{layer}/{index}"


def layers_of(path: object, tensors: Mapping[str, Tensor]) -> tuple[Layer, ...]:
    """The layers that the names tell, in the order in which they come first; raises `WeightsError`."""
    found: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"(.+)/(0|[1-9]\d{0,3})", name, re.DOTALL)
        if not match:
            raise WeightsError(path, f"array {name!r} is not named LAYER/INDEX", "rename it, such as conv1/0")
        found.setdefault(match[1], {})[int(match[2])] = tensor
    for layer, indexed in found.items():
        if missing := set(range(len(indexed))) - indexed.keys():
            raise WeightsError(path, f"has no array '{name_of(layer, min(missing))}'", "a layer's arrays count from 0")
    return tuple(Layer(layer, tuple(indexed[i] for i in range(len(indexed)))) for layer, indexed in found.items())
