"""What is checked: the nets, the weights, the data set and the solver that belong together, opened once for all rules.

Every fact comes from the room that knows it, and is looked up when the first rule asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caffe_fcn import files, proto
from caffe_fcn.checks.net_file import Form, NetFile, Size
from caffe_fcn.checks.rule import Place
from caffe_fcn.checks.scored_classes import scored_classes
from caffe_fcn.errors import DatasetError, PrototxtError
from caffe_fcn.files import PathLike
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import DataShapes, Shape
from caffe_fcn.proto import SolverParameter
from caffe_fcn.proto.positions import Field, locate_fields
from caffe_fcn.weights.formats import open_weights
from caffe_fcn.weights.layers import Layer, Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffe_fcn.datasets.inspect.overview import Overview, SplitOverview
    from caffe_fcn.datasets.inspect.record_checks import Findings
    from caffe_fcn.datasets.records.faults import Rules
    from caffe_fcn.interop.targets.table import Target

_SAMPLE, _FEW = 8, 2  # records of a split that are decoded: without statistics, and with them


class SolverFile:
    """The solver in a file; ``folder`` is where a training with it runs, from which its paths are found."""

    def __init__(self, path: PathLike) -> None:
        self.path = str(path)
        self.solver: SolverParameter = proto.read_solver(path, allow_unknown=True)
        beside = Path(self.path).parent
        here = all(Path(net).is_file() for _, net in self.nets)
        self.folder = Path() if here and self.nets else beside

    @property
    def nets(self) -> list[tuple[str, str]]:
        """The fields that name nets, each with its value."""
        solver = self.solver
        named = [("net", solver.net), ("train_net", solver.train_net), *(("test_net", net) for net in solver.test_net)]
        return [(field, str(net)) for field, net in named if net]

    @cached_property
    def fields(self) -> list[Field]:
        """The fields of the text."""
        content = files.read_bytes(self.path)
        return [] if proto.is_binary(content[:4096]) else locate_fields(content.decode())

    def locate(self, name: str) -> Place:
        """The place of a field, or else of the file."""
        return Place(self.path, next((each.line for each in self.fields if each.name == name), None))

    def resolve(self, path: str) -> Path:
        """A path inside the solver or its nets, from where the training runs."""
        return self.folder / path


class Subject:
    """A context manager that closes what it opened.

    Raises what reading a file raises, except for weights and nets that are swapped, which is what a rule finds.
    """

    def __init__(
        self,
        net: PathLike | None = None,
        weights: PathLike | None = None,
        data: PathLike | None = None,
        solver: PathLike | None = None,
        phase: str | None = None,
        thorough: bool = False,
        gpu_memory: float | None = None,
        workers: int = 1,
        free_space: float | None = None,
        has_gpu: bool | None = None,
        target: str | None = None,
        told: Mapping[str, Shape] | None = None,
        data_shapes: DataShapes | None = None,
    ) -> None:
        self._resources = ExitStack()
        self.thorough, self.gpu_memory, self.workers = thorough, gpu_memory, workers
        self.free_space, self.has_gpu = free_space, has_gpu
        self.target = None if target is None else _find_target(target)
        self.swapped = net is not None and weights is not None and _is_net_text(weights) and _is_binary(net)
        if self.swapped:
            net, weights = weights, net
        self.data = None if data is None else Path(data)
        self.solver = None if solver is None else SolverFile(solver)
        self.weights: Weights | None = None
        if weights is not None:
            self.weights = self._resources.enter_context(open_weights(weights))
        self.nets = list(self._open_nets(net, phase, told, data_shapes))

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def forms(self) -> Iterator[Form]:
        """The forms of all nets."""
        return (form for net in self.nets for form in net.forms)

    @cached_property
    def dataset(self) -> Overview | None:
        """The data set, with what its description says."""
        if self.data is None:
            return None
        from caffe_fcn.datasets.inspect.overview import summarize  # imports numpy

        return summarize(self.data)

    @property
    def extents(self) -> list[float]:
        """How far the classes of the data set extend, in pixels: those of the first split that was measured."""
        for split in self.dataset.splits.values() if self.dataset else ():
            if found := (split.statistics or {}).get("extents"):
                return [float(extent) for extent in found.values()]
        return []

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes of the data set's images that are known, the most frequent first."""
        found = []
        for split in self.dataset.splits.values() if self.dataset else ():
            found += [(height, width) for height, width, _ in (split.statistics or {}).get("sizes", ())]
            if not found and len(split.pairs):
                _, height, width = split.pairs.shape(0)
                found.append((height, width))
        return tuple(dict.fromkeys((int(height), int(width)) for height, width in found))

    @cached_property
    def layers(self) -> dict[str, Layer]:
        """The layers of the weights that have parameters, by name."""
        return {layer.name: layer for layer in self.weights.layers if layer.tensors} if self.weights else {}

    @cached_property
    def label_rules(self) -> Rules | None:
        """What labels may hold: the classes of the net's loss and what it ignores, or what the description says."""
        if self.dataset is None or (self.dataset.about and self.dataset.about.labels != "classes"):
            return None
        from caffe_fcn.datasets.inspect.overview import make_rules

        for form in self.forms:
            losses = list(scored_classes(form))
            if len(losses) == 1:
                param, classes = losses[0][0].layer.loss_param, losses[0][1]
                return make_rules(self.dataset, classes, param.ignore_label if param.HasField("ignore_label") else -1)
        return make_rules(self.dataset)

    @cached_property
    def faults(self) -> dict[str, Findings]:
        """What the checks of data sets find in each split: in some records, or in all in a thorough check."""
        if self.dataset is None:
            return {}
        from caffe_fcn.datasets.inspect.record_checks import check_records
        from caffe_fcn.datasets.records.faults import Rules

        rules = self.label_rules or Rules()
        return {
            name: check_records(split.pairs, rules, self.workers, sample=self._choose_sample(split))[1]
            for name, split in self.dataset.splits.items()
            if len(split.pairs)
        }

    def _choose_sample(self, split: SplitOverview) -> int | None:
        """How many records to decode; None for all."""
        return None if self.thorough else _FEW if split.statistics else _SAMPLE

    def sample_labels(self) -> Iterator[tuple[Place, NDArray[Any]]]:
        """The labels of some records, H x W; without those that cannot be read."""
        for split in self.dataset.splits.values() if self.dataset else ():
            pairs = split.pairs
            if pairs.labels is None:
                continue
            count = min(len(pairs), len(pairs.labels))
            for index in range(0, count, max(count // (self._choose_sample(split) or _SAMPLE), 1)):
                with suppress(DatasetError):
                    label = pairs.label(index)
                    if label.ndim == 3 and label.shape[0] == 1:
                        yield Place(pairs.locate(pairs.labels, index)), label[0]

    def matched_layers(self) -> Iterator[tuple[Form, Node, Layer]]:
        """The layers of every form that the weights have parameters for."""
        for form in self.forms:
            for node in form.nodes:
                if node.name in self.layers:
                    yield form, node, self.layers[node.name]

    def _open_nets(
        self,
        net: PathLike | None,
        phase: str | None,
        told: Mapping[str, Shape] | None,
        data_shapes: DataShapes | None,
    ) -> Iterator[NetFile]:
        known = set()
        for field, named in self.solver.nets if self.solver else ():
            path = self.solver.resolve(named) if self.solver else Path(named)
            if path.is_file() and path.resolve() not in known:
                known.add(path.resolve())
                yield NetFile(path, None, field, self.sizes, told, data_shapes)
        if net is not None and (str(net) == "-" or Path(net).resolve() not in known):
            yield NetFile(net, phase, "", self.sizes, told, data_shapes)


def _find_target(name: str) -> Target:
    from caffe_fcn.interop.targets.table import find_target

    return find_target(name)


def _is_binary(path: PathLike) -> bool:
    return str(path) != "-" and proto.is_binary(_read_head(path))


def _is_net_text(path: PathLike) -> bool:
    head = _read_head(path)
    try:
        return bool(head) and not proto.is_binary(head) and bool(proto.read_net(path, allow_unknown=True).layer)
    except PrototxtError:
        return False


def _read_head(path: PathLike) -> bytes:
    with files.naming_errors(path), Path(path).open("rb") as file:
        return file.read(4096)
