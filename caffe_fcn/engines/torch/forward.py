"""A net run forward by torch, from arrays to arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from caffe_fcn import proto
from caffe_fcn.engines.arguments import require_weights
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.transfers import Download
from caffe_fcn.errors import EngineError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.proto import TEST, NetState

if TYPE_CHECKING:
    import numpy as np


class TorchEngine:
    """A net in its TEST phase, loaded in torch; see `caffe_fcn.engines.Engine`.

    The arguments are those of `caffe.CaffeEngine`; ``precision`` is that of `Net`.
    Raises `EngineError` for a GPU that does not exist and for a blob that the net does not have, and what `Net` raises.
    """

    name: str
    note: str

    def __init__(
        self,
        net: PathLike,
        weights: PathLike | None = None,
        stages: Sequence[str] = (),
        gpu: int | None = None,
        blobs: Sequence[str] = (),
        precision: str = "float32",
    ) -> None:
        message = proto.read_net(net)
        if weights:
            require_weights(weights)
        self.name = str(net)
        state = NetState(phase=TEST, stage=stages)
        self._net = Net(message, state, weights, device=choose_device(gpu), precision=precision)
        self._blobs = tuple(blobs)
        for blob in self._blobs:
            if blob not in self._net.graph.blobs:
                mend = nearest(blob, self._net.graph.blobs) or f"it has {', '.join(self._net.graph.blobs)}"
                raise EngineError(self.name, f"has no blob {blob!r}", mend)

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """The input blobs, with their latest shapes."""
        return self._net.inputs

    @property
    def outputs(self) -> Sequence[str]:
        """The blobs that no layer reads."""
        return self._net.outputs

    def forward(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The net's outputs, and the blobs asked for, of these inputs (N x C x H x W).

        Raises `NetError` for an input that is missing, unknown, or of a shape that a layer cannot take.
        """
        found = self._net.forward(*self._blobs, **inputs)
        copies = {name: Download(_lay_out(blob.detach().float())) for name, blob in found.items()}
        return {name: copy.wait().numpy() for name, copy in copies.items()}

    def close(self) -> None:
        """Do nothing: no process or file is held."""

    def __enter__(self) -> TorchEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lay_out(blob: Tensor) -> Tensor:
    """A blob of a GPU in Caffe's order, in which the processor reads channels sooner; a GPU turns it in no time."""
    return blob.contiguous() if blob.is_cuda else blob


def choose_device(gpu: int | None) -> str:
    """Name torch's device: a GPU by its number, or the CPU; raises `EngineError` where there is no such GPU."""
    if gpu is None:
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise EngineError("`gpu`", "torch finds no GPU", "leave `gpu` out, or install torch for CUDA")
    if gpu >= count:
        raise EngineError("`gpu`", f"there is no GPU {gpu}", f"there are 0 to {count - 1}")
    return f"cuda:{gpu}"
