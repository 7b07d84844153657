"""Writes the weights of a net to a file, as Caffe's Net::ToProto and Net::ToHDF5 do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from caffe_fcn.engines.torch.net import Net
from caffe_fcn.net.graph import Node
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights import Tensor as Handle
from caffe_fcn.weights import save_weights
from caffe_fcn.weights.layers import Layer
from caffe_fcn.weights.tensors import CHUNK, GeneratedSegment


def save(net: Net, path: Path) -> None:
    """Write a net's weights, in the format that the suffix names; raises `FileError`."""
    head = NetParameter(name=net.graph.net.name).SerializeToString()
    save_weights(path, [_make_layer(net, node) for node in net.graph.nodes], head)


def make_handle(tensor: torch.Tensor) -> Handle:
    """A handle on a tensor; its values leave their device only when they are written."""
    return Handle(
        tuple(tensor.shape), "float32", (GeneratedSegment(4 * tensor.numel(), partial(_read_chunks, tensor)),)
    )


def _read_chunks(tensor: torch.Tensor) -> Iterator[bytes]:
    data = tensor.detach().cpu().contiguous().numpy().reshape(-1).view("u1").data
    for begin in range(0, len(data), CHUNK):
        yield bytes(data[begin : begin + CHUNK])


def _make_layer(net: Net, node: Node) -> Layer:
    tensors = tuple(map(make_handle, net.params.get(node.name, ())))
    return Layer(node.name, tensors, node.type, node.layer.SerializeToString())
