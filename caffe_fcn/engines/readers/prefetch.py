"""Batches read ahead: worker processes read and decode while the net computes.

    with Prefetcher(net, training=True, seed=1337, workers=2) as prefetcher:
        for batch in prefetcher.batches(first=0, step=1):
            batch["data"]                        # the tops of layer 'data'

Each of N workers is a Python process that reads every N-th batch, and waits with one batch ready until that is
fetched. It sends a line of JSON and then the arrays' bytes. The processes share nothing, so nothing is left over when
one of them dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import count, cycle
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np

import caffe_fcn
from caffe_fcn.engines.readers import open_data_layers
from caffe_fcn.engines.readers.reader import Array
from caffe_fcn.errors import DatasetError, EngineError
from caffe_fcn.proto import NetParameter

Batch: TypeAlias = dict[str, list[Array]]
"""The tops of each data layer, by the layer's name."""

_PIPE = 1 << 20  # bytes: what Linux lets every user have; by itself it gives a pipe a sixteenth of that


class Prefetcher:
    """The batches of a net's data layers, read by ``workers`` processes, or with 0 by this one when asked for.

    ``arrays`` go to MemoryData layers, ``earlier_passes`` to augmentations. A net with MemoryData layers, or with a
    sequential reader, is always read by this process. Raises what `open_data_layers` raises.
    """

    def __init__(
        self,
        net: NetParameter,
        training: bool,
        seed: int,
        workers: int = 0,
        arrays: Mapping[str, Sequence[Array]] | None = None,
        earlier_passes: int = 0,
    ) -> None:
        self.readers = open_data_layers(net, training, seed, arrays, earlier_passes)
        unshared = bool(arrays) or any(reader.sequential for reader in self.readers.values())
        self._workers = 0 if unshared or not self.readers else workers
        message = net.SerializeToString().hex()
        self._task = {"net": message, "training": training, "seed": seed, "earlier_passes": earlier_passes}
        self._resources = ExitStack()

    def batches(self, first: int, step: int = 1) -> Iterator[Batch]:
        """Yield batch ``first`` and every ``step``-th after it, without end; raises `DatasetError` for a bad record."""
        if not self._workers:
            for number in count(first, step):
                yield {name: reader.batch(number) for name, reader in self.readers.items()}
        stride = self._workers * step
        workers = [self._start_worker(first + index * step, stride) for index in range(self._workers)]
        for worker in cycle(workers):
            yield _receive_batch(worker)

    def close(self) -> None:
        """End the workers."""
        self._resources.close()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_worker(self, first: int, stride: int) -> subprocess.Popen[bytes]:
        package = str(Path(caffe_fcn.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        worker = subprocess.Popen(
            [sys.executable, "-m", "caffe_fcn.engines.readers"],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._resources.callback(_kill, worker)
        _widen(cast(IO[bytes], worker.stdout))
        task = json.dumps({**self._task, "first": first, "stride": stride}).encode()
        sink = cast(IO[bytes], worker.stdin)
        sink.write(task + b"\n")
        sink.flush()
        return worker


def send_batch(sink: IO[bytes], batch: Batch) -> None:
    """Write a batch as `Prefetcher` reads it: the shapes as a line of JSON, then the arrays."""
    shapes = {name: [top.shape for top in tops] for name, tops in batch.items()}
    sink.write(json.dumps({"tops": shapes}).encode() + b"\n")
    for tops in batch.values():
        for top in tops:
            sink.write(np.ascontiguousarray(top, np.float32).data)
    sink.flush()


def _receive_batch(worker: subprocess.Popen[bytes]) -> Batch:
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
                return _receive_batch(worker)  # which finds that it is dead
    return batch


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold a good part of a batch, so that few switches between processes bring it over.

    Linux has such pipes, unless the user has too many of them already.
    """
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)


def _kill(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()
