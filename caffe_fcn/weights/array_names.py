"""The names of arrays in formats that have no layers: parameter 1 of layer ``conv1`` is ``conv1/1``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from caffe_fcn.errors import WeightsError
from caffe_fcn.weights.layers import Layer, locate
from caffe_fcn.weights.tensors import Tensor


def name_arrays(path: object, layers: Sequence[Layer]) -> Iterator[tuple[str, Tensor]]:
    """Every parameter with its name; raises `WeightsError` for a layer that `group_by_layer` could not read back."""
    seen = set()
    for layer in layers:
        if not layer.tensors:
            continue
        if not layer.name or "\0" in layer.name or layer.name in seen:
            what = "two layers have this name" if layer.name in seen else "no array can have such a name"
            raise WeightsError(locate(path, layer.name), what, "rename the layer, or keep .caffemodel")
        if len(layer.tensors) > _MOST_PARAMETERS:
            raise WeightsError(locate(path, layer.name), f"has more than {_MOST_PARAMETERS} parameters", "")
        seen.add(layer.name)
        yield from ((_join(layer.name, index), tensor) for index, tensor in enumerate(layer.tensors))


_MOST_PARAMETERS = 10_000  # of a layer: an index has at most four digits


def group_by_layer(path: object, tensors: Mapping[str, Tensor]) -> tuple[Layer, ...]:
    """The layers that the names of arrays tell, in the order of their first arrays.

    Raises `WeightsError` for a name that is not LAYER/INDEX, and for a layer without one of its arrays.
    """
    found: dict[str, dict[int, Tensor]] = {}
    for name, tensor in tensors.items():
        if any("\ud800" <= char <= "\udfff" for char in name):  # half of a pair: no text, and no file can hold it
            raise WeightsError(path, f"array {name!a} is not named in Unicode", "rename it, such as conv1/0")
        match = re.fullmatch(r"(.+)/(0|[1-9]\d{0,3})", name, re.DOTALL)
        if not match:
            raise WeightsError(path, f"array {name!r} is not named LAYER/INDEX", "rename it, such as conv1/0")
        found.setdefault(match[1], {})[int(match[2])] = tensor
    for layer, indexed in found.items():
        if missing := set(range(len(indexed))) - indexed.keys():
            raise WeightsError(path, f"has no array '{_join(layer, min(missing))}'", "a layer's arrays count from 0")
    return tuple(Layer(layer, tuple(indexed[i] for i in range(len(indexed)))) for layer, indexed in found.items())


def _join(layer: str, index: int) -> str:
    return f"{layer}/{index}"
