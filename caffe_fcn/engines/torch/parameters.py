"""Caffe's parameters as tensors: which layers own them, what they start with, how they learn.

Parameters with one ``param { name }`` are one tensor, owned by the first layer that has it (`sharing`).
Values come from weights files where those have them, chunk by chunk, so that a file is in memory once and its
bytes but once more; all others are what Caffe's fillers make.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.net.sharing import Key
from caffe_fcn.weights import Tensor as Handle
from caffe_fcn.weights import fillers, open_weights
from caffe_fcn.weights.layers import Weights, locate

PathLike: TypeAlias = str | os.PathLike[str]


class Learnable(NamedTuple):
    """A parameter as a solver sees it; ``owner`` is the first layer that has it, and its index there."""

    tensor: Tensor
    lr_mult: float
    decay_mult: float
    owner: Key


class Parameters:
    """All parameters of a net: ``blobs`` by layer name in Caffe's order, ``learnable`` in the order of solvers.

    ``frozen`` are layers that no solver changes, whatever their multipliers; ``differentiable`` keeps gradients for
    what learns. Raises `WeightsError` for weights that do not fit the net.
    """

    def __init__(
        self,
        shapes: Shapes,
        weights: Sequence[PathLike] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
        frozen: Iterable[str] = (),
        differentiable: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shapes = shapes.params
        self._owners = shapes.sharing.owners
        self._multipliers = shapes.sharing.multipliers
        nodes = {node.name: node for node in shapes.graph.nodes}
        self._own: dict[Key, Tensor] = {}
        with ExitStack() as files:
            given = self._handles([files.enter_context(open_weights(path)) for path in weights])
            for layer, index in self._multipliers:
                shape = self._shapes[layer][index]
                handle = given.get((layer, index)) or _filled(nodes[layer], index, shape, seed)
                self._own[layer, index] = loaded(handle, torch.empty(shape, dtype=dtype)).to(device)
        self.learnable = [self._learnable(owner, owner[0] in frozen) for owner in self._own]
        for each in self.learnable:
            each.tensor.requires_grad_(differentiable and each.lr_mult != 0)
        self.blobs = {name: self._of_layer(name) for name in self._shapes if self._shapes[name]}

    @torch.no_grad()
    def copy(self, path: PathLike) -> None:
        """Take from a weights file what it has (Net::CopyTrainedLayersFrom)."""
        with open_weights(path) as weights:
            for owner, handle in self._handles([weights]).items():
                tensor = self._own[owner]
                tensor.copy_(loaded(handle, torch.empty(tensor.shape, dtype=tensor.dtype)))

    def _learnable(self, owner: Key, frozen: bool) -> Learnable:
        multipliers = {"lr_mult": 1.0, "decay_mult": 1.0, **self._multipliers[owner]}
        if frozen:
            multipliers["lr_mult"] = 0.0
        return Learnable(self._own[owner], owner=owner, **multipliers)

    def _of_layer(self, name: str) -> list[Tensor]:
        owned = [self._own[self._owners[name, index]] for index in range(len(self._shapes[name]))]
        return [
            tensor if tensor.shape == shape else tensor.view(shape)
            for tensor, shape in zip(owned, self._shapes[name], strict=True)
        ]

    def _handles(self, files: Sequence[Weights]) -> Mapping[Key, Handle]:
        """Where the files have a parameter, by its owner; the last file that has one gives it."""
        found: dict[Key, Handle] = {}
        for weights in files:
            for layer in weights.layers:
                wanted = self._shapes.get(layer.name)
                if wanted is None or not layer.tensors:
                    continue
                if len(wanted) != len(layer.tensors):
                    raise WeightsError(
                        locate(weights.path, layer.name),
                        f"has {len(layer.tensors)} parameters, in the net {len(wanted)}",
                        _MEND,
                    )
                for index, (handle, shape) in enumerate(zip(layer.tensors, wanted, strict=True)):
                    if _legacy(handle.shape) != _legacy(shape):
                        where = locate(weights.path, layer.name, index)
                        raise WeightsError(where, f"is {dims(handle.shape)}, in the net {dims(shape)}", _MEND)
                    found[self._owners[layer.name, index]] = handle
        return found


_MEND = "take weights of this net: caffe-fcn surgery transplant makes them"


def _legacy(shape: Shape) -> Shape:
    """Old files have four axes, ones in front (Blob::ShapeEquals)."""
    return (1,) * (4 - len(shape)) + shape


def _filled(node: Node, index: int, shape: Shape, seed: int) -> Handle:
    return fillers.fill(fillers.find_filler(node.layer, index, shape), shape, node.name, index, seed)


def loaded(handle: Handle, into: Tensor) -> Tensor:
    """``into``, a contiguous tensor in the machine's memory, filled with a handle's values, chunk by chunk."""
    flat, at = into.view(-1).numpy(), 0
    for values in handle.numbers():
        flat[at : at + len(values)] = values
        at += len(values)
    return into
