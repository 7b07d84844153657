"""What all readers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.errors import NetError
from caffe_fcn.proto import LayerParameter

Array: TypeAlias = NDArray[Any]


class Reader(ABC):
    """A data layer's tops, batch by batch; ``len()`` is how many records there are before they start over.

    Subclasses set ``size``, the records of a batch. Those whose batches come of the ones before, and only in this
    process, are ``sequential``.
    """

    size: int
    sequential: ClassVar[bool] = False

    def __init__(self, layer: LayerParameter, training: bool, seed: int) -> None:
        self.layer = layer
        self.training = training
        self.seed = seed

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, number: int) -> list[Array]:
        """The tops of batch ``number``, counted from 0, float32; raises `DatasetError` naming the record."""

    def places(self, number: int) -> Iterator[tuple[int, int]]:
        """The records of a batch: how often all were read before, and the place in the order of this time."""
        for count in range(number * self.size, (number + 1) * self.size):
            yield divmod(count, len(self))

    def random(self, *stream: int) -> np.random.Generator:
        """Random numbers that depend on the seed and on ``stream`` alone."""
        return np.random.default_rng((self.seed, *stream))

    def fail(self, what: str, mend: str = "") -> NoReturn:
        """Raise a `NetError` that names the layer."""
        raise NetError(f"layer '{self.layer.name}' ({self.layer.type})", what, mend)


class Orders:
    """The order of records, shuffled anew each time that all were read."""

    def __init__(self, shuffled: Callable[[int], NDArray[np.int64]]) -> None:
        self._shuffled = shuffled
        self._orders: dict[int, NDArray[np.int64]] = {}

    def __getitem__(self, place: tuple[int, int]) -> int:
        epoch, index = place
        if epoch not in self._orders:
            self._orders = {epoch: self._shuffled(epoch)}
        return int(self._orders[epoch][index])
