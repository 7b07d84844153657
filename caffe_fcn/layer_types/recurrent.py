"""Recurrent layers, which Caffe unrolls over the first axis."""

from __future__ import annotations

import math

from caffe_fcn.layer_types.site import LAYER_TYPES, LayerType, Rule, Shape, Site, ends


def _recurrent(site: Site) -> tuple[int, int, int]:
    if len(site.shapes[0]) < 2 or site.shapes[1] != site.shapes[0][:2]:
        site.fail(f"reads {site.blob()} with {site.blob(1)}", "it takes T x N x ... with T x N")
    return site.shapes[0][0], site.shapes[0][1], site.param.num_output


def _recurrent_tops(states: int) -> Rule:
    def rule(site: Site) -> list[Shape]:
        steps, streams, outputs = _recurrent(site)
        return [(steps, streams, outputs), *[(1, streams, outputs)] * (states if site.param.expose_hidden else 0)]

    return rule


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
    steps, streams, _ = _recurrent(site)
    matrices = LAYER_TYPES[site.layer.type].params(site)
    return steps * streams * sum(math.prod(shape) for shape in matrices if len(shape) == 2)


def _lstm_unit_tops(site: Site) -> list[Shape]:
    return [site.shapes[0], site.shapes[0]]


TYPES: dict[str, LayerType] = {
    "LSTM": LayerType(
        _recurrent_tops(2),
        "recurrent_param",
        (2, 5),
        (1, 3),
        params=_lstm_params,
        macs=_recurrent_macs,
        coords=ends,
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
    ),
}
