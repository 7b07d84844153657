"""Several processes that train one net together, each on its share of the batches.

    with joined(device) as ranks:             # the variables that torchrun sets tell who takes part
        ranks.sum(gradients)

N ranks with iter_size k do what one rank does with iter_size N k: batch number p goes to rank p mod N, gradients
are summed before they are clipped and divided. GPUs speak NCCL with each other, CPUs gloo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch import distributed as dist

from caffe_fcn.errors import EngineError

# A rank waits for the others while one of them writes a large snapshot to a slow disk, or starts its readers.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """Who takes part: ``count`` processes, of which this is number ``rank``."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and tells."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor the sum of those of all ranks; every rank must call it with tensors of one shape."""
        if self.count > 1:
            for work in [dist.all_reduce(tensor, async_op=True) for tensor in tensors]:
                work.wait()


class LostError(EngineError):
    """A rank lost the others: one of them died, and knows why, or the network did."""


ALONE = Ranks()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The ranks that the environment tells of (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT); alone where there is none.

    Raises `EngineError` where they do not find each other, and `LostError` where one of them is gone.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count < 2:
        yield ALONE
        return
    rank = int(os.environ["RANK"])
    where = f"rank {rank} of {count}"
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    except (dist.DistError, RuntimeError) as error:
        mend = "is the address right, and may they connect?"
        raise LostError(where, f"does not find the others: {_first_line(error)}", mend) from error
    try:
        yield Ranks(rank, count)
    except (dist.DistError, RuntimeError) as error:
        if not isinstance(error, dist.DistError) and not _is_of_gloo(error):
            raise
        raise LostError(where, "lost its connection to the others", "one of them tells why") from error
    finally:
        dist.destroy_process_group()


def _is_of_gloo(error: RuntimeError) -> bool:
    """gloo raises nothing more telling."""
    return "gloo" in str(error) or "onnection" in str(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no word from them"])[0]
