"""Batches read ahead: worker processes read and decode while the net computes.

    with Ahead(net, training=True, seed=1337, workers=2) as ahead:
        for batch in ahead.batches(first=0, step=1):
            batch["data"]                        # the tops of layer 'data'

Each worker is a Python of its own that reads every so-manieth batch and waits, with one batch in hand, until it is
fetched. What it sends is a line of JSON and the arrays' bytes: nothing is shared, so nothing is left over when
either side dies.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count, cycle
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np

import caffe_fcn
from caffe_fcn.engines.readers import open_readers
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.proto import NetParameter

Batch: TypeAlias = dict[str, list[Array]]
"""The tops of each data layer, by the layer's name."""


class Ahead:
    """The batches of a net's data layers. ``workers`` 0 reads them in this process, when they are asked for.

    ``arrays`` are those of MemoryData layers, which are always read here, as sequential readers are. Raises what
    `open_readers` raises.
    """

    def __init__(
        self,
        net: NetParameter,
        training: bool,
        seed: int,
        workers: int = 0,
        arrays: Mapping[str, Sequence[Array]] | None = None,
    ) -> None:
        self.readers = open_readers(net, training, seed, arrays)
        here = bool(arrays) or any(reader.sequential for reader in self.readers.values())
        self._workers = 0 if here or not self.readers else workers
        self._task = {"net": net.SerializeToString().hex(), "training": training, "seed": seed}
        self._resources = ExitStack()

    def batches(self, first: int, step: int = 1) -> Iterator[Batch]:
        """Batch ``first`` and every ``step``-th after it, without end; raises `DatasetError` for one that is unfit."""
        if not self._workers:
            for number in count(first, step):
                yield {name: reader.batch(number) for name, reader in self.readers.items()}
        stride = self._workers * step
        workers = [self._start(first + index * step, stride) for index in range(self._workers)]
        for worker in cycle(workers):
            yield _received(worker)

    def close(self) -> None:
        """End the workers."""
        self._resources.close()

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, first: int, stride: int) -> subprocess.Popen[bytes]:
        package = str(Path(caffe_fcn.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        worker = subprocess.Popen(
            [sys.executable, "-m", "caffe_fcn.engines.readers"],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._resources.callback(_end, worker)
        task = json.dumps({**self._task, "first": first, "stride": stride}).encode()
        sink = cast(IO[bytes], worker.stdin)
        sink.write(task + b"\n")
        sink.flush()
        return worker


def send(sink: IO[bytes], batch: Batch) -> None:
    """What a worker writes for a batch."""
    shapes = {name: [top.shape for top in tops] for name, tops in batch.items()}
    sink.write(json.dumps({"tops": shapes}).encode() + b"\n")
    for tops in batch.values():
        for top in tops:
            sink.write(np.ascontiguousarray(top, np.float32).data)
    sink.flush()


def _received(worker: subprocess.Popen[bytes]) -> Batch:
    source = cast(Any, worker.stdout)
    line = source.readline()
    message = json.loads(line) if line else {}
    if "error" in message:
        raise DatasetError(*message["error"])
    if not line:
        raise EngineError("data", f"a worker that reads ahead died with status {worker.wait()}", "is memory short?")
    batch: Batch = {}
    for name, shapes in message["tops"].items():
        batch[name] = [np.empty(shape, np.float32) for shape in shapes]
        for top in batch[name]:
            if top.size and source.readinto(top.data.cast("B")) != top.nbytes:
                return _received(worker)  # which finds it dead
    return batch


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()
