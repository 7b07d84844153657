"""Several images through a net at once: those of one size in one pass.

    net = BatchRunner(engine, inputs, blob)
    for score in run_batches(range(100), 16, read, lambda _, images: net.run(images), write):
        ...

Small images take less time so; of large ones each keeps the processor busy by itself. The last digits of the scores
depend on how many images are in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.engines import Engine
from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.pipeline import run_overlapped
from caffe_fcn.evaluation.predict import run_net

Images: TypeAlias = Mapping[str, NDArray[Any]]

Item = TypeVar("Item")
Content = TypeVar("Content")
Output = TypeVar("Output")
Result = TypeVar("Result")

_ALLOWED = 0.01  # of the largest value, for bf16; what batch statistics change is far more


def run_batches(
    items: Iterable[Item],
    size: int,
    read: Callable[[Item], Content],
    run: Callable[[Sequence[Item], Sequence[Content]], Sequence[Output]],
    write: Callable[[Item, Output], Result],
    writers: int = 1,
) -> Iterator[Result]:
    """`run_overlapped`, with up to ``size`` items at a time that are read, run and written together."""

    def read_all(batch: Sequence[Item]) -> list[Content]:
        return [read(item) for item in batch]

    def write_all(batch: Sequence[Item], outputs: Sequence[Output]) -> list[Result]:
        return [write(item, output) for item, output in zip(batch, outputs, strict=True)]

    for results in run_overlapped(_cut(items, size), read_all, run, write_all, writers):
        yield from results


class BatchRunner:
    """A net that is run on several images at once; its output, or ``blob``, is taken."""

    def __init__(self, engine: Engine, inputs: Sequence[ImageInput], blob: str = "") -> None:
        self._engine, self._inputs, self._blob = engine, inputs, blob
        self._is_checked = False

    def run(self, several: Sequence[Images]) -> list[NDArray[np.float32]]:
        """The output for each of several images (C x H x W for each input), of whatever shape, with a batch of one.

        Raises `EngineError` for a net whose answer for an image depends on the other ones.
        """
        of_shapes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for number, images in enumerate(several):
            shapes = tuple(images[each.blob].shape for each in self._inputs)
            of_shapes.setdefault(shapes, []).append(number)
        found: dict[int, NDArray[np.float32]] = {}
        for numbers in of_shapes.values():
            found |= zip(numbers, self._run_alike([several[number] for number in numbers]), strict=True)
        return [found[number] for number in range(len(several))]

    def _run_alike(self, several: Sequence[Images]) -> Iterator[NDArray[np.float32]]:
        """The outputs for images of one size."""
        if len(several) > 1 and not self._is_checked:
            self._require_independence(several[0])
            self._is_checked = True
        output = run_net(self._engine, several, self._inputs, self._blob)
        if len(output) != len(several):
            self._refuse(f"answers {len(several)} images with {len(output)} results")
        return (each[None] for each in output)

    def _require_independence(self, images: Images) -> None:
        """Raise `EngineError` if the answer for an image is another one beside its negative, turned by 180 degrees."""
        other = {blob: -pixels.astype(np.float32)[:, ::-1, ::-1] for blob, pixels in images.items()}
        alone, both = (run_net(self._engine, each, self._inputs, self._blob) for each in ([images], [images, other]))
        is_alike = len(both) == 2 and both[0].shape == alone[0].shape
        if not is_alike or np.abs(both[0] - alone[0]).max(initial=0) > _ALLOWED * np.abs(alone[0]).max(initial=0):
            self._refuse("answers for an image otherwise when another one is beside it")

    def _refuse(self, what: str) -> None:
        raise EngineError(self._engine.name, what, "run it on one image at a time: leave `batch` out")


def _cut(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
