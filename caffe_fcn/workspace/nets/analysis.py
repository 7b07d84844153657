"""What there is to say of a net, part by part: as plain values that become JSON.

| part | what it has |
|---|---|
| ``fault`` | why the text cannot be read at all, with line and column; then there is no other part |
| ``net`` | its name, its phases and the one that is shown, whether its format is old, what is refused |
| ``layers`` | each layer with its line, shapes, parameters, multiply-accumulates, receptive field; the sums |
| ``offsets`` | the scale/offset table, and every Crop with the offset that it should have |
| ``findings`` | what the rules of `caffe_fcn.checks` find, each with its line |
| ``picture`` | the topology as SVG |
| ``page`` | the topology as a page to pan, zoom and click in; only where it is asked for |

A part that cannot be had has a ``fault``; the layers have a ``doubt`` where the size of the image is assumed, for what
it says. No code of a net runs, and of the files that it names only
databases are looked into, in folders that the question allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from caffe_fcn import checks, files, netspec, offsets, proto
from caffe_fcn.checks.net_file import Form, NetFile
from caffe_fcn.datasets.source_shapes import find_record_shapes
from caffe_fcn.errors import CaffeFcnError, DatasetError, NetError
from caffe_fcn.net.geometry import dims, exact
from caffe_fcn.net.graph import Graph, is_all_in_one
from caffe_fcn.net.layer_types import DataShapes, Kind, Origin, Shape, is_loss, layer_type, origin_of
from caffe_fcn.net.receptive_fields import ReceptiveField, receptive_fields
from caffe_fcn.net.shapes import Shapes, assume_size, find_shapeless_inputs, infer
from caffe_fcn.proto import LayerParameter
from caffe_fcn.proto.copying import copy_message
from caffe_fcn.viz.net_svg import draw_net
from caffe_fcn.viz.page import render_page
from caffe_fcn.viz.topology import Topology, topology
from caffe_fcn.workspace.nets.question import Question
from caffe_fcn.workspace.nets.refusals import find_refusals

Part: TypeAlias = tuple[str, dict[str, Any]]

MOST_LAYERS = 1500
"""The layers that a table shows; ResNet-152 has 500."""

MOST_DRAWN = 1200
"""The layers of a net that is drawn."""

_MOST_FINDINGS = 200
_LONGEST = 1000  # characters of one sentence
_PLACE = re.compile(r"(?P<path>.*?):(?P<line>\d+)(?::(?P<column>\d+))?")


def analyse(question: Question) -> Iterator[Part]:
    """Answer a question, each part as soon as it is known; raises no error of the library."""
    with _open(question) as (path, fault):
        if fault is not None:
            yield "fault", _describe_error(fault, path, question)
            return
        yield from _Analysis(question, path).answer()


@contextmanager
def _open(question: Question) -> Iterator[tuple[str, CaffeFcnError | None]]:
    """Yield the file of the net, a temporary one where it has none; or why there is no such net."""
    if question.path:
        yield question.path, None
        return
    text = question.text or ""
    try:
        if question.design:
            text = proto.to_text(netspec.build(question.design, question.phase or "deploy"))
    except CaffeFcnError as error:
        yield question.design, error
        return
    with TemporaryDirectory(prefix="caffe-fcn-net-") as folder:
        path = Path(folder) / "net.prototxt"
        path.write_text(text, encoding="utf-8", errors="replace")
        yield str(path), None


class _Analysis:
    def __init__(self, question: Question, path: str) -> None:
        self.question = question
        self.path = path
        self.data_shapes = _confine(path, question)
        self.file: NetFile
        self.form: Form
        self.phase = question.phase
        self.recognized: list[str] = []

    def answer(self) -> Iterator[Part]:
        try:
            self._read()
        except CaffeFcnError as error:
            yield "fault", self._describe(error)
            return
        yield "net", self._describe_net()
        for name, part in (
            ("layers", self._list_layers),
            ("offsets", self._list_offsets),
            ("findings", self._check),
            ("picture", self._draw),
            ("page", self._draw_page),
        ):
            if self.question.wants(name):
                try:
                    yield name, part()
                except CaffeFcnError as error:
                    yield name, {"fault": self._describe(error)}

    def _read(self) -> None:
        sizes = (self.question.size,) if self.question.size else ()
        self.file = NetFile(self.path, sizes=sizes, data_shapes=self.data_shapes)
        forms = {form.phase: form for form in self.file.forms}
        self.phases = list(forms)
        if not self.file.text:  # a binary file may be a fork's
            proto.read_net(self.path, allow_unknown=True, recognized=self.recognized)
        if not self.phase:
            self.phase = "deploy" if "deploy" in forms else self.phases[0]
        if self.phase not in forms:
            self.file = NetFile(self.path, self.phase, sizes=sizes, data_shapes=self.data_shapes)
            forms = {form.phase: form for form in self.file.forms}
        self.form = forms[self.phase]

    def _describe_net(self) -> dict[str, Any]:
        net = self.file.net
        upgraded = copy_message(self.file.original)
        proto.upgrade_net(upgraded)
        return {
            "name": net.name,
            "phases": self.phases,
            "phase": self.phase,
            "layers": len(self.form.net.layer),
            "old_format": upgraded != self.file.original,
            "all_in_one": is_all_in_one(net),
            "dense": any(layer_type(layer.type).kind is Kind.INNER_PRODUCT for layer in net.layer),
            "dialects": self.recognized,
            "unknown_fields": [
                self._describe(CaffeFcnError(each.where, str(each).removeprefix(f"{each.where}: ")))
                for each in self.file.unknown_fields[:20]
            ],
            "refusals": [self._describe(error) for error in find_refusals(net)[:20]],
        }

    def _list_layers(self) -> dict[str, Any]:
        fault = None
        try:
            shapes: Shapes | None = self._infer()
        except CaffeFcnError as error:
            fault = self._describe(error)
            shapes = self.form.shapes  # which takes more trouble about sizes, and leaves out losses that do not fit
        graph = shapes.graph if shapes else self.form.graph
        if graph is None:
            return {"fault": fault, "rows": []}
        seen = receptive_fields(graph)
        nodes = graph.nodes
        rows = [self._describe_node(graph, place, shapes, seen) for place in range(min(len(nodes), MOST_LAYERS))]
        sums = _sum_up(shapes) if shapes else {}
        return {
            "rows": rows,
            "count": len(nodes),
            "left_out": len(nodes) - len(rows),
            "assumed": [
                [node.layer.top[0], dims(shapes.blobs[node.layer.top[0]])] for node in find_shapeless_inputs(graph)
            ]
            if shapes and not fault
            else [],
            "fault": None if shapes else fault,
            "doubt": fault if shapes else None,
            **sums,
        }

    def _infer(self) -> Shapes:
        """Infer the shapes as ``net show`` does."""
        net, phase = self.file.net, self.phase
        size = self.question.size or assume_size(net, phase, data_shapes=self.data_shapes)
        return infer(net, phase, size=size, data_shapes=self.data_shapes)

    def _describe_node(
        self, graph: Graph, place: int, shapes: Shapes | None, seen: dict[str, tuple[ReceptiveField, ...]]
    ) -> dict[str, Any]:
        node = graph.nodes[place]
        layer = node.layer
        kind = layer_type(node.type)
        field = next((seen[top] for top in layer.top if top in seen), None)
        return {
            "name": layer.name,
            "type": node.type,
            "role": "loss" if is_loss(node.type) else kind.role,
            "facts": kind.summary(layer)[:_LONGEST],
            "line": self.form.locate(node.name).line,
            "bottoms": list(layer.bottom)[:100],
            "tops": list(layer.top)[:100],
            "shapes": [dims(shapes.blobs[top]) for top in layer.top[:100]] if shapes else [],
            "param_shapes": [dims(shape) for shape in shapes.params[node.name][:100]] if shapes else [],
            "params": shapes.count(node.name) if shapes else None,
            "macs": shapes.macs[node.name] if shapes else None,
            "field": {key: exact(getattr(axis, key) for axis in field) for key in ReceptiveField._fields}
            if field
            else None,
        }

    def _list_offsets(self) -> dict[str, Any]:
        table = offsets.table(self.file.net, self.phase)
        return {
            "rows": [row.as_json() for row in table[:MOST_LAYERS]],
            "crops": [{**crop.as_json(), "derived": crop.derived} for crop in offsets.crops(self.file.net, self.phase)][
                :MOST_LAYERS
            ],
            "disagreements": [self._describe(each) for each in table.disagreements[:20]],
        }

    def _check(self) -> dict[str, Any]:
        found = checks.run(self.path, cheap=True, has_gpu=False, data_shapes=self.data_shapes)
        return {
            "findings": [
                {
                    **finding.as_json(),
                    "path": self.question.shown,
                    "what": self._rename(finding.what),
                    "mend": self._rename(finding.mend),
                    "line": finding.place.line if finding.place.path == self.path else None,
                }
                for finding in found[:_MOST_FINDINGS]
            ],
            "left_out": max(len(found) - _MOST_FINDINGS, 0),
        }

    def _draw(self) -> dict[str, Any]:
        return {"svg": str(draw_net(self._lay_out()))}

    def _draw_page(self) -> dict[str, Any]:
        return {"html": render_page(self._lay_out())}

    def _lay_out(self) -> Topology:
        count = len(self.form.net.layer)
        if count > MOST_DRAWN:
            what = f"has {count} layers, and nets of up to {MOST_DRAWN} are drawn"
            raise NetError(self.question.shown, what, "use 'caffe-fcn net draw'")
        return topology(self.file.net, self.phase, size=self.question.size, data_shapes=self.data_shapes)

    def _describe(self, error: CaffeFcnError) -> dict[str, Any]:
        return _describe_error(error, self.path, self.question)

    def _rename(self, text: str) -> str:
        return _rename(text, self.path, self.question)


def _confine(path: str, question: Question) -> DataShapes:
    """Return what looks into the databases that data layers name, where they lie in folders of the question."""
    look = find_record_shapes(path)
    folders = [Path(each).resolve() for each in question.folders]
    beside = Path(path).parent

    def look_inside(layer: LayerParameter) -> list[Shape]:
        source = str(layer.data_param.source)
        if origin_of(layer) is not Origin.DATABASE or "\0" in source:
            raise DatasetError(f"layer '{layer.name}' ({layer.type})", "has files that are not looked into here")
        place = (beside / source).resolve()
        if not any(place.is_relative_to(folder) for folder in folders):
            raise DatasetError(f"layer '{layer.name}' ({layer.type})", "reads a database that is not in the workspace")
        return look(layer)

    return look_inside


def _sum_up(shapes: Shapes) -> dict[str, Any]:
    return {
        "params": shapes.total_params,
        "macs": shapes.total_macs,
        "parameter_bytes": shapes.parameter_bytes,
        "activation_bytes": shapes.activation_bytes,
        "size": _find_size(shapes),
    }


def _find_size(shapes: Shapes) -> str:
    """Return the shape of the first image that the net takes."""
    tops = (node.layer.top[0] for node in shapes.graph.nodes if not node.bottoms and node.layer.top)
    return next((dims(shapes.blobs[top]) for top in tops), "")


def _describe_error(error: CaffeFcnError, path: str, question: Question) -> dict[str, Any]:
    """Describe an error by its parts; the place of a text is its line and column."""
    where, line, column = error.where, None, None
    if (match := _PLACE.fullmatch(error.where)) and match["path"] == path:
        line, column = int(match["line"]), int(match["column"] or 0) or None
        where = match["path"]
    return {
        "where": _rename(where, path, question)[:_LONGEST],
        "what": _rename(error.what, path, question)[:_LONGEST],
        "mend": _rename(error.mend, path, question).replace("`", "")[:_LONGEST],
        "line": line,
        "column": column,
    }


def _rename(text: str, path: str, question: Question) -> str:
    """Return a sentence with the name of the net that the user knows in place of its path."""
    return text.replace(path, question.shown).replace(f"{Path(path).parent}/", "")


def read_text(path: str, most: int) -> str | None:
    """Return the text of a prototxt; None for a binary file, and for one of more than ``most`` bytes."""
    place = Path(path)
    with files.naming_errors(path):
        if place.stat().st_size > most:
            return None
        content = place.read_bytes()
    return None if proto.is_binary(content[:4096]) else content.decode("utf-8", "replace")
