"""Weights files of older Caffes in the current format, streamed: no weight is loaded."""

from __future__ import annotations

from caffe_fcn.files import PathLike
from caffe_fcn.proto import read_net, upgrade_net
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer


def upgrade(source: PathLike, target: PathLike) -> list[str]:
    """Write the net and the weights of ``source``, of any format since 2013, to ``target`` in the current one.

    Returns what could not be carried over, as `proto.upgrade_net` does. Raises `WeightsError`, `PrototxtError`,
    `NetError` or `FileError`.
    """
    net = read_net(source, upgrade=False)
    notes = upgrade_net(net)
    with open_weights(source) as weights:
        # the upgrade keeps the order of the layers and puts an Input layer first where the net had inputs
        new = len(net.layer) - len(weights.layers)
        tensors = [()] * new + [layer.tensors for layer in weights.layers]
        layers = [
            Layer(layer.name, own, layer.type, layer.SerializeToString())
            for layer, own in zip(net.layer, tensors, strict=True)
        ]
        del net.layer[:]
        save_weights(target, layers, net.SerializeToString())
    return notes
