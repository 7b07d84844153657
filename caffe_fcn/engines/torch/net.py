"""A net that runs: its layers in order, its parameters, its blobs.

    net = Net("train_val.prototxt", "train", weights="fcn.caffemodel")
    net.forward(data=images, label=labels)
    net.loss().backward()
    net.learnable[0].tensor.grad

The blobs of sources (layers without bottoms) are the arguments of `Net.forward`. A function in `Net.source` can make
them instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from caffe_fcn import proto
from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.engines.torch.allocator import keep_freed_pages, release_free_pages
from caffe_fcn.engines.torch.foreign_fields import refuse_foreign_fields
from caffe_fcn.engines.torch.layers.convolution import Convolution
from caffe_fcn.engines.torch.parameters import Learnable, ParameterStore
from caffe_fcn.engines.torch.precision import Precision, ReducedWeights
from caffe_fcn.engines.torch.products import PLAIN, Libraries
from caffe_fcn.engines.torch.program import Program, Rewrite, make_program, run
from caffe_fcn.engines.torch.recordings import Recording, Recordings, sum_losses
from caffe_fcn.engines.torch.registry import State, TorchLayer, find_class, has_class
from caffe_fcn.engines.torch.rewrites.border_cache import BorderCache, make_border_rewrite
from caffe_fcn.engines.torch.rewrites.border_gradients import LearningBorders
from caffe_fcn.engines.torch.rewrites.compiled_programs import CompiledProgram
from caffe_fcn.engines.torch.rewrites.convolution_fusion import fuse_convolutions
from caffe_fcn.engines.torch.rewrites.upscore_fusion import fuse_upscores
from caffe_fcn.engines.torch.transfers import Download, start_upload
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Blob, Graph, Node, filtered, select_phase
from caffe_fcn.net.layer_types import Origin, Shape, Site, lacks_shapes, origin_of
from caffe_fcn.net.shapes import ANY_SIZE, Shapes, infer_graph, row_of
from caffe_fcn.proto import TEST, TRAIN, NetParameter, NetState

if TYPE_CHECKING:
    from caffe_fcn.engines.torch.module import NetModule

_MOST_SIZES = 64  # of inputs whose shapes of blobs are kept

Array: TypeAlias = Any  # a tensor, or what numpy takes for an array
Source: TypeAlias = Callable[[], Sequence[Tensor]]


class Net:
    """A net in one state, with its parameters.

    ``net`` is a prototxt or a message. ``phase`` is "train", "val" or "deploy" (see `graph.select_phase`), or a
    `proto.NetState`, which selects layers as in Caffe. ``weights`` is one file or several. ``seed`` makes fillers and
    dropout reproducible. ``size`` (H, W) and ``inputs`` (shapes by blob) give the shapes of sources that do not declare
    them. ``literal`` computes every layer separately and completely; by default the net takes shortcuts that give the
    same results (see `rewrites`). ``precision`` is "float32", "tf32" (on GPUs: products with 10 bits of mantissa) or
    "bf16" (most layers in bfloat16). ``differentiable`` is whether gradients are kept, by default in the TRAIN phase.
    ``libraries`` compute large products (`products`); by default they are the quickest ones of this machine.

    Raises `NetError` for a layer that this engine cannot compute, before anything runs, and `WeightsError`.
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
        libraries: Libraries | None = None,
    ) -> None:
        message = proto.read_net(net) if isinstance(net, (str, os.PathLike)) else net
        self.graph = graph = Graph(_select_state(message, phase, stages))
        self._input_blobs = [top for node in graph.nodes if _is_input(node) for top in node.tops]
        classes = {node.name: find_class(node) for node in graph.nodes if not _is_input(node) and row_of(node)}
        self._shapes = _infer_first_shapes(graph, size, inputs)
        self._known_shapes: dict[frozenset[tuple[str, Shape]], Shapes] = {}  # by those of the inputs
        self.device, self.dtype = torch.device(device), dtype
        self._precision = Precision(precision, self.device)
        self.random = torch.Generator(self.device).manual_seed(seed)
        is_exact = precision == "float32" and self.device.type == "cpu"
        self._state = state = State(
            _phase_number(phase) == TRAIN, self.random, libraries=libraries if is_exact else PLAIN
        )
        sites = {node.name: _make_site(node, self._shapes) for node in graph.nodes if node.name in classes}
        for site in sites.values():
            refuse_foreign_fields(site)
        self.layers: dict[str, TorchLayer] = {name: classes[name](site, state) for name, site in sites.items()}
        paths = [weights] if isinstance(weights, (str, os.PathLike)) else list(weights or ())
        frozen = [key for key in self._shapes.sharing.owners if not self.layers[key[0]].learns(key[1])]
        self.differentiable = state.training if differentiable is None else differentiable
        self._parameters = ParameterStore(self._shapes, paths, seed, self.device, frozen, self.differentiable, dtype)
        self.params, self.learnable = self._parameters.blobs, self._parameters.learnable
        for name, blobs in self.params.items():
            self.layers[name].params = blobs
        self._arrange_weights()
        self.source = {}
        self.blobs = {}
        self._loss = torch.zeros((), device=self.device)
        self._loss_copy: Download | None = None
        self._rewrites = [] if literal else self._choose_rewrites()
        self._programs: dict[frozenset[Blob], Program] = {}
        self._compiled = self._make_compiled_program() if fuse_convolutions in self._rewrites else None
        self._recordings = None if literal else Recordings(state, self.layers, self.device)
        reduces = precision == "bf16" and not (literal or self.differentiable)
        self._reduced = ReducedWeights() if reduces else None
        keep_freed_pages(all_of_them=self.differentiable)

    @property
    def inputs(self) -> dict[str, Shape]:
        """The blobs that `forward` takes, with their latest shapes."""
        return {blob.name: self._shapes.blobs[blob.name] for blob in self._input_blobs}

    @property
    def outputs(self) -> list[str]:
        """The blobs that no layer reads, in the net's order."""
        return [blob.name for blob in self.graph.outputs()]

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """The latest shapes of the outputs."""
        return {name: self._shapes.blobs[name] for name in self.outputs}

    def forward(self, *wanted: str, **inputs: Array) -> dict[str, Tensor]:
        """Run the net once. Returns its outputs and the further blobs ``wanted``; `blobs` has them as well.

        ``inputs`` are blobs by name, as arrays or tensors. The net is reshaped to fit them. Raises `NetError` for an
        input that is missing, unknown, or of a shape that a layer cannot take.
        """
        self.blobs = {}  # whose memory the pass can use
        with self._compute():
            blobs, program = self._begin_pass(wanted, inputs)
            if self._compiled and not wanted:
                program = self._compiled.find(program, blobs)
            recording = None if self.differentiable else self._find_recording(program, blobs)
            blobs, self._loss = recording.run_forward(blobs) if recording else self._run(program, blobs)
        self._loss_copy = None
        return self._end_pass(wanted, blobs)

    def compute_gradients(self, **inputs: Array) -> dict[str, Tensor]:
        """Run the net forward and backward, and add the gradients to those of the parameters.

        Returns the outputs and raises errors as `forward` does; but a GPU is not waited for, and there a label that is
        no class makes the loss NaN.
        """
        learned = [each.tensor for each in self.learnable if each.tensor.requires_grad]
        self.blobs, self._loss = {}, self._loss.detach()  # a recording must not meet the last pass's gradient functions
        with self._compute(), self._deferring_checks(), self._adding_gradients():
            blobs, program = self._begin_pass((), inputs)
            recording = self._find_recording(program, blobs, learned)
            blobs, loss = recording.run_forward(blobs) if recording else self._run(program, blobs)
            self._loss = loss.detach()
            self._loss_copy = Download(self._loss)
        if recording:
            recording.run_backward()
        elif loss.requires_grad:
            loss.backward()
        return self._end_pass((), {blob: tensor.detach() for blob, tensor in blobs.items()})

    def loss(self) -> Tensor:
        """The loss of the last run: the sum of all tops, each times its loss_weight."""
        return self._loss

    def read_loss(self) -> float:
        """The loss of the last run as a number. A backward pass on a GPU goes on meanwhile."""
        return float((self._loss_copy or Download(self._loss.detach())).wait())

    def as_module(self) -> NetModule:
        """Return the net as a torch module, for any training loop: see `module.NetModule`."""
        from caffe_fcn.engines.torch.module import NetModule

        return NetModule(self)

    def make_parameters(self) -> Sequence[Learnable]:
        """Make torch parameters of all that gets gradients; returns all that the net has."""
        self._parameters.make_parameters()
        return self.learnable

    def copy_from(self, weights: PathLike) -> None:
        """Copy what a weights file has for this net's layers; raises `WeightsError` if a parameter does not fit."""
        self._parameters.copy_from(weights)

    def share_with(self, other: Net) -> None:
        """Use the parameters of another net for all layers of the same name (Net::ShareTrainedLayersWith)."""
        for name in self.params.keys() & other.params.keys():
            mine, theirs = ([tuple(blob.shape) for blob in net.params[name]] for net in (self, other))
            if mine != theirs:
                raise NetError(
                    self.layers[name].site.layer.name,
                    f"has parameters {', '.join(map(dims, mine))} here and {', '.join(map(dims, theirs))} there",
                )
            self.params[name] = self.layers[name].params = other.params[name]
        if self._compiled:
            self._compiled.close()

    @contextmanager
    def _compute(self) -> Iterator[None]:
        with torch.set_grad_enabled(self.differentiable), self._precision.activate():
            yield

    @contextmanager
    def _deferring_checks(self) -> Iterator[None]:
        """While this is active, layers on a GPU do not raise errors for values, but add to the state's faults."""
        if self.device.type == "cuda":
            self._state.faults = []
        try:
            yield
        finally:
            self._state.faults = None

    @contextmanager
    def _adding_gradients(self) -> Iterator[None]:
        """The gradients of what runs while this is active go to those of the parameters."""
        self._state.adds_gradients = True
        try:
            yield
        finally:
            self._state.adds_gradients = False

    def _begin_pass(self, wanted: Sequence[str], inputs: Mapping[str, Array]) -> tuple[dict[Blob, Tensor], Program]:
        """The blobs of the sources, and the program that computes the outputs and what is ``wanted`` from them."""
        blobs = self._evaluate_sources(inputs)
        self._reshape({blob.name: tuple(tensor.shape) for blob, tensor in blobs.items()})
        if self._reduced:
            self._reduced.refresh(self.layers, self.params)
        return blobs, self._find_program(frozenset((*map(self.graph.blob, wanted), *self.graph.outputs(), *blobs)))

    def _find_recording(
        self, program: Program, blobs: dict[Blob, Tensor], learned: Sequence[Tensor] = ()
    ) -> Recording | None:
        return self._recordings.find(program, blobs, learned) if self._recordings else None

    def _run(self, program: Program, blobs: dict[Blob, Tensor]) -> tuple[dict[Blob, Tensor], Tensor]:
        return blobs, sum_losses(run(program, blobs), self._state, self.device)

    def _end_pass(self, wanted: Sequence[str], blobs: Mapping[Blob, Tensor]) -> dict[str, Tensor]:
        self.blobs = {blob.name: tensor for blob, tensor in blobs.items()}
        release_free_pages()
        return {name: self.blobs[name] for name in dict.fromkeys((*self.outputs, *wanted))}

    def _choose_rewrites(self) -> list[Rewrite]:
        is_on_gpu = self.device.type == "cuda"
        if is_on_gpu and (self.differentiable or not self._precision.is_exact_on_gpu):
            return [fuse_upscores]  # there a border costs more than it saves

        def shape_of(blob: Blob) -> Shape:
            return self._shapes.blobs[blob.name]

        kind = LearningBorders if self.differentiable else BorderCache
        border_rewrite = make_border_rewrite(self._input_blobs, shape_of, self._precision.memory_format, kind)
        is_plain = not is_on_gpu and self._precision.name == "float32" and self.dtype == torch.float32
        fuses = is_plain and not self.differentiable
        return [fuse_upscores, *([fuse_convolutions] if fuses else []), border_rewrite]

    def _make_compiled_program(self) -> CompiledProgram:
        declared = self._shapes.blobs
        return CompiledProgram(self.layers, lambda blob: declared[blob.name])

    def _arrange_weights(self) -> None:
        """Bring kernels into the order in memory in which a GPU reads them; those of tensors that are shared stay."""
        if self.device.type != "cuda" or self._precision.memory_format != torch.channels_last:
            return
        params = [param for blobs in self.params.values() for param in blobs]
        shared = {id(param._base) for param in params if param._base is not None}
        for layer in self.layers.values():
            if isinstance(layer, Convolution) and layer.prefers_channels_last:
                kernels = layer.params[0]
                if kernels._base is None and id(kernels) not in shared:
                    kernels.data = kernels.data.contiguous(memory_format=torch.channels_last)

    def _find_program(self, kept: frozenset[Blob]) -> Program:
        if kept not in self._programs:
            self._programs[kept] = make_program(self.graph, self.layers, kept, self._rewrites)
        return self._programs[kept]

    def _evaluate_sources(self, inputs: Mapping[str, Array]) -> dict[Blob, Tensor]:
        known = {blob.name for blob in self._input_blobs}
        for name in inputs.keys() - known:
            have = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise NetError(f"input '{name}'", "the net has no such input", nearest(name, known) or have)
        blobs: dict[Blob, Tensor] = {}
        for node in self.graph.nodes:
            if not node.bottoms:
                tops = [*self._evaluate_source(node, inputs)]
                blobs.update(zip(node.tops, map(self._move_to_device, tops), strict=True))
        return blobs

    def _evaluate_source(self, node: Node, inputs: Mapping[str, Array]) -> Sequence[Tensor]:
        if node.name in self.layers:
            return self.layers[node.name].forward([])
        missing = [top.name for top in node.tops if top.name not in inputs]
        if not missing:
            return [torch.as_tensor(inputs[top.name]) for top in node.tops]
        if node.name in self.source:
            return self.source[node.name]()
        raise NetError(node, f"its blob '{missing[0]}' is not given", f"forward({missing[0]}=...)")

    def _move_to_device(self, blob: Tensor) -> Tensor:
        """The blob where the net is. Images are stored in the order that is fastest for convolutions."""
        moved = start_upload(blob, self.device).to(self.dtype)
        return moved.contiguous(memory_format=self._precision.memory_format) if moved.dim() == 4 else moved

    def _reshape(self, inputs: dict[str, Shape]) -> None:
        if all(self._shapes.blobs[name] == shape for name, shape in inputs.items()):
            return
        key = frozenset(inputs.items())
        if key not in self._known_shapes:
            if len(self._known_shapes) == _MOST_SIZES:
                del self._known_shapes[next(iter(self._known_shapes))]
            self._known_shapes[key] = self._infer_shapes(inputs)
        self._shapes = self._known_shapes[key]

    def _infer_shapes(self, inputs: dict[str, Shape]) -> Shapes:
        """The shapes of all blobs for these inputs; raises `NetError` where the parameters do not fit them."""
        shapes = infer_graph(self.graph, inputs=inputs, data_shapes=read_record_shapes)
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
        return shapes


def _select_state(net: NetParameter, phase: str | NetState, stages: Iterable[str]) -> NetParameter:
    if isinstance(phase, str):
        return select_phase(net, phase, stages)
    return filtered(net, phase.phase, phase.level, [*phase.stage, *stages])


def _phase_number(phase: str | NetState) -> int:
    return (TRAIN if phase == "train" else TEST) if isinstance(phase, str) else int(phase.phase)


def _is_input(node: Node) -> bool:
    """Whether a node is a source whose blobs are given: one that no class computes, unlike DummyData."""
    origin = origin_of(node.layer)
    return origin is Origin.CODE or (origin is not None and not has_class(node.type))


def _make_site(node: Node, shapes: Shapes) -> Site:
    names = [blob.name for blob in node.bottoms]
    return Site(node.layer, names, [shapes.blobs[name] for name in names])


def _infer_first_shapes(graph: Graph, size: tuple[int, int] | None, inputs: Mapping[str, Shape] | None) -> Shapes:
    def has_unknown_shape(node: Node) -> bool:
        is_undeclared = origin_of(node.layer) in (Origin.CODE, Origin.INPUT) and lacks_shapes(node.layer)
        return is_undeclared and any(top.name not in (inputs or {}) for top in node.tops)

    size = size or (ANY_SIZE if any(map(has_unknown_shape, graph.nodes)) else None)
    return infer_graph(graph, size, inputs, read_record_shapes)
