"""Recurrent layers, which Caffe unrolls over the first axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types.row import LAYER_TYPES, Filler, LayerType, Rule, ends
from caffe_fcn.net.layer_types.site import Shape, Site

if TYPE_CHECKING:
    from caffe_fcn.proto import LayerParameter


def _sequence_shape(site: Site) -> tuple[int, int, int]:
    if len(site.shapes[0]) < 3 or site.shapes[1] != site.shapes[0][:2]:
        site.fail(f"reads {site.blob()} with {site.blob(1)}", "it takes T x N x ... with T x N")
    if site.param.num_output < 1:
        site.fail("has no num_output", "set how many values a state has")
    return site.shapes[0][0], site.shapes[0][1], site.param.num_output


def _recurrent_tops(states: int) -> Rule:
    def rule(site: Site) -> list[Shape]:
        steps, streams, outputs = _sequence_shape(site)
        exposed = states if site.param.expose_hidden else 0
        _check_bottoms(site, exposed)
        if len(site.layer.top) != 1 + exposed:
            site.fail(f"has {len(site.layer.top)} tops", f"it makes {1 + exposed}")
        return [(steps, streams, outputs), *[(1, streams, outputs)] * exposed]

    return rule


def _check_bottoms(site: Site, exposed: int) -> None:
    """Behind steps and ``cont`` come a static input, which may be missing, and the states where they are exposed."""
    _, streams, outputs = _sequence_shape(site)
    further = len(site.shapes) - 2 - exposed
    if further not in (0, 1):
        wanted = "2 or 3" if not exposed else f"{2 + exposed} or {3 + exposed} with expose_hidden"
        site.fail(f"has {len(site.shapes)} bottoms", f"it takes {wanted}")
    if further and (len(site.shapes[2]) < 2 or site.shapes[2][0] != streams):
        site.fail(f"reads {site.blob(2)} at every step", f"a static input is {streams} x ... here")
    for index in range(2 + further, len(site.shapes)):
        if site.shapes[index] != (1, streams, outputs):
            site.fail(f"begins with {site.blob(index)}", f"its states are {dims((1, streams, outputs))}")


def _recurrent_inputs(site: Site, states: int) -> tuple[int, int | None]:
    own = 2 + (states if site.param.expose_hidden else 0)
    static = site.shapes[2][1:] if len(site.shapes) > own else None
    return math.prod(site.shapes[0][2:]), math.prod(static) if static is not None else None


def _lstm_params(site: Site) -> list[Shape]:
    d = site.param.num_output
    inputs, static = _recurrent_inputs(site, 2)
    return [(4 * d, inputs), (4 * d,), *([(4 * d, static)] if static is not None else []), (4 * d, d)]


def _rnn_params(site: Site) -> list[Shape]:
    d = site.param.num_output
    inputs, static = _recurrent_inputs(site, 1)
    return [(d, inputs), (d,), *([(d, static)] if static is not None else []), (d, d), (d, d), (d,)]


def _recurrent_macs(site: Site, tops: list[Shape]) -> int:
    steps, streams, _ = _sequence_shape(site)
    matrices = LAYER_TYPES[site.layer.type].params(site)
    return steps * streams * sum(math.prod(shape) for shape in matrices if len(shape) == 2)


def _recurrent_fillers(states: int, after: Sequence[Filler]) -> Callable[[LayerParameter], Sequence[Filler]]:
    """Of the weights and bias of the steps, the weights of a static input if there is one, and what comes after."""

    def rule(layer: LayerParameter) -> Sequence[Filler]:
        static = len(layer.bottom) > 2 + (states if layer.recurrent_param.expose_hidden else 0)
        return (_WEIGHT, _BIAS, *([_WEIGHT] if static else []), *after)

    return rule


_WEIGHT, _BIAS = Filler("weight_filler"), Filler("bias_filler")


def _lstm_unit_tops(site: Site) -> list[Shape]:
    cell, gates, cont = site.shapes
    if len(cell) != 3 or cell[0] != 1 or gates != (1, cell[1], 4 * cell[2]) or cont != cell[:2]:
        read = f"{site.blob()}, {site.blob(1)} and {site.blob(2)}"
        site.fail(f"reads {read}", "it takes 1 x N x D, 1 x N x 4D and 1 x N")
    return [cell, cell]


TYPES: dict[str, LayerType] = {
    "LSTM": LayerType(
        _recurrent_tops(2),
        "recurrent_param",
        (2, 5),
        (1, 3),
        params=_lstm_params,
        macs=_recurrent_macs,
        coords=ends,
        fillers=_recurrent_fillers(2, [_WEIGHT]),
        role="dense",
    ),
    "LSTMUnit": LayerType(_lstm_unit_tops, bottoms=(3, 3), makes=(2, 2), coords=ends),
    "RNN": LayerType(
        _recurrent_tops(1),
        "recurrent_param",
        (2, 4),
        (1, 2),
        params=_rnn_params,
        macs=_recurrent_macs,
        coords=ends,
        fillers=_recurrent_fillers(1, [_WEIGHT, _WEIGHT, _BIAS]),
        role="dense",
    ),
}
