"""A parameter as a handle: its shape, its type, and where its bytes are.

The bytes are a row of segments. A `FileSegment` lies in a file, and the kernel copies it into another file without
its passing through this process; a `GeneratedSegment` is computed when it is read, chunk by chunk. So a layer of
400 MB costs a few numbers until somebody asks for its values, and reshaping, taking rows and joining are arithmetic
on positions. `Tensor.array` gives the values as a map of the file, `Tensor.chunks` in parts of bounded size.

All bytes are little-endian, as in all the formats that hold them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import INT_MAX, MOST_AXES, dims
from caffe_fcn.weights.input_file import InputFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]

# Bytes in flight at a time: enough that the cost of a call vanishes, little enough for a core's cache.
CHUNK = 1 << 20

ITEM_SIZES = {"float16": 2, "float32": 4, "float64": 8}


def explain_bad_shape(shape: Sequence[int]) -> str:
    """Why Caffe has no blob of this shape, or an empty string. Source: Blob::Reshape in src/caffe/blob.cpp."""
    if len(shape) > MOST_AXES:
        return f"has {len(shape)} axes, and Caffe's blobs have at most {MOST_AXES}"
    count = 1
    for side in shape:
        if not 0 <= side <= INT_MAX:
            shown = f"of {side}" if abs(side) < 1 << 64 else "beyond all numbers of 64 bits"
            return f"has an axis {shown}, and Caffe's go from 0 to {INT_MAX}"
        count *= side
        if count > INT_MAX:
            return f"has a shape of more values than Caffe's blobs: {INT_MAX}"
    return ""


@dataclass(frozen=True)
class FileSegment:
    """``size`` bytes of a file, from ``begin`` on."""

    file: InputFile
    begin: int
    size: int

    @property
    def files(self) -> frozenset[InputFile]:
        """The file."""
        return frozenset((self.file,))

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, at most `CHUNK` at a time."""
        for begin in range(self.begin, self.begin + self.size, CHUNK):
            yield self.file.read(begin, min(CHUNK, self.begin + self.size - begin))

    def cut(self, begin: int, end: int) -> FileSegment:
        """The bytes from ``begin`` to ``end``, counted from the segment's own beginning."""
        return FileSegment(self.file, self.begin + begin, end - begin)


@dataclass(frozen=True)
class GeneratedSegment:
    """``size`` bytes that ``generate`` yields in chunks of whole values, the same ones each time.

    ``files`` are the files that it reads.
    """

    size: int
    generate: Callable[[], Iterator[bytes]]
    files: frozenset[InputFile] = frozenset()

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, in the chunks that ``generate`` yields."""
        return self.generate()

    def cut(self, begin: int, end: int) -> GeneratedSegment:
        """The bytes from ``begin`` to ``end``; those before them are generated, too, and skipped."""

        def generate() -> Iterator[bytes]:
            at = 0
            for chunk in self.generate():
                if at + len(chunk) > begin:
                    yield chunk[max(begin - at, 0) : end - at]
                at += len(chunk)
                if at >= end:
                    return

        return GeneratedSegment(end - begin, generate, self.files)


Segment: TypeAlias = FileSegment | GeneratedSegment


@dataclass(frozen=True)
class Tensor:
    """A handle on one parameter: its shape, its type (float16, float32 or float64) and its segments in order.

    >>> import numpy as np
    >>> weights = from_array(np.arange(6, dtype="float32").reshape(2, 3))
    >>> weights.shape, weights.dtype, weights.count
    ((2, 3), 'float32', 6)
    >>> weights.take_rows(1, 2).reshaped((3, 1)).array().tolist()
    [[3.0], [4.0], [5.0]]
    """

    shape: Shape
    dtype: str
    segments: tuple[Segment, ...]

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def item_size(self) -> int:
        """Bytes of one value."""
        return ITEM_SIZES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return self.count * self.item_size

    def reshaped(self, shape: Shape) -> Tensor:
        """The same values in another shape of the same count."""
        if math.prod(shape) != self.count:
            raise ValueError(f"{dims(self.shape)} has not as many values as {dims(shape)}")
        return Tensor(shape, self.dtype, self.segments)

    def take(self, begin: int, end: int, shape: Shape) -> Tensor:
        """The values from ``begin`` to ``end`` in storage order, as a tensor of ``shape``."""
        return Tensor(shape, self.dtype, tuple(self._cut_segments(begin * self.item_size, end * self.item_size)))

    def take_rows(self, begin: int, end: int) -> Tensor:
        """The rows ``begin`` to ``end`` along the first axis."""
        row = math.prod(self.shape[1:])
        return self.take(begin * row, end * row, (end - begin, *self.shape[1:]))

    def _cut_segments(self, begin: int, end: int) -> Iterator[Segment]:
        at = 0
        for segment in self.segments:
            first, last = max(begin - at, 0), min(end - at, segment.size)
            if first == 0 and last == segment.size:
                yield segment
            elif first < last:
                yield segment.cut(first, last)
            at += segment.size

    @property
    def files(self) -> frozenset[InputFile]:
        """The files from which its bytes come."""
        return frozenset[InputFile]().union(*(segment.files for segment in self.segments))

    def chunks(self) -> Iterator[bytes]:
        """Its bytes in order, about `CHUNK` at a time, in chunks of whole values."""
        for segment in self.segments:
            yield from segment.chunks()

    def numbers(self) -> Iterator[NDArray[Any]]:
        """Its values in order as flat arrays of its own type, about `CHUNK` bytes each."""
        import numpy as np

        for chunk in self.chunks():
            yield np.frombuffer(chunk, _little(self.dtype))

    def array(self) -> NDArray[Any]:
        """Its values as a read-only array; where they are one segment of a file, a map of it and no copy.

        Cutting the file short while the map is in use ends the process: the array is for looking at
        numbers, and what moves them uses `chunks`.
        """
        if len(self.segments) == 1 and isinstance(segment := self.segments[0], FileSegment) and segment.size:
            return segment.file.map_array(_little(self.dtype), segment.begin, self.shape)
        return self.load()

    def load(self) -> NDArray[Any]:
        """Its values as an array in memory; for parameters that are known to be small."""
        import numpy as np

        return np.frombuffer(b"".join(self.chunks()), _little(self.dtype)).reshape(self.shape)

    def cast(self, dtype: str, where: str) -> Tensor:
        """The same values in another type; reading it raises `WeightsError` at ``where`` if one becomes infinite."""
        if dtype == self.dtype:
            return self
        size = self.count * ITEM_SIZES[dtype]
        return Tensor(self.shape, dtype, (GeneratedSegment(size, lambda: self._cast_chunks(dtype, where), self.files),))

    def _cast_chunks(self, dtype: str, where: str) -> Iterator[bytes]:
        import numpy as np

        for values in self.numbers():
            with np.errstate(over="ignore"):
                result = values.astype(_little(dtype))
            if (lost := np.isfinite(values) & ~np.isfinite(result)).any():
                raise WeightsError(where, f"{values[lost][0]:g} does not fit {dtype}", "keep float32")
            yield result.tobytes()


def from_array(values: NDArray[Any]) -> Tensor:
    """A tensor of an array in memory (a small one: a mean, a first convolution, a bias)."""
    data = values.astype(_little(values.dtype.name), order="C").tobytes()
    return Tensor(values.shape, values.dtype.name, (GeneratedSegment(len(data), lambda: iter((data,))),))


def make_zeros(count: int, dtype: str = "float32") -> Segment:
    """A segment of ``count`` zeros."""
    size = count * ITEM_SIZES[dtype]
    return GeneratedSegment(size, lambda: _zero_chunks(size))


def _zero_chunks(size: int) -> Iterator[bytes]:
    block = bytes(min(size, CHUNK))
    for begin in range(0, size, CHUNK):
        yield block[: size - begin]


def _little(dtype: str) -> str:
    return f"<f{ITEM_SIZES[dtype]}"
