"""A net's file as rules see it: the message, the text with the lines of its layers, and the forms that it has.

A form is the net of one phase. Its graph and its shapes are there where they can be had: what a net's graph or shapes
fail at is kept in ``failures``, for rules to report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from caffe_fcn import files, proto
from caffe_fcn.checks.fixing import set_field
from caffe_fcn.checks.rule import Edit, Place, Problem
from caffe_fcn.datasets.source_shapes import find_record_shapes
from caffe_fcn.description import model_json
from caffe_fcn.errors import CaffeFcnError, NetError, OffsetError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.net.crops import Crop, align_crops
from caffe_fcn.net.graph import PHASES, Graph, Node, is_all_in_one, select_phase
from caffe_fcn.net.layer_types import (
    LAYER_TYPES,
    DataShapes,
    Origin,
    Shape,
    Site,
    is_loss,
    lacks_shapes,
    layer_type,
    origin_of,
)
from caffe_fcn.net.shapes import ANY_SIZE, Shapes, infer_graph, tell_shapes
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import copy_message, replace_layers
from caffe_fcn.proto.positions import Field, locate_fields

Size = tuple[int, int]

# Where nobody says how large images are, a net is faulty if it takes none of these sizes.
_ASSUMED_SIZES: tuple[Size, ...] = (ANY_SIZE, (375, 500), (224, 224), (227, 227), (512, 1024))
_MOST_FAILURES = 20


class Failure(NamedTuple):
    """Why a form has no graph or no shapes: the error, and the layer where it is one's."""

    error: NetError
    node: Node | None = None


Inference: TypeAlias = tuple[Shapes | None, list[Failure]]


class NetFile:
    """The net in a file. ``role`` is the field of the solver that names it, such as ``train_net``.

    ``data_shapes`` looks into the files of data layers; by default those of the working directory, and those beside
    the net. Raises what reading raises; unknown fields are kept in ``unknown_fields``.
    """

    def __init__(
        self,
        path: PathLike,
        phase: str | None = None,
        role: str = "",
        sizes: tuple[Size, ...] = (),
        told: Mapping[str, Shape] | None = None,
        data_shapes: DataShapes | None = None,
    ) -> None:
        self.path = str(path)
        self.data_shapes = data_shapes or find_record_shapes(path)
        self.unknown_fields: list[proto.UnknownField] = []
        self.original = proto.read_net(path, allow_unknown=True, notes=self.unknown_fields, upgrade=False)
        self.net = copy_message(self.original)
        proto.upgrade_net(self.net)
        self.role = role
        self._sizes = sizes
        self.forms = [Form(self, phase, sizes, told or {}) for phase in choose_phases(self.net, self.path, phase, role)]

    @cached_property
    def text(self) -> str:
        """The text of the file; empty for a binary one and for standard input."""
        content = b"" if self.path == "-" else files.read_bytes(self.path)
        return "" if proto.is_binary(content[:4096]) else content.decode()

    @cached_property
    def fields(self) -> list[Field]:
        """The fields at the top of the text."""
        return locate_fields(self.text)

    @cached_property
    def model(self) -> model_json.Model | None:
        """What model.json beside the net says."""
        return None if self.path == "-" else model_json.read(Path(self.path).parent)

    @cached_property
    def deploy_sizes(self) -> tuple[Size, ...]:
        """H x W of the images of the deploy net beside this one, where there is such a net; some nets take one size."""
        beside = Path(self.path).parent / DEPLOY_FILE
        if self.path == "-" or not beside.is_file():
            return ()
        try:
            net = proto.read_net(beside, allow_unknown=True)
        except CaffeFcnError:  # a rule about that file says so
            return ()
        shapes = [shape.dim for layer in net.layer for shape in layer.input_param.shape if len(shape.dim) == 4]
        return tuple((shape[2], shape[3]) for shape in shapes[:1])

    @property
    def model_path(self) -> str:
        """The path of model.json beside the net."""
        return str(Path(self.path).parent / model_json.FILE)

    @cached_property
    def layer_fields(self) -> list[Field | None]:
        """The field of each layer of the net in the text; None for a layer that the text does not have."""
        written = [each for each in self.fields if each.name in ("layer", "layers")]
        names = [_name_of(each) for each in written]
        found: list[Field | None] = []
        place = 0
        for layer in self.net.layer:
            try:
                place = names.index(layer.name, place) + 1
            except ValueError:
                found.append(None)
            else:
                found.append(written[place - 1])
        return found

    def locate(self, path: str) -> Place:
        """The place of the first of the fields at a path such as ``layers`` or ``input``; else the file."""
        name, _, rest = path.partition(".")
        top = [each for each in self.fields if each.name == name]
        found = [inner for each in top for inner in each.find(rest)] if rest else top
        return Place(self.path, found[0].line if found else None)

    def make_edit(self, begin: int, end: int, text: str) -> Edit:
        """An edit of the file."""
        return Edit(self.path, begin, end, text)


class Form:
    """The net of one phase of a file.

    ``graph`` is None where the net has none, ``shapes`` where no size of the image gives them. ``told`` has the shapes
    of blobs that only code or data know.
    """

    def __init__(self, file: NetFile, phase: str, sizes: tuple[Size, ...], told: Mapping[str, Shape]) -> None:
        self.file = file
        self.phase = phase
        self.failures: list[Failure] = []
        self.duplicates: list[str] = []
        self.assumes_sizes = False
        self._sizes = sizes
        self.net = NetParameter()
        self.graph: Graph | None = None
        self._places: dict[str, int] = {}
        self._told: dict[str, Shape] = {}
        try:
            self.net = select_phase(file.net, phase)
            self._find_places()
            self._rename_duplicates()
            made = {top for layer in self.net.layer for top in layer.top}
            self._told = {name: shape for name, shape in told.items() if name in made}
            self.net = tell_shapes(self.net, self._told)
            self.graph = Graph(self.net)
        except NetError as error:
            self.failures.append(Failure(error))

    @property
    def nodes(self) -> list[Node]:
        """The layers in execution order; none where the net has no graph."""
        return self.graph.nodes if self.graph else []

    @property
    def trains(self) -> bool:
        """Whether the form is one that a solver trains."""
        return self.phase == "train"

    @property
    def deploys(self) -> bool:
        """Whether the form is one that runs on new images."""
        return self.phase == "deploy"

    @property
    def has_loss(self) -> bool:
        """Whether any layer is a loss."""
        return any(is_training_loss(node.layer) for node in self.nodes)

    @cached_property
    def shapes(self) -> Shapes | None:
        """The shapes at the size of the net's own images, or else at one that is assumed; None where none fits."""
        if self.graph is None:
            return None
        known, missing = self._find_inputs()
        if not missing:
            shapes, failures = self._infer(None, known)
            self.failures += failures
            return shapes
        self.assumes_sizes = not self._sizes
        sizes = self._sizes or (*self.file.deploy_sizes, *_ASSUMED_SIZES)
        tried = [self._infer(size, known, missing) for size in sizes]
        shapes, failures = next((each for each in tried if not each[1]), tried[0])
        self.failures += failures
        return shapes

    @cached_property
    def _alignment(self) -> tuple[list[Crop], OffsetError | None]:
        found: list[Crop] = []
        if self.graph is None:
            return found, None
        try:
            for crop, _ in align_crops(self.graph):
                found.append(crop)
        except OffsetError as error:
            return found, error
        except NetError:  # a layer type or a window that has no coordinates
            pass
        return found, None

    @property
    def crops(self) -> list[Crop]:
        """The Crops up to the first that cannot be aligned."""
        return self._alignment[0]

    @property
    def alignment_error(self) -> OffsetError | None:
        """Why a Crop cannot be aligned, where one cannot."""
        return self._alignment[1]

    def fail_at(self, size: Size) -> list[Failure]:
        """What does not fit where images have this size; nothing in a net whose images have another one."""
        known, missing = self._find_inputs()
        return self._infer(size, known, missing)[1] if missing else []

    def _infer(self, size: Size | None, known: dict[str, Shape], missing: Sequence[Node] = ()) -> Inference:
        """The shapes; without the layers that end the net and do not fit, each of which is a failure."""
        net, failures = self.net, list[Failure]()
        inputs = {**known, **(self._assume_labels(missing, size) if size else {})}
        for _ in range(_MOST_FAILURES):
            graph = Graph(net)
            try:
                given = {name: inputs[name] for name in inputs.keys() & graph.blobs.keys()}
                return infer_graph(graph, size, given), failures
            except NetError as error:
                node = next((each for each in graph.nodes if str(each) == error.where), None)
                failures.append(Failure(error, node))
                if node is None or any(top.readers for top in node.tops):
                    break
                shorter = copy_message(net)
                replace_layers(shorter, [layer for layer in net.layer if layer.name != node.name])
                net = shorter
        return None, failures

    def _find_inputs(self) -> tuple[dict[str, Shape], list[Node]]:
        """The shapes of the blobs of data layers that the net or its files say, and the layers of which nobody does."""
        known: dict[str, Shape] = {}
        missing = []
        for node in self.nodes:
            if not origin_of(node.layer):
                continue
            if all(top in self._told for top in node.layer.top):
                known.update({top: self._told[top] for top in node.layer.top})
                continue
            try:
                tops = LAYER_TYPES[node.type].tops(Site(node.layer, data_shapes=self.file.data_shapes))
            except (CaffeFcnError, OSError):
                missing.append(node)
            else:
                known.update(zip(node.layer.top, tops, strict=False))
        return known, missing

    def _assume_labels(self, sources: Sequence[Node], size: Size) -> dict[str, Shape]:
        """Labels as large as images, where a data layer gives nothing else."""
        return {
            blob.name: (_batch_of(node), 1, *size)
            for node in sources
            for blob in node.tops
            if is_label(self, blob.name) and (len(node.tops) == 1 or layer_type(node.type).origin is Origin.CODE)
        }

    def _find_places(self) -> None:
        """Which layer of the file each layer is: those of a phase are some of the file's, in their order."""
        whole = [layer.SerializeToString(deterministic=True) for layer in self.file.net.layer]
        self._indices: list[int | None] = []
        place = 0
        for layer in self.net.layer:
            try:
                place = whole.index(layer.SerializeToString(deterministic=True), place) + 1
            except ValueError:
                self._indices.append(None)
            else:
                self._indices.append(place - 1)

    def _rename_duplicates(self) -> None:
        """Give layers of one name different ones, as the graph asks for; Caffe does not."""
        counts: Counter[str] = Counter()
        for index, layer in zip(self._indices, self.net.layer, strict=True):
            counts[layer.name] += 1
            if counts[layer.name] > 1:
                layer.name = f"{layer.name} ({counts[layer.name]})"
                self.duplicates.append(layer.name)
            if index is not None:
                self._places[layer.name] = index

    # What rules say of a layer

    def field_of(self, name: str) -> Field | None:
        """The text of a layer."""
        index = self._places.get(name)
        return None if index is None else self.file.layer_fields[index]

    def locate(self, name: str, path: str = "") -> Place:
        """The place of a layer, or of the first of its fields at a path such as ``crop_param.offset``."""
        layer = self.field_of(name)
        if layer is None:
            return Place(self.file.path, None, name)
        found = layer.find(path) if path else []
        return Place(self.file.path, (found[0] if found else layer).line, name)

    def report(self, node: Node, what: str, mend: str = "", path: str = "") -> Problem:
        """A problem of a layer, or of its field at ``path``."""
        return Problem(self.locate(node.name, path), f"{node} {what}", mend)

    def report_with_fix(self, node: Node, what: str, mend: str, path: str, fix: tuple[str, str]) -> Problem:
        """A problem of a layer that goes away when the field ``fix[0]`` is ``fix[1]``."""
        layer = self.field_of(node.name)
        edits = () if layer is None else (set_field(self.file.path, self.file.text, layer, *fix),)
        return Problem(self.locate(node.name, path), f"{node} {what}", mend, edits)


def is_training_loss(layer: LayerParameter) -> bool:
    """Whether a layer adds to the loss that is learned."""
    return any(layer.loss_weight) if layer.loss_weight else is_loss(layer.type)


def is_label(form: Form, blob: str) -> bool:
    """Whether a blob is what a loss or a measure compares scores with."""
    return any(
        layer_type(node.type).reads_scores and blob in [each.name for each in node.bottoms[1:2]] for node in form.nodes
    )


def _batch_of(node: Node) -> int:
    row = layer_type(node.type)
    param = getattr(node.layer, row.param_name) if row.param_name else None
    return int(getattr(param, "batch_size", 1) or 1)


def _name_of(layer: Field) -> str:
    names = layer.find("name") or layer.find("layer.name")
    return names[0].text if names else ""


def choose_phases(net: NetParameter, path: str, phase: str | None, role: str) -> tuple[str, ...]:
    """The phases of a net: the one asked for, those that its solver runs, or those that its layers or its name say."""
    if phase:
        return (phase.lower(),)
    if role in _PHASES_OF_ROLES:
        return _PHASES_OF_ROLES[role]
    if is_all_in_one(net):
        return ("train", "val", "deploy")
    rules = [rule for layer in net.layer for rule in (*layer.include, *layer.exclude)]
    if any(rule.HasField("phase") for rule in rules):
        return ("train", "val")
    stem = Path(path).stem.lower()
    if stem in PHASES:
        return (stem.replace("test", "val"),)
    origins = [origin_of(layer) for layer in net.layer]
    runs_alone = not any(origin not in (None, Origin.INPUT) for origin in origins)
    return ("deploy",) if runs_alone and not any(is_training_loss(layer) for layer in net.layer) else ("train",)


_PHASES_OF_ROLES = {"net": ("train", "val"), "train_net": ("train",), "test_net": ("val",)}


def unread_sources(form: Form) -> Iterator[Node]:
    """The data layers of a form whose shapes only files or code know."""
    return (node for node in form.nodes if origin_of(node.layer) and lacks_shapes(node.layer))
