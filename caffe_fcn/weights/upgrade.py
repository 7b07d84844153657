"""Upgrading weights files of older Caffes to the current format, from file to file: no weights are loaded."""

from __future__ import annotations

from caffe_fcn.files import PathLike
from caffe_fcn.proto import read_net, upgrade_net
from caffe_fcn.proto.copying import with_layers
from caffe_fcn.proto.dialects.numbering import to_forks
from caffe_fcn.proto.numbered_fields import restore_numbered
from caffe_fcn.proto.schema import Message
from caffe_fcn.weights.formats import open_weights, save_weights
from caffe_fcn.weights.layers import Layer


def upgrade(source: PathLike, target: PathLike, dialect: str = "", recognized: list[str] | None = None) -> list[str]:
    """Write the net and the weights of ``source``, of any format since 2013, to ``target`` in the current format.

    What a fork of Caffe wrote is read as `proto.read_net` reads it, and written in the fork's numbers again.
    Returns notes on what the current format cannot say, as `proto.upgrade_net` does. Raises `WeightsError`,
    `PrototxtError`, `NetError` or `FileError`.
    """
    found: list[str] = []
    net = read_net(source, upgrade=False, dialect=dialect, recognized=found)
    if recognized is not None:
        recognized += found
    fork = dialect or (found[0] if len(found) == 1 else "bvlc")
    notes = upgrade_net(net)
    with open_weights(source) as weights:
        # the upgrade keeps the order of the layers, and puts an Input layer first where the net had inputs
        inputs = len(net.layer) - len(weights.layers)
        tensors = [()] * inputs + [layer.tensors for layer in weights.layers]
        layers = [
            Layer(layer.name, own, layer.type, _write(layer, fork))
            for layer, own in zip(net.layer, tensors, strict=True)
        ]
        save_weights(target, layers, _write(with_layers(net, []), fork))
    return notes


def _write(message: Message, fork: str) -> bytes:
    return to_forks(restore_numbered(message.SerializeToString(), message.DESCRIPTOR), message.DESCRIPTOR, fork)
