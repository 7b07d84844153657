"""A net that runs: its layers in order, its parameters, its blobs.

    net = Net("train_val.prototxt", "train", weights="fcn.caffemodel")
    net.forward(data=images, label=labels)
    net.loss().backward()
    net.learnable[0].tensor.grad

Sources, which are layers without bottoms, get their blobs from the arguments of `Net.forward`, or from a function
in `Net.source` that makes them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from caffe_fcn import proto
from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.engines.torch import frames, interpolation
from caffe_fcn.engines.torch.memory import keep_pages
from caffe_fcn.engines.torch.parameters import Learnable, Parameters
from caffe_fcn.engines.torch.precision import Precision
from caffe_fcn.engines.torch.program import Rewrite, Step, program
from caffe_fcn.engines.torch.registry import Layer, State, class_of
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Blob, Graph, Node, filtered, split
from caffe_fcn.net.layer_types import Origin, Shape, Site, lacks_shapes, origin_of
from caffe_fcn.net.shapes import ANY_SIZE, Shapes, row_of, shapes_of
from caffe_fcn.proto import TRAIN, NetParameter, NetState

Array: TypeAlias = Any  # a tensor, or what numpy takes for an array
PathLike: TypeAlias = str | os.PathLike[str]
Source: TypeAlias = Callable[[], Sequence[Tensor]]


class Net:
    """A net in one state, with its parameters.

    ``net`` is a prototxt or a message; ``phase`` is "train", "val" or "deploy" (see `graph.split`), or a
    `proto.NetState`, taken as Caffe takes it. ``weights`` is a file or several, ``seed`` makes fillers and dropout
    reproducible. ``size`` (H, W) and ``inputs`` (shapes by blob) tell what sources do not tell themselves.
    ``literal`` computes every layer by itself, and all of it; else what is the same comes about more quickly.
    ``precision`` is "float32", "tf32" (a GPU's, with products of 10 bits) or "bf16" (most layers in bfloat16).
    Gradients are kept while training, or where ``differentiable`` says so.

    Raises `NetError` for a layer that this engine does not compute, before anything runs; `WeightsError`.
    """

    graph: Graph
    params: dict[str, list[Tensor]]
    learnable: list[Learnable]
    blobs: dict[str, Tensor]
    source: dict[str, Source]

    def __init__(
        self,
        net: NetParameter | PathLike,
        phase: str | NetState = "deploy",
        weights: PathLike | Sequence[PathLike] | None = None,
        *,
        stages: Iterable[str] = (),
        size: tuple[int, int] | None = None,
        inputs: Mapping[str, Shape] | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        precision: str = "float32",
        literal: bool = False,
        differentiable: bool | None = None,
    ) -> None:
        message = proto.read_net(net) if isinstance(net, (str, os.PathLike)) else net
        self.graph = graph = Graph(_in_state(message, phase, stages))
        classes = {node.name: class_of(node) for node in graph.nodes if not _is_fed(node) and row_of(node)}
        self._shapes = _first_shapes(graph, size, inputs)
        self.device, self.dtype = torch.device(device), dtype
        self._precision = Precision(precision, self.device)
        self.random = torch.Generator(self.device).manual_seed(seed)
        state = State(_phase_of(phase) == TRAIN, self.random)
        self.layers: dict[str, Layer] = {
            node.name: classes[node.name](_site(node, self._shapes), state)
            for node in graph.nodes
            if node.name in classes
        }
        paths = [weights] if isinstance(weights, (str, os.PathLike)) else list(weights or ())
        frozen = [name for name, layer in self.layers.items() if not layer.learns]
        self.differentiable = state.training if differentiable is None else differentiable
        self._parameters = Parameters(self._shapes, paths, seed, self.device, frozen, self.differentiable, dtype)
        self.params, self.learnable = self._parameters.blobs, self._parameters.learnable
        for name, blobs in self.params.items():
            self.layers[name].params = blobs
        self.source = {}
        self.blobs = {}
        self._losses: list[Tensor] = []
        self._rewrites = [] if literal else self._quicker()
        self._programs: dict[frozenset[Blob], list[Step]] = {}
        keep_pages()

    @property
    def inputs(self) -> dict[str, Shape]:
        """The blobs that are fed, and the shapes that they have had last."""
        return {top.name: self._shapes.blobs[top.name] for node in self._fed() for top in node.tops}

    @property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads, in the net's order."""
        return [blob.name for blob in self.graph.outputs()]

    def forward(self, *wanted: str, **inputs: Array) -> dict[str, Tensor]:
        """Run once. Returns the outputs, and the further blobs that are ``wanted``; `blobs` has them too.

        ``inputs`` are blobs by name, as arrays or tensors; the net is reshaped to them. Raises `NetError` for inputs
        that are missing, or not the net's, or that a layer cannot take.
        """
        with torch.set_grad_enabled(self.differentiable), self._precision.used():
            live = self._sources(inputs)
            self._reshape({blob.name: tuple(tensor.shape) for blob, tensor in live.items()})
            self._losses = []
            for step in self._program(frozenset((*map(self.graph.blob, wanted), *self.graph.outputs(), *live))):
                tops = step.run(live)
                self._losses += [top.sum() * by for top, by in zip(tops, step.weights, strict=False) if by]
        self.blobs = {blob.name: tensor for blob, tensor in live.items()}
        return {name: self.blobs[name] for name in dict.fromkeys((*self.outputs, *wanted))}

    def loss(self) -> Tensor:
        """The sum of all tops, each by its loss_weight, of the last run."""
        return torch.stack(self._losses).sum() if self._losses else torch.zeros((), device=self.device)

    def copy_from(self, weights: PathLike) -> None:
        """Take from a weights file what it has for this net's layers; raises `WeightsError` where one does not fit."""
        self._parameters.copy(weights)

    def share_with(self, other: Net) -> None:
        """Use the very parameters of another net, for layers of the same name (Net::ShareTrainedLayersWith)."""
        for name in self.params.keys() & other.params.keys():
            mine, theirs = ([tuple(blob.shape) for blob in net.params[name]] for net in (self, other))
            if mine != theirs:
                raise NetError(
                    self.layers[name].site.layer.name,
                    f"has parameters {', '.join(map(dims, mine))} here and {', '.join(map(dims, theirs))} there",
                )
            self.params[name] = self.layers[name].params = other.params[name]

    def _quicker(self) -> list[Rewrite]:
        images = [top for node in self._fed() for top in node.tops]
        framed = frames.rewriter(images, lambda blob: self._shapes.blobs[blob.name])
        return [interpolation.rewritten] if self.differentiable else [interpolation.rewritten, framed]

    def _program(self, kept: frozenset[Blob]) -> list[Step]:
        if kept not in self._programs:
            self._programs[kept] = program(self.graph, self.layers, kept, self._rewrites)
        return self._programs[kept]

    def _sources(self, inputs: Mapping[str, Array]) -> dict[Blob, Tensor]:
        fed = {top.name for node in self._fed() for top in node.tops}
        for name in inputs.keys() - fed:
            have = f"it has {', '.join(sorted(fed))}" if fed else "it has none"
            raise NetError(f"input '{name}'", "the net has no such input", nearest(name, fed) or have)
        live: dict[Blob, Tensor] = {}
        for node in self.graph.nodes:
            if node.bottoms:
                continue
            tops = [*self._made(node, inputs)]
            live.update(zip(node.tops, map(self._placed, tops), strict=True))
        return live

    def _placed(self, blob: Tensor) -> Tensor:
        """Images lie pixel by pixel in memory, channels innermost: what convolution and pooling are quickest on."""
        moved = blob.to(self.device, self.dtype)
        return moved.contiguous(memory_format=torch.channels_last) if moved.dim() == 4 else moved

    def _made(self, node: Node, inputs: Mapping[str, Array]) -> Sequence[Tensor]:
        if node.name in self.layers:
            return self.layers[node.name].forward([])
        missing = [top.name for top in node.tops if top.name not in inputs]
        if not missing:
            return [torch.as_tensor(inputs[top.name]) for top in node.tops]
        if node.name in self.source:
            return self.source[node.name]()
        raise NetError(node, f"its blob '{missing[0]}' is not given", f"forward({missing[0]}=...)")

    def _fed(self) -> list[Node]:
        return [node for node in self.graph.nodes if _is_fed(node)]

    def _reshape(self, inputs: dict[str, Shape]) -> None:
        if all(self._shapes.blobs[name] == shape for name, shape in inputs.items()):
            return
        shapes = shapes_of(self.graph, inputs=inputs, data_shapes=read_record_shapes)
        for node in self.graph.nodes:
            before, now = self._shapes.params[node.name], shapes.params[node.name]
            if before != now:
                reads = ", ".join(dims(shapes.blobs[blob.name]) for blob in node.bottoms)
                raise NetError(
                    node,
                    f"would need parameters {', '.join(map(dims, now))} for {reads}, it has "
                    f"{', '.join(map(dims, before))}",
                    "use images of the size that the net was made for, or convolutionize it",
                )
        self._shapes = shapes


def _in_state(net: NetParameter, phase: str | NetState, stages: Iterable[str]) -> NetParameter:
    if isinstance(phase, str):
        return split(net, phase, stages)
    return filtered(net, phase.phase, phase.level, [*phase.stage, *stages])


def _phase_of(phase: str | NetState) -> int:
    return (TRAIN if phase == "train" else 1) if isinstance(phase, str) else int(phase.phase)


def _is_fed(node: Node) -> bool:
    return origin_of(node.layer) not in (None, Origin.FILLERS)  # fillers fill blobs in a layer of this engine


def _site(node: Node, shapes: Shapes) -> Site:
    names = [blob.name for blob in node.bottoms]
    return Site(node.layer, names, [shapes.blobs[name] for name in names])


def _first_shapes(graph: Graph, size: tuple[int, int] | None, inputs: Mapping[str, Shape] | None) -> Shapes:
    def untold(node: Node) -> bool:
        nobody_knows = origin_of(node.layer) in (Origin.CODE, Origin.INPUT) and lacks_shapes(node.layer)
        return nobody_knows and any(top.name not in (inputs or {}) for top in node.tops)

    size = size or (ANY_SIZE if any(map(untold, graph.nodes)) else None)
    return shapes_of(graph, size, inputs, read_record_shapes)
