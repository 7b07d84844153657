"""Where a number that is none came from: the first layer that has it."""

from __future__ import annotations

import torch
from torch import Tensor

from caffe_fcn.engines.torch.fed import Fed
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.errors import EngineError, WeightsError


def check_weights(net: Net, where: object) -> None:
    """Raise `WeightsError` for parameters that are NaN or infinite, naming the layer."""
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            if not _sound(blob):
                what = f"layer '{name}', parameter {index}, holds nan or infinity"
                raise WeightsError(where, what, "the training that made them diverged: take an earlier snapshot")


def not_finite(fed: Fed, iteration: int) -> EngineError:
    """The error for a loss that is no number; runs the last batch once more to find the layer."""
    where = f"iteration {iteration}"
    mend = "lower base_lr, or set clip_gradients"
    fed.again()
    net = fed.net
    for node in net.graph.nodes:
        if not all(map(_sound, net.params.get(node.name, ()))):
            what = f"the loss is no number, since the last update spoilt the weights of layer '{node.name}'"
            return EngineError(where, what, mend)
        for top in node.tops:
            if not _sound(net.blobs[top.name]):
                is_data = "check the data" if not node.bottoms else mend
                return EngineError(where, f"the loss is no number: nan or infinity first appears in {node}", is_data)
    return EngineError(where, "the loss is no number", mend)


def _sound(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
