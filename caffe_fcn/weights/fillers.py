"""Caffe's fillers (include/caffe/filler.hpp): the values that parameters start with, in chunks and reproducible.

Every parameter has a random stream of its own, seeded by its layer's name and its index. So its values do not depend
on the parameters that were filled before it.
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
from caffe_fcn.weights.interpolation import make_kernel
from caffe_fcn.weights.tensors import CHUNK, GeneratedSegment, Shape, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def find_filler(layer: LayerParameter, index: int, shape: Shape) -> FillerParameter:
    """The filler of a layer's parameter: the one in the prototxt, or Caffe's default.

    >>> find_filler(LayerParameter(type="PReLU"), 0, (64,)).value
    0.25
    """
    row = layer_type(layer.type)
    fields = row.fillers(layer)
    if index >= len(fields):  # BatchNorm's statistics, Parameter: they start at zero
        return FillerParameter(type="constant")
    param, field = getattr(layer, row.param_name), fields[index]
    if field.field and param.HasField(field.field):
        filler: FillerParameter = getattr(param, field.field)
        return filler
    return FillerParameter(type="constant", value=field.default)


def fill(filler: FillerParameter, shape: Shape, layer: str, index: int, seed: int = 0) -> Tensor:
    """A float32 parameter of ``shape`` with the values that ``filler`` makes.

    ``layer`` (a name) and ``index`` say which parameter it is. Raises `NetError` where the filler does not apply.

    >>> fill(FillerParameter(type="constant", value=0.5), (2,), "conv1", 1).array().tolist()
    [0.5, 0.5]
    """
    where = f"layer '{layer}', parameter {index}"
    if filler.type not in _FILLS:
        mend = nearest(filler.type, _FILLS) or f"one of {', '.join(_FILLS)}"
        raise NetError(where, f"Caffe has no filler {filler.type!r}", mend)
    if filler.sparse < -1 or (filler.sparse >= 0 and filler.type != "gaussian"):
        raise NetError(where, f"sparse {filler.sparse} of filler '{filler.type}'", "only gaussian can be sparse")
    if filler.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(where, f"a bilinear filler needs a square kernel, {dims(shape)} has none", "or another filler")
    stream = [seed, zlib.crc32(layer.encode()), index]
    generate = partial(_FILLS[filler.type], filler, shape, stream)
    return Tensor(shape, "float32", (GeneratedSegment(4 * math.prod(shape), generate),))


def _constant(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    value = struct.pack("<f", filler.value)
    for size in _split(math.prod(shape)):
        yield value * size


def _bilinear(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    taps = struct.pack(f"<{shape[2] * shape[3]}f", *(tap for line in make_kernel(shape[2]) for tap in line))
    for _ in range(shape[0] * shape[1]):
        yield taps


def _uniform(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    return _uniform_between(filler.min, filler.max, shape, stream)


def _xavier(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    bound = math.sqrt(3 / _compute_fan(filler, shape))
    return _uniform_between(-bound, bound, shape, stream)


def _uniform_between(low: float, high: float, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random = _make_generator(stream)
    for size in _split(math.prod(shape)):
        yield _encode(low + (high - low) * random.random(size))


def _gaussian(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random = _make_generator(stream)
    kept = filler.sparse / max(_side(shape, 0), 1)  # the share of weights that are not zero: `sparse` for each output
    for size in _split(math.prod(shape)):
        values = filler.mean + filler.std * random.standard_normal(size)
        yield _encode(values if filler.sparse < 0 else values * (random.random(size) < kept))


def _msra(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    random, deviation = _make_generator(stream), math.sqrt(2 / _compute_fan(filler, shape))
    for size in _split(math.prod(shape)):
        yield _encode(deviation * random.standard_normal(size))


def _positive_unitball(filler: FillerParameter, shape: Shape, stream: list[int]) -> Iterator[bytes]:
    """Uniform values, scaled so that those of each output sum to 1; they are made once for the sum, and once again."""
    row = math.prod(shape[1:])
    for output in range(_side(shape, 0)):
        first, again = _make_generator([*stream, output]), _make_generator([*stream, output])
        total = sum(float(first.random(size).sum()) for size in _split(row))
        for size in _split(row):
            yield _encode(again.random(size) / total)


_FILLS: dict[str, Callable[[FillerParameter, Shape, list[int]], Iterator[bytes]]] = {
    "bilinear": _bilinear,
    "constant": _constant,
    "gaussian": _gaussian,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
}


def _compute_fan(filler: FillerParameter, shape: Shape) -> float:
    count = math.prod(shape)
    fan_in, fan_out = count / _side(shape, 0), count / _side(shape, 1)
    return {0: fan_in, 1: fan_out, 2: (fan_in + fan_out) / 2}[filler.variance_norm]


def _side(shape: Shape, axis: int) -> int:
    return shape[axis] if axis < len(shape) else 1


def _split(count: int) -> Iterator[int]:
    """The sizes of the chunks of ``count`` values; random values are made as float64, wider than they are stored."""
    step = CHUNK // 8
    for begin in range(0, count, step):
        yield min(step, count - begin)


def _make_generator(stream: list[int]) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(stream)


def _encode(values: NDArray[np.float64]) -> bytes:
    return values.astype("<f4").tobytes()
