"""What all readers of data layers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import LayerParameter

Array: TypeAlias = NDArray[Any]


class Reader(ABC):
    """The tops of a data layer, batch by batch; ``len()`` is the number of records before they start over.

    Subclasses set ``size``, the number of records in a batch. A reader is ``sequential`` if it must make its batches
    one after the other, in this process.
    """

    size: int
    sequential: bool = False

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        self.layer = layer
        self.training = training
        self.seed = seed

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, number: int) -> list[Array]:
        """Read the tops of batch ``number``, counted from 0, float32; raises `DatasetError` that names a bad record."""

    def positions(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the epoch of each record in a batch, counted from 0, and its index in the order of that epoch."""
        for count in range(number * self.size, (number + 1) * self.size):
            yield divmod(count, len(self))

    def random(self, *stream: int) -> np.random.Generator:
        """Return a generator whose numbers depend only on the seed and on ``stream``."""
        return np.random.default_rng((self.seed, *stream))

    def fail(self, what: str, mend: str = "") -> NoReturn:
        """Raise a `NetError` that names the layer."""
        raise NetError(f"layer '{self.layer.name}' ({self.layer.type})", what, mend)


def require_one_size(images: Sequence[Array], where: str, mend: str) -> None:
    """Raise `DatasetError` at ``where`` if the last image of a batch so far has another shape than the first."""
    if images[-1].shape != images[0].shape:
        what = f"is {dims(images[-1].shape)}, and the first of its batch {dims(images[0].shape)}"
        raise DatasetError(where, what, mend)


class RecordOrder:
    """The order in which records are read, drawn again for every epoch: ``order[epoch, index]`` is a record."""

    def __init__(self, draw: Callable[[int], NDArray[np.int64]]) -> None:
        self._draw = draw
        self._latest: dict[int, NDArray[np.int64]] = {}  # the order of the epoch that was asked for last

    def __getitem__(self, position: tuple[int, int]) -> int:
        epoch, index = position
        if epoch not in self._latest:
            self._latest = {epoch: self._draw(epoch)}
        return int(self._latest[epoch][index])
