"""A net as a graph: which layers are in, who makes and who reads each blob.

A prototxt lists layers; which of them exist depends on the phase, level and stages (`filtered`), and an
in-place layer makes a new blob under an old name. `Graph` resolves both: its nodes stand in execution
order, and every node refers to the blobs that it reads and makes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.proto import TEST, TRAIN
from caffe_fcn.proto.copying import replace_layers, with_layers

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter, NetParameter
    from caffe_fcn.proto.schema import NetStateRule

# The files of a net by what people call them -> Caffe's phase and DIGITS's stage
PHASES = {"train": (TRAIN, "train"), "val": (TEST, "val"), "test": (TEST, "val"), "deploy": (TEST, "deploy")}

_FED = "data"  # the blob that DIGITS feeds


def select_phase(net: NetParameter, phase: str | None = None, stages: Iterable[str] = ()) -> NetParameter:
    """The net of one phase ("train", "val" or "deploy"), an all-in-one net split as DIGITS splits it.

    Each phase sets a stage of its own name beside ``stages``; no phase means "deploy". A deploy net made from an
    all-in-one net has no data layers: each of their blobs that another layer reads becomes an `Input` layer without a
    shape. So does a blob named data that no layer makes, because DIGITS feeds it. Raises `NetError` for an unknown
    phase.
    """
    name = (phase or "deploy").lower()
    if name not in PHASES:
        raise NetError("phase", f"no phase {phase!r}", nearest(name, PHASES) or f"one of {', '.join(PHASES)}")
    number, stage = PHASES[name]
    result = filtered(net, number, stages={stage, *stages})
    if stage == "deploy" and is_all_in_one(net):
        _replace_data_layers(result)
        _add_data_input(result)
    return result


def is_all_in_one(net: NetParameter) -> bool:
    """Whether a rule of some layer names the stage "deploy"."""
    return any(
        "deploy" in (*rule.stage, *rule.not_stage) for layer in net.layer for rule in (*layer.include, *layer.exclude)
    )


def filtered(net: NetParameter, phase: int, level: int = 0, stages: Iterable[str] = ()) -> NetParameter:
    """The net without the layers that its rules leave out of this state (Caffe's Net::FilterNet).

    Raises `NetError` for a layer with both include and exclude rules.
    """
    present = set(stages)
    return with_layers(net, (layer for layer in net.layer if _is_in(layer, phase, level, present)))


def _is_in(layer: LayerParameter, phase: int, level: int, stages: set[str]) -> bool:
    if layer.include and layer.exclude:
        raise NetError(f"layer '{layer.name}'", "has include and exclude rules", "keep one kind")
    if layer.include:
        return any(_meets(rule, phase, level, stages) for rule in layer.include)
    return not any(_meets(rule, phase, level, stages) for rule in layer.exclude)


def _meets(rule: NetStateRule, phase: int, level: int, stages: set[str]) -> bool:
    return (
        (not rule.HasField("phase") or rule.phase == phase)
        and (not rule.HasField("min_level") or level >= rule.min_level)
        and (not rule.HasField("max_level") or level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def _replace_data_layers(net: NetParameter) -> None:
    from caffe_fcn.net.layer_types import Origin, origin_of

    read = {blob for layer in net.layer for blob in layer.bottom}
    kept = []
    for layer in net.layer:
        if origin_of(layer) in (None, Origin.INPUT):
            kept.append(layer)
        else:
            kept += [input_layer(top) for top in layer.top if top in read]
    replace_layers(net, kept)


def _add_data_input(net: NetParameter) -> None:
    makers = {top: layer for layer in reversed(net.layer) for top in layer.top}
    reader = next((layer for layer in net.layer if _FED in layer.bottom), None)
    if reader is not None and makers.get(_FED, reader) is reader:  # made by nobody, or first in place
        net.layer.insert(0, input_layer(_FED))


def input_layer(blob: str, shape: Sequence[int] | None = None, name: str | None = None) -> LayerParameter:
    """An Input layer that makes a blob; without a shape whoever runs the net gives it one."""
    from caffe_fcn.proto import LayerParameter

    result = LayerParameter(name=name or blob, type="Input", top=[blob])
    if shape is not None:
        result.input_param.shape.add(dim=shape)
    return result


def make_unique(name: str, known: Container[str]) -> str:
    """The name of a layer, with a number behind it where an earlier layer has the same one."""
    if name not in known:
        return name
    return next(unique for number in count(2) if (unique := f"{name}#{number}") not in known)


@dataclass(eq=False)
class Blob:
    """One version of a blob: an in-place layer makes the next version under the same name."""

    name: str
    maker: Node
    readers: list[Node] = field(default_factory=list, repr=False)  # else each blob would be shown with all of the net


@dataclass(eq=False)
class Node:
    """A layer with the blobs that it reads and makes; ``index`` is its place in execution order.

    ``name`` is the layer's, with a number behind it where an earlier layer has the same one (``crop#2``).
    """

    index: int
    layer: LayerParameter = field(repr=False)
    name: str
    type: str
    bottoms: list[Blob] = field(default_factory=list, repr=False)
    tops: list[Blob] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        return f"layer '{self.name}' ({self.type})"


class Graph:
    """The nodes of a net that has been `select_phase` or `filtered`, and its blobs by name (their last versions).

    Several layers may have one name, as in Caffe. Raises `NetError` for a blob that nobody makes or that two layers
    make, a layer that stands before what it reads, and a cycle.
    """

    def __init__(self, net: NetParameter) -> None:
        self.net = net
        self.nodes: list[Node] = []
        self.blobs: dict[str, Blob] = {}
        names: set[str] = set()
        for index, layer in enumerate(net.layer):
            node = Node(index, layer, make_unique(layer.name, names), layer.type)
            names.add(node.name)
            self._connect(node)
            self.nodes.append(node)

    def _connect(self, node: Node) -> None:
        for name in node.layer.bottom:
            blob = self.blobs.get(name)
            if blob is None:
                raise self._explain_missing(node, name)
            blob.readers.append(node)
            node.bottoms.append(blob)
        before = list(node.layer.bottom)
        for place, name in enumerate(node.layer.top):
            in_place = place < len(before) and before[place] == name
            if name in self.blobs and not in_place:
                other = self.blobs[name].maker
                raise NetError(node, f"makes blob '{name}', which {other} makes already", "rename the top")
            self.blobs[name] = blob = Blob(name, node)
            node.tops.append(blob)

    def _explain_missing(self, node: Node, name: str) -> NetError:
        later = {top: layer for layer in reversed(self.net.layer[node.index :]) for top in layer.top}
        if name not in later:
            mend = nearest(name, [*self.blobs, *later]) or "name a top of an earlier layer"
            return NetError(node, f"reads blob '{name}', which no layer makes", mend)
        needed, seen = [later[name]], set()
        while needed:
            layer = needed.pop()
            if layer is node.layer:
                return NetError(node, f"reads blob '{name}', which is made from its own output: a cycle", "cut it")
            if layer.name not in seen:
                seen.add(layer.name)
                needed += [later[blob] for blob in layer.bottom if blob in later]
        maker = later[name].name
        return NetError(node, f"reads blob '{name}' before layer '{maker}' makes it", f"put '{maker}' first")

    def blob(self, name: str) -> Blob:
        """A blob by name; raises `NetError` with the nearest name."""
        if name not in self.blobs:
            raise NetError(f"blob '{name}'", "the net has no such blob", nearest(name, self.blobs) or "see net show")
        return self.blobs[name]

    def outputs(self) -> list[Blob]:
        """The blobs that nobody reads, in execution order."""
        return [blob for node in self.nodes for blob in node.tops if not blob.readers]
