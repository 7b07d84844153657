"""Recurrent layers, written out step by step: LSTM, RNN.

A graph has no memory from one run to the next, so each run begins with states of zeros, as the first one of a net does,
unless the layer exposes its states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from caffe_fcn.interop.onnx.place import Place, converts
from caffe_fcn.interop.onnx.shaping import reshape_to

_Step = Callable[[Place, str, str, list[str]], list[str]]


@converts("LSTM")
def convert_lstm(place: Place) -> list[str]:
    """Weights: input to gates, their bias, perhaps static input to gates, last output to gates."""
    recurrent = place.add_parameter(len(place.params) - 1)
    outputs, final = _unroll(place, 2, recurrent, _step_lstm)
    return [_join(place, outputs), *final][: len(place.layer.top)]


@converts("RNN")
def convert_rnn(place: Place) -> list[str]:
    """Weights: input to state, bias, perhaps static input to state, state to state, state to output, bias."""
    recurrent = place.add_parameter(len(place.params) - 3)
    states, final = _unroll(place, 1, recurrent, _step_rnn)
    weights, bias = (place.add_parameter(len(place.params) + index) for index in (-2, -1))
    outputs = [place.add("Tanh", place.add("Gemm", state, weights, bias, transB=1)) for state in states]
    return [_join(place, outputs), *final][: len(place.layer.top)]


@converts("LSTMUnit")
def convert_lstm_unit(place: Place) -> list[str]:
    """One step: the next cell and output, from the cell, the gates and ``cont``."""
    place.require_fixed()
    cell, gates, cont = place.bottoms
    flat = place.add("Unsqueeze", cont, place.graph.add_integers([len(place.site.shapes[2])]))
    return _step(place, cell, gates, flat)[::-1]


def _unroll(place: Place, states: int, recurrent: str, step: _Step) -> tuple[list[str], list[str]]:
    """The first state after each step, and all states at the end, each as a sequence of one step."""
    place.require_fixed()
    graph = place.graph
    steps, batch = place.shape[:2]
    count = place.param.num_output
    width = place.params[0].shape[0]
    exposed = bool(place.param.expose_hidden)
    weights, bias = place.add_parameter(0), place.add_parameter(1)
    flat = reshape_to(place, place.bottom, (steps * batch, place.params[0].count // width))
    inputs = reshape_to(place, place.add("Gemm", flat, weights, bias, transB=1), (steps, batch, width))
    if len(place.bottoms) > 2 + exposed * states:
        static = place.add("Gemm", place.add("Flatten", place.bottoms[2], axis=1), place.add_parameter(2), transB=1)
        inputs = place.add("Add", inputs, static)
    if exposed:
        current = [reshape_to(place, blob, (batch, count)) for blob in place.bottoms[-states:]]
    else:
        current = [graph.add_constant([[0.0] * count] * batch)] * states
    outputs = []
    for index in range(steps):
        number = graph.add_integers([index])
        x = reshape_to(place, place.add("Gather", inputs, number, axis=0), (batch, width))
        cont = reshape_to(place, place.add("Gather", place.bottoms[1], number, axis=0), (batch, 1))
        kept = place.add("Gemm", place.add("Mul", current[0], cont), recurrent, x, transB=1)
        current = step(place, kept, cont, current)
        outputs.append(current[0])
    return outputs, [reshape_to(place, state, (1, batch, count)) for state in current]


def _step_rnn(place: Place, sums: str, cont: str, states: list[str]) -> list[str]:
    return [place.add("Tanh", sums)]


def _step_lstm(place: Place, gates: str, cont: str, states: list[str]) -> list[str]:
    return _step(place, states[1], gates, cont)


def _step(place: Place, cell: str, gates: str, cont: str) -> list[str]:
    """The next output and cell; the gates are input, forget, output, and the new values."""
    gate_input, forget, gate_output, new = place.graph.add_many("Split", gates, outputs=4, **_divide_gates(place))
    kept = place.add("Mul", place.add("Mul", place.add("Sigmoid", forget), cont), cell)
    added = place.add("Mul", place.add("Sigmoid", gate_input), place.add("Tanh", new))
    after = place.add("Add", kept, added)
    return [place.add("Mul", place.add("Sigmoid", gate_output), place.add("Tanh", after)), after]


def _join(place: Place, outputs: Sequence[str]) -> str:
    """The outputs of all steps as one sequence."""
    rows = [place.add("Unsqueeze", each, place.graph.add_integers([0])) for each in outputs]
    return place.add("Concat", *rows, axis=0) if len(rows) > 1 else rows[0]


def _divide_gates(place: Place) -> dict[str, int]:
    """Four equal parts of the last axis, which newer operator sets want to be told."""
    return {"axis": -1, "num_outputs": 4} if place.graph.opset >= 18 else {"axis": -1}
