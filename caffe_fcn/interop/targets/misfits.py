"""What in a net does not fit a target, by the target's table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from caffe_fcn.interop.targets import figures
from caffe_fcn.interop.targets.table import NET, Bound, Otherwise, Source, Target
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.dialects.table import is_bvlcs_type


@dataclass(frozen=True)
class Misfit:
    """What does not fit: the layer (None: the whole net), what it does, what follows, and who says so.

    ``bound`` is that which is passed; None where the target does not take the layer's type.
    """

    node: Node | None
    what: str
    otherwise: Otherwise
    source: Source | None
    bound: Bound | None = None

    @property
    def taken(self) -> str:
        """What the target takes in its place, in words: ``it takes 1..255``; "" where that says nothing."""
        if self.bound is None or not figures.has_value(self.bound.figure):
            return ""
        return f"it takes {self.bound.values.text.replace(',', ', ')}"


def find_misfits(target: Target, shapes: Shapes) -> Iterator[Misfit]:
    """The layers of a net that do not fit a target; the shapes are those of its deploy form."""
    for node in shapes.graph.nodes:
        yield from _find_of_type(target, node)
        for bound in target.bounds if node.name in shapes.params else ():
            if bound.layer_type in (node.type, NET) and not figures.is_of_net(bound.figure):
                yield from _find_beyond(bound, node, figures.measure(bound.figure, node, shapes))


def find_net_misfits(target: Target, net: NetParameter) -> Iterator[Misfit]:
    """What of a net, as its file has it, does not fit a target."""
    for bound in target.bounds:
        if figures.is_of_net(bound.figure):
            yield from _find_beyond(bound, None, figures.measure_net(bound.figure, net))


def is_taken(target: Target, node: Node) -> bool:
    """Whether a target takes the type of a layer, as far as its table says; inputs and what is idle always are."""
    is_idle = layer_type(node.type).idle_in_test(node.layer)
    given = origin_of(node.layer) is Origin.INPUT
    return is_idle or given or node.type == target.custom or target.takes(node.type, is_bvlcs_type(node.type))


def _find_of_type(target: Target, node: Node) -> Iterator[Misfit]:
    if not is_taken(target, node):
        source = next(iter(target.layer_types.values()), None)
        yield Misfit(node, f"is of a type that {target.title} does not take", Otherwise.REFUSED, source)


def _find_beyond(bound: Bound, node: Node | None, values: list[figures.Value]) -> Iterator[Misfit]:
    beyond = [value for value in values if not bound.values.has(value)]
    if beyond:
        what = figures.describe(bound.figure, beyond[0])
        yield Misfit(node, what, bound.otherwise, bound.source, bound)
