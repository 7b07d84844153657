"""Transplants into nets of other classes: score layers keep the rows of old classes, upscore layers start anew.

`expand` is for more classes than before, of which the old ones come first. `select` is for some of a classifier's
classes (ILSVRC's fc8 to a score_fr of the classes that a data set shares with it). `interp` only makes upscore layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from caffe_fcn.errors import NetError, WeightsError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.proto import NetParameter
from caffe_fcn.surgery.donors import Donor, infer_shapes, load_net
from caffe_fcn.surgery.edits import Edit, select_rows
from caffe_fcn.surgery.report import Report
from caffe_fcn.surgery.transplantation import transplant
from caffe_fcn.weights.formats import open_weights


def select(
    weights: PathLike,
    layer: str,
    rows: Sequence[int | None],
    to_net: NetParameter | PathLike,
    output: PathLike,
    to_layer: str | None = None,
    **options: Any,
) -> Report:
    """A transplant in which ``to_layer`` scores ``rows`` of the classes of ``layer``; None is a new class.

    >>> import numpy as np
    >>> from caffe_fcn import NetSpec, layers as L
    >>> np.savez("classifier.npz", **{"fc8/0": np.ones((1000, 3, 1, 1), "f4")})
    >>> n = NetSpec()
    >>> n.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    >>> n.score = L.Convolution(n.data, num_output=3, kernel_size=1, bias_term=False)
    >>> report = select("classifier.npz", "fc8", [404, 895, None], n.to_proto(), "fcn.npz", to_layer="score")
    >>> report.parameters[0].reason
    '2 old classes and 1 new ones, zero'

    ``options`` are those of `transplant`. Raises `WeightsError` for a class that ``layer`` does not have.
    """
    donor = Donor(weights, {layer: to_layer or layer}, edits={layer: select_rows(rows)})
    return transplant([donor], to_net, output, **options)


def expand(
    weights: PathLike,
    to_net: NetParameter | PathLike,
    output: PathLike,
    layers: Iterable[str] = (),
    phase: str | None = None,
    **options: Any,
) -> Report:
    """A transplant into a net with more classes: its score layers begin with the old classes' rows.

    The score layers are ``layers``, by default all that have more outputs than before; their new rows are zero.
    Upscore layers of another shape start anew. Raises `WeightsError` where nothing can be expanded.
    """
    net = load_net(to_net)
    shapes = infer_shapes(net, phase, options.get("size"), inputs=options.get("inputs"))
    kinds = {node.name: layer_type(node.type).kind for node in shapes.graph.nodes}
    edits: dict[str, Edit] = {}
    renames: dict[str, str] = {}
    with open_weights(weights) as old:
        for name in layers:
            if name not in shapes.params or name not in {layer.name for layer in old.layers}:
                raise WeightsError(f"layer '{name}'", "is not in both nets", nearest(name, shapes.params))
        for layer in old.layers:
            if not layer.tensors or not (wanted := shapes.params.get(layer.name)):
                continue
            before, after = layer.tensors[0].shape, wanted[0]
            if kinds[layer.name] is Kind.DECONVOLUTION and before != after:
                renames[layer.name] = ""
            elif kinds[layer.name] in _SCORED and _grows(before, after) and (not layers or layer.name in layers):
                edits[layer.name] = select_rows([*range(before[0]), *[None] * (after[0] - before[0])])
    if not edits:
        raise WeightsError(
            weights, "has no layer with fewer outputs than the net's", "transplant does, without expanding"
        )
    return transplant([Donor(weights, renames, edits=edits)], net, output, phase=phase, **options)


def interp(
    weights: PathLike, to_net: NetParameter | PathLike, output: PathLike, layers: Iterable[str] = (), **options: Any
) -> Report:
    """A transplant in which ``layers``, by default all Deconvolutions with "up" in their name, interpolate.

    Raises `NetError` for a kernel that is not square, or channels that differ.
    """
    net = load_net(to_net)
    deconvolutions = [each.name for each in net.layer if layer_type(each.type).kind is Kind.DECONVOLUTION]
    names = list(layers) or [name for name in deconvolutions if "up" in name]
    if not names:
        raise NetError("net", "has no Deconvolution with 'up' in its name", "name the layers")
    return transplant(weights, net, output, interpolate=names, **options)


_SCORED = (Kind.CONVOLUTION, Kind.INNER_PRODUCT)


def _grows(before: Sequence[int], after: Sequence[int]) -> bool:
    return len(before) > 1 and before[0] < after[0] and math.prod(before[1:]) == math.prod(after[1:])
