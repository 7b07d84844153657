"""Caffe's fillers (include/caffe/filler.hpp), in chunks and reproducible.

Every parameter has a random stream of its own, seeded by its layer's name and its index, so that its values
do not depend on which others were filled before it.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import layer_type
from caffe_fcn.proto import FillerParameter, LayerParameter
from caffe_fcn.weights.interpolation import kernel
from caffe_fcn.weights.tensors import CHUNK, Made, Shape, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def filler_of(layer: LayerParameter, index: int, shape: Shape) -> FillerParameter:
    """The filler of a layer's parameter: the one that the prototxt names, or what Caffe takes instead."""
    row = layer_type(layer.type)
    fields = row.fillers(layer)
    if index >= len(fields):  # BatchNorm's statistics, Parameter: they start at zero
        return FillerParameter(type="constant")
    param, field = getattr(layer, row.param_name), fields[index]
    if param.HasField(field.field):
        return getattr(param, field.field)
    return FillerParameter(type="constant", value=field.default)


def filled(filler: FillerParameter, shape: Shape, layer: str, index: int, seed: int = 0) -> Tensor:
    """A parameter of ``shape`` (float32) as ``filler`` makes it; raises `NetError` where it does not apply."""
    where = f"layer '{layer}', parameter {index}"
    if filler.type not in _KINDS:
        mend = nearest(filler.type, _KINDS) or f"one of {', '.join(_KINDS)}"
        raise NetError(where, f"Caffe has no filler {filler.type!r}", mend)
    if filler.sparse < -1 or (filler.sparse >= 0 and filler.type != "gaussian"):
        raise NetError(where, f"sparse {filler.sparse} of filler '{filler.type}'", "only gaussian can be sparse")
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(where, f"a bilinear filler needs a square kernel, {dims(shape)} has none", "or another filler")
    stream = [seed, zlib.crc32(layer.encode()), index]
    make = partial(_KINDS[filler.type], filler, shape, stream)
    return Tensor(shape, "float32", (Made(4 * math.prod(shape), make),))


def _constant(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    value = struct.pack("<f", filler.value)
    for size in _sizes(math.prod(shape)):
        yield value * size


def _bilinear(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    taps = struct.pack(f"<{shape[2] * shape[3]}f", *(tap for line in kernel(shape[2]) for tap in line))
    for _ in range(shape[0] * shape[1]):
        yield taps


def _uniform(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    return _uniform_between(filler.min, filler.max, shape, stream)


def _xavier(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    bound = math.sqrt(3 / _fan(filler, shape))
    return _uniform_between(-bound, bound, shape, stream)


def _uniform_between(low: float, high: float, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random = _random(stream)
    for size in _sizes(math.prod(shape)):
        yield _bytes(low + (high - low) * random.random(size))


def _gaussian(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random = _random(stream)
    kept = filler.sparse / max(_axis(shape, 0), 1)  # the share of weights that are not zero: `sparse` per output
    for size in _sizes(math.prod(shape)):
        values = filler.mean + filler.std * random.standard_normal(size)
        yield _bytes(values if filler.sparse < 0 else values * (random.random(size) < kept))


def _msra(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random, deviation = _random(stream), math.sqrt(2 / _fan(filler, shape))
    for size in _sizes(math.prod(shape)):
        yield _bytes(deviation * random.standard_normal(size))


def _positive_unitball(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    """Uniform values scaled so that each output's sum to 1: made once for the sum and once more for good."""
    row = math.prod(shape[1:])
    for output in range(_axis(shape, 0)):
        first, again = _random([*stream, output]), _random([*stream, output])
        total = sum(float(first.random(size).sum()) for size in _sizes(row))
        for size in _sizes(row):
            yield _bytes(again.random(size) / total)


_KINDS: dict[str, Callable[[FillerParameter, Shape, list[int]], Iterator[bytes]]] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}


def _fan(filler: FillerParameter, shape: Shape) -> float:
    count = math.prod(shape)
    fan_in, fan_out = count / _axis(shape, 0), count / _axis(shape, 1)
    return {0: fan_in, 1: fan_out, 2: (fan_in + fan_out) / 2}[filler.variance_norm]


def _axis(shape: Shape, axis: int) -> int:
    return shape[axis] if axis < len(shape) else 1


def _sizes(count: int) -> Iterator[int]:
    """``count`` values in chunks; random values are made as float64, twice as wide as they are stored."""
    step = CHUNK // 8
    for begin in range(0, count, step):
        yield min(step, count - begin)


def _random(stream: list[int]) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(stream)


def _bytes(values: NDArray[np.float64]) -> bytes:
    return values.astype("<f4").tobytes()
