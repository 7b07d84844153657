"""Finds the layer in which a NaN or an infinity first appears, when a training has diverged."""

from __future__ import annotations

import torch
from torch import Tensor

from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.training.net_runner import NetRunner
from caffe_fcn.errors import EngineError, WeightsError


def check_weights(net: Net, where: object) -> None:
    """Raise `WeightsError` for a parameter that has a NaN or an infinity, naming its layer."""
    for name, blobs in net.params.items():
        for index, blob in enumerate(blobs):
            if not _is_finite(blob):
                what = f"layer '{name}', parameter {index}, holds nan or infinity"
                raise WeightsError(where, what, "the training that made them diverged: take an earlier snapshot")


def explain_divergence(runner: NetRunner, iteration: int, mend: str) -> EngineError:
    """The error for a loss that is NaN or infinite. Runs the last batch again to find the layer."""
    where = f"iteration {iteration}"
    runner.repeat_batch()
    net = runner.net
    for node in net.graph.nodes:
        if not all(map(_is_finite, net.params.get(node.name, ()))):
            what = f"the loss is not a number, since the last update spoilt the weights of layer '{node.name}'"
            return EngineError(where, what, mend)
        for top in node.tops:
            if not _is_finite(net.blobs[top.name]):
                mend = mend if node.bottoms else "check the data"
                return EngineError(where, f"the loss is not a number: nan or infinity first appears in {node}", mend)
    return EngineError(where, "the loss is not a number", mend)


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())
