"""Copies between the processor's memory and a GPU's that neither side waits for.

A GPU copies by itself from and to memory that is pinned, which means that the kernel does not move it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def start_upload(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. A GPU has it when it comes to the work that is launched afterwards."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Download:
    """A copy of a tensor to the processor's memory, begun when this is made."""

    def __init__(self, tensor: Tensor) -> None:
        self._copy, self._done = tensor, None
        if tensor.device.type == "cuda":
            self._copy = torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event()
            self._done.record(torch.cuda.current_stream(tensor.device))

    def wait(self) -> Tensor:
        """The copy, complete; what the GPU has been given since goes on meanwhile."""
        if self._done is not None:
            self._done.synchronize()
        return self._copy
