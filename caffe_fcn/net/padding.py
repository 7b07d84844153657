"""How little padding the first layer needs.

The reference pads the first convolution by 100, so that the output covers the image whatever its size,
and computes twice the pixels for it. `plan` finds the smallest padding with which every Crop is valid
for every size in a range.

It is a proof and not a sample: when the image grows by the product of the strides (32 for FCN-8s), every
blob grows by exactly its share, because each size rule of `geometry.Window` is a division with remainder
by the stride. What holds for one such period of sizes therefore holds for all larger ones.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from caffe_fcn.errors import NetError, OffsetError
from caffe_fcn.net.crops import Crop, FractionError, crops, has_crops
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Graph, Node, select_phase
from caffe_fcn.net.layer_types import Kind
from caffe_fcn.net.receptive_fields import receptive_fields
from caffe_fcn.net.shapes import infer_graph, row_of
from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.copying import copy_message

_MOST = 1024  # no net of this kind needs more; beyond it some other rule is broken
_MEASURED_AT = (500, 500)
_MOST_SIZES = 4096  # tried one by one; the strides of nets multiply to some tens


@dataclass(frozen=True)
class PaddingPlan:
    """The smallest padding ``pad`` of ``layer``, and what it saves at 500 x 500 against the declared one.

    ``period`` is the number of sizes after which everything repeats; ``macs`` and ``declared_macs`` are
    multiply-accumulates of one forward pass.
    """

    layer: str
    pad: int
    declared: int
    smallest: tuple[int, int]
    largest: tuple[int, int] | None
    period: int
    crops: list[Crop]
    macs: int
    declared_macs: int

    @property
    def range_text(self) -> str:
        """The sizes that the plan is for, in words."""
        upto = f"to {dims(self.largest)}" if self.largest else "up"
        return f"images from {dims(self.smallest)} {upto}"

    def as_json(self) -> dict[str, Any]:
        """The plan as a JSON document."""
        return {**asdict(self), "crops": [crop.as_json() for crop in self.crops]}


def plan(
    net: NetParameter,
    smallest: tuple[int, int] = (1, 1),
    largest: tuple[int, int] | None = None,
    phase: str | None = None,
) -> PaddingPlan:
    """The smallest padding of the first layer for all image sizes (H, W) from ``smallest`` up to ``largest``, if given.

    Raises `OffsetError` where no padding makes every Crop valid, `NetError` for a net without a first
    convolution.
    """
    if largest and any(low > high for low, high in zip(smallest, largest, strict=True)):
        raise OffsetError(
            "padding", f"{dims(largest)} is smaller than {dims(smallest)}", "swap `smallest` and `largest`"
        )
    chosen = select_phase(net, phase)
    if not has_crops(chosen):
        raise OffsetError("padding", "the net has no Crop", "plan for a net that crops")
    first = first_layers(Graph(chosen))
    names = [node.name for node in first]
    declared = max((*first[0].layer.convolution_param.pad, first[0].layer.convolution_param.pad_h))
    period = _period(Graph(chosen))
    _list_sizes(smallest, largest, period)  # raises here, once, if there are too many
    failure: NetError = OffsetError("padding", "none makes every Crop valid")
    alike = 0  # paddings in a row that failed for the same reason
    for pad in range(_MOST):
        candidate = with_padding(chosen, names, pad)
        try:
            found, period = prove(candidate, smallest, largest)
        except NetError as error:
            alike = alike + 1 if _fail_alike(failure, error) else 1
            failure = error
            if alike > period:
                break
            continue
        return PaddingPlan(
            ", ".join(names),
            pad,
            declared,
            smallest,
            largest,
            period,
            found,
            _macs(candidate, found),
            _macs(chosen, crops(chosen)),
        )
    raise failure


def _fail_alike(failure: NetError, error: NetError) -> bool:
    """Whether two paddings failed for the same reason.

    An offset is a constant plus a fraction of the padding, whose denominator is a stride. So an offset that is not
    whole for any padding of a period is never whole; and an error that stays the same for a period does not depend on
    the padding.
    """
    both = isinstance(failure, FractionError) and isinstance(error, FractionError)
    return str(failure) == str(error) or (both and failure.where == error.where)


def prove(
    net: NetParameter, smallest: tuple[int, int] = (1, 1), largest: tuple[int, int] | None = None
) -> tuple[list[Crop], int]:
    """The Crops of a net of one phase, all of them valid for every size in the range; and the sizes' period.

    Raises `OffsetError` or `NetError` for the first size at which a layer does not fit.
    """
    found = crops(net)
    graph = Graph(_with_crops(net, found))
    period = _period(graph)
    for size in _list_sizes(smallest, largest, period):
        infer_graph(graph, size)
    return found, period


def with_padding(net: NetParameter, layers: list[str], pad: int) -> NetParameter:
    """A copy of the net in which these convolutions have another padding."""
    result = copy_message(net)
    for layer in result.layer:
        if layer.name in layers:
            layer.convolution_param.ClearField("pad_h")
            layer.convolution_param.ClearField("pad_w")
            layer.convolution_param.pad[:] = [pad]
    return result


def first_layers(graph: Graph) -> list[Node]:
    """The convolutions that read an image, with nothing but pointwise layers before them."""
    images = {top for node in graph.nodes if not node.bottoms for top in node.tops}
    first = []
    for node in graph.nodes:
        if node.bottoms and node.bottoms[0] in images:
            row = row_of(node)
            if row.kind is Kind.CONVOLUTION:
                first.append(node)
            elif row.field is None and row.kind is not Kind.CROP:
                images.update(node.tops)
    if not first:
        raise NetError("padding", "no convolution reads the image", "name a net that begins with one")
    return first


def _with_crops(net: NetParameter, right: list[Crop]) -> NetParameter:
    result = copy_message(net)
    for layer in result.layer:
        for crop in right:
            if crop.belongs_to(layer):
                layer.crop_param.offset[:] = crop.computed
    return result


def _macs(net: NetParameter, right: list[Crop]) -> int:
    return infer_graph(Graph(_with_crops(net, right)), _MEASURED_AT).total_macs


def _period(graph: Graph) -> int:
    return math.lcm(*(axis.stride.numerator for blob in receptive_fields(graph).values() for axis in blob))


def _list_sizes(smallest: tuple[int, int], largest: tuple[int, int] | None, period: int) -> list[tuple[int, int]]:
    """One period of sizes, of both axes at once because neither axis depends on the other."""
    highs = largest or (smallest[0] + period, smallest[1] + period)
    rows, columns = (range(low, min(high + 1, low + period)) for low, high in zip(smallest, highs, strict=True))
    if max(len(rows), len(columns)) > _MOST_SIZES:
        what = f"the net repeats itself only every {period} pixels, which is too many sizes to try"
        raise OffsetError("padding", what, f"plan for at most {_MOST_SIZES} of them: `smallest` and `largest`")
    return [(rows[place % len(rows)], columns[place % len(columns)]) for place in range(max(len(rows), len(columns)))]
