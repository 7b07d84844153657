"""Upgrading weights files of older Caffes to the current format, from file to file: no weights are loaded."""

from __future__ import annotations

from caffe_fcn.files import PathLike
from caffe_fcn.proto import read_net, upgrade_net
from caffe_fcn.proto.copying import with_layers
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer


def upgrade(source: PathLike, target: PathLike) -> list[str]:
    """Write the net and the weights of ``source``, of any format since 2013, to ``target`` in the current format.

    Returns notes on what the current format cannot say, as `proto.upgrade_net` does. Raises `WeightsError`,
    `PrototxtError`, `NetError` or `FileError`.
    """
    net = read_net(source, upgrade=False)
    notes = upgrade_net(net)
    with open_weights(source) as weights:
        # the upgrade keeps the order of the layers, and puts an Input layer first where the net had inputs
        inputs = len(net.layer) - len(weights.layers)
        tensors = [()] * inputs + [layer.tensors for layer in weights.layers]
        layers = [
            Layer(layer.name, own, layer.type, layer.SerializeToString())
            for layer, own in zip(net.layer, tensors, strict=True)
        ]
        save_weights(target, layers, with_layers(net, []).SerializeToString())
    return notes
