"""How exactly torch multiplies: in float32 as Caffe does, unless something else is asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from caffe_fcn.engines.choice import check_precision
from caffe_fcn.errors import EngineError


class Precision:
    """float32; tf32, whose products have 10 bits of mantissa, on GPUs; or bf16, most layers in bfloat16.

    Raises `EngineError` for a name that is none of these, and for tf32 without a GPU.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        check_precision(name)
        if name == "tf32" and device.type != "cuda":
            raise EngineError("--precision tf32", "is for GPUs", "leave it out, or take bf16")
        self._name, self._device = name, device

    def used(self) -> AbstractContextManager[object]:
        """Compute so within the block, and in the gradients of what was computed there."""
        if self._device.type == "cuda":  # torch's own default is TF32 for convolutions; a backward pass looks again
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self._name == "tf32"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._name == "bf16")
