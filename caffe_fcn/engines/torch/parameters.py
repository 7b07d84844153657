"""The parameters of a net as tensors: where their values come from, which layers share them, how fast they learn.

Parameters with the same ``param { name }`` are one tensor, which belongs to the first layer that has it: its owner
(`caffe_fcn.net.shared_parameters`). Values come from weights files, and from Caffe's fillers for what no file has.
Files are read in chunks, so that their values are in memory once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor

from caffe_fcn.errors import WeightsError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.net.shared_parameters import Key
from caffe_fcn.weights import Tensor as Handle
from caffe_fcn.weights import fillers, open_weights
from caffe_fcn.weights.layers import Weights, locate


class Learnable(NamedTuple):
    """A parameter as a solver sees it. ``owner`` is the name of the layer that owns it, and its index there."""

    tensor: Tensor
    lr_mult: float
    decay_mult: float
    owner: Key


class ParameterStore:
    """All parameters of a net: ``blobs`` by layer name in Caffe's order, ``learnable`` in the order of the solver.

    ``frozen`` are the parameters that no solver changes, whatever their lr_mult. ``differentiable`` is whether
    the others get gradients. Raises `WeightsError` for weights that do not fit the net.
    """

    def __init__(
        self,
        shapes: Shapes,
        weights: Sequence[PathLike] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
        frozen: Collection[Key] = (),
        differentiable: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shapes = shapes.params
        self._owners = shapes.sharing.owners
        self._multipliers = shapes.sharing.multipliers
        nodes = {node.name: node for node in shapes.graph.nodes}
        self._tensors: dict[Key, Tensor] = {}  # by owner
        with ExitStack() as files:
            handles = self._find_handles([files.enter_context(open_weights(path)) for path in weights])
            for layer, index in self._multipliers:
                shape = self._shapes[layer][index]
                handle = handles.get((layer, index)) or _fill(nodes[layer], index, shape, seed)
                self._tensors[layer, index] = load_into(torch.empty(shape, dtype=dtype), handle).to(device)
        self.learnable = [self._make_learnable(owner, owner in frozen) for owner in self._tensors]
        for each in self.learnable:
            each.tensor.requires_grad_(differentiable and each.lr_mult != 0)
        self.blobs = {name: self._collect_blobs(name) for name in self._shapes if self._shapes[name]}

    @torch.no_grad()
    def copy_from(self, path: PathLike) -> None:
        """Copy the parameters that a weights file has (Net::CopyTrainedLayersFrom)."""
        with open_weights(path) as weights:
            for owner, handle in self._find_handles([weights]).items():
                tensor = self._tensors[owner]
                tensor.copy_(load_into(torch.empty(tensor.shape, dtype=tensor.dtype), handle))

    def make_parameters(self) -> None:
        """Make torch parameters of what gets gradients; ``blobs`` and ``learnable`` have these from now on."""
        for owner, tensor in self._tensors.items():
            if tensor.requires_grad and not isinstance(tensor, torch.nn.Parameter):
                self._tensors[owner] = torch.nn.Parameter(tensor.detach())
        self.learnable[:] = [each._replace(tensor=self._tensors[each.owner]) for each in self.learnable]
        for name, blobs in self.blobs.items():
            blobs[:] = self._collect_blobs(name)

    def _make_learnable(self, owner: Key, frozen: bool) -> Learnable:
        multipliers = {"lr_mult": 1.0, "decay_mult": 1.0, **self._multipliers[owner]}
        if frozen:
            multipliers["lr_mult"] = 0.0
        return Learnable(self._tensors[owner], owner=owner, **multipliers)

    def _collect_blobs(self, name: str) -> list[Tensor]:
        """A layer's parameters in its own shapes, which may differ from those that the owner has."""
        tensors = [self._tensors[self._owners[name, index]] for index in range(len(self._shapes[name]))]
        return [
            tensor if tensor.shape == shape else tensor.view(shape)
            for tensor, shape in zip(tensors, self._shapes[name], strict=True)
        ]

    def _find_handles(self, files: Sequence[Weights]) -> Mapping[Key, Handle]:
        """The parameters that the files have, by owner; of several files that have one, the last counts."""
        found: dict[Key, Handle] = {}
        for weights in files:
            for layer in weights.layers:
                expected = self._shapes.get(layer.name)
                if expected is None or not layer.tensors:
                    continue
                if len(expected) != len(layer.tensors):
                    raise WeightsError(
                        locate(weights.path, layer.name),
                        f"has {len(layer.tensors)} parameters, in the net {len(expected)}",
                        _MEND,
                    )
                for index, (handle, shape) in enumerate(zip(layer.tensors, expected, strict=True)):
                    if _pad_to_four_axes(handle.shape) != _pad_to_four_axes(shape):
                        where = locate(weights.path, layer.name, index)
                        raise WeightsError(where, f"is {dims(handle.shape)}, in the net {dims(shape)}", _MEND)
                    found[self._owners[layer.name, index]] = handle
        return found


_MEND = "take weights of this net: caffe-fcn surgery transplant makes them"


def _pad_to_four_axes(shape: Shape) -> Shape:
    """A shape as old files have it: axes of length 1 in front (Blob::ShapeEquals)."""
    return (1,) * (4 - len(shape)) + shape


def _fill(node: Node, index: int, shape: Shape, seed: int) -> Handle:
    return fillers.fill(fillers.find_filler(node.layer, index, shape), shape, node.name, index, seed)


def load_into(tensor: Tensor, handle: Handle) -> Tensor:
    """Read a handle's values into a contiguous tensor on the CPU, chunk by chunk; returns the tensor."""
    flat, start = tensor.view(-1).numpy(), 0
    for values in handle.numbers():
        flat[start : start + len(values)] = values
        start += len(values)
    return tensor
