"""The precision of torch's products: float32 as in Caffe, TF32, or bfloat16."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from caffe_fcn.engines.choice import check_precision
from caffe_fcn.errors import EngineError


class Precision:
    """A precision on a device: float32; tf32, whose products have 10 bits of mantissa, on GPUs; or bf16.

    With bf16 most layers compute in bfloat16, and parameters stay float32.
    Raises `EngineError` for an unknown name, and for tf32 without a GPU.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        check_precision(name)
        if name == "tf32" and device.type != "cuda":
            raise EngineError("`precision` tf32", "is for GPUs", "leave it out, or take bf16")
        self._name, self._device = name, device

    def activate(self) -> AbstractContextManager[object]:
        """A context in which torch computes with this precision; the gradients of its results have it, too."""
        if self._device.type == "cuda":  # torch uses TF32 for convolutions by default, and a backward pass asks again
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self._name == "tf32"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._name == "bf16")
