"""Several processes that train one net together, each on its share of the batches.

    with join_processes(device) as group:     # who takes part is in the variables that torchrun sets
        group.sum(gradients)

N processes with iter_size k do what one process does with iter_size N k: batch number b belongs to process b mod N,
and gradients are summed before they are clipped and divided. GPUs communicate by NCCL, CPUs by gloo. As with
torchrun, the number of a process is its rank.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from caffe_fcn.errors import EngineError

# A process waits for the others while one of them writes a large snapshot to a slow disk, or starts its readers.
_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, as one of them sees it: ``count`` processes, of which it is number ``rank``."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes the log and the snapshots."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes; all must call this, with tensors of the same shapes."""
        if self.count > 1:
            for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
                work.wait()


@contextmanager
def exchange_results() -> Iterator[tuple[int, int, Callable[[Any], list[Any]]]]:
    """Yield the rank of this process, how many there are, and what gives each of them the results of all, by rank."""

    def gather(result: Any) -> list[Any]:
        results: list[Any] = [None] * group.count
        if group.count > 1:
            dist.all_gather_object(results, result)
        return results if group.count > 1 else [result]

    with join_processes(torch.device("cpu")) as group:
        yield group.rank, group.count, gather


class LostError(EngineError):
    """A process lost its connection to the others: one of them died, and reports why, or the network failed."""


ONE_PROCESS = ProcessGroup()


@contextmanager
def join_processes(device: torch.device) -> Iterator[ProcessGroup]:
    """Connect to the processes that the environment names (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT).

    Without these variables the process is alone. Raises `LostError` if the processes do not find each other, or if
    one is gone.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count < 2:
        yield ONE_PROCESS
        return
    rank = int(os.environ["RANK"])
    where = f"rank {rank} of {count}"
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    except (dist.DistError, RuntimeError) as error:
        mend = "is the address right, and may they connect?"
        raise LostError(where, f"does not find the others: {_first_line(error)}", mend) from error
    try:
        yield ProcessGroup(rank, count)
    except (dist.DistError, RuntimeError) as error:
        if not isinstance(error, dist.DistError) and not _is_from_gloo(error):
            raise
        raise LostError(where, "lost its connection to the others", "one of them tells why") from error
    finally:
        dist.destroy_process_group()


def _is_from_gloo(error: RuntimeError) -> bool:
    """Whether gloo raised an error, which has no type of its own."""
    return "gloo" in str(error) or "onnection" in str(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no word from them"])[0]
