"""The precision of torch's products: float32 as in Caffe, TF32, or bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from caffe_fcn.engines.choice import check_precision
from caffe_fcn.engines.torch.layers.convolution import Convolution, InnerProduct
from caffe_fcn.engines.torch.registry import TorchLayer
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
        self.name, self._device = name, device

    @property
    def memory_format(self) -> torch.memory_format:
        """The order of images and kernels in memory that is fastest: channels last, but for float32 on GPUs.

        There cuDNN has kernels for float32 in Caffe's order only, and would bring every blob into that order and back.
        """
        return torch.contiguous_format if self.is_exact_on_gpu else torch.channels_last

    @property
    def is_exact_on_gpu(self) -> bool:
        """Whether a GPU computes in float32, without its units for products of matrices."""
        return self._device.type == "cuda" and self.name == "float32"

    def activate(self) -> AbstractContextManager[object]:
        """A context in which torch computes with this precision; the gradients of its results have it, too."""
        if self._device.type == "cuda":  # torch uses TF32 for convolutions by default, and a backward pass asks again
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.name == "tf32"
        keeps_casts = (
            self._device.type != "cuda"
        )  # a recorded pass (`recordings`) cannot use what another pass has cast
        return torch.autocast(self._device.type, torch.bfloat16, self.name == "bf16", cache_enabled=keeps_casts)


class ReducedWeights:
    """Copies in bfloat16 of the weights that products read, which a pass with bf16 would otherwise make each time."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, int], object] = {}

    def refresh(self, layers: Mapping[str, TorchLayer], params: Mapping[str, list[Tensor]]) -> None:
        """Let the ``layers`` that multiply read copies of their ``params``, made again where those have changed."""
        for name, originals in params.items():
            layer = layers[name]
            if not isinstance(layer, (Convolution, InnerProduct)):
                continue
            if layer.params is originals:
                layer.params = [original.to(torch.bfloat16) for original in originals]
                self._states.update(((name, index), _state_of(each)) for index, each in enumerate(originals))
            for index, original in enumerate(originals):
                if self._states[name, index] != (now := _state_of(original)):
                    layer.params[index].copy_(original)
                    self._states[name, index] = now


def _state_of(tensor: Tensor) -> object:
    return tensor.data_ptr(), tensor._version
