"""Caffemodels of given values, written by protobuf alone, and the values of any weights file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from caffe_fcn import weights
from caffe_fcn.proto import NetParameter


def save(path: Path, net: NetParameter, values: dict[str, list[np.ndarray]]) -> Path:
    """Write a caffemodel of a net's layers with these parameters; returns its path."""
    whole = NetParameter()
    whole.CopyFrom(net)
    for layer in whole.layer:
        for array in values.get(layer.name, []):
            layer.blobs.add(data=np.asarray(array).ravel(), shape={"dim": np.shape(array)})
    path.write_bytes(whole.SerializeToString())
    return path


def load(path: Path) -> dict[str, list[np.ndarray]]:
    """The parameters of a weights file by their layers' names."""
    with weights.open_weights(path) as opened:
        return {layer.name: [tensor.load() for tensor in layer.tensors] for layer in opened.layers if layer.tensors}
