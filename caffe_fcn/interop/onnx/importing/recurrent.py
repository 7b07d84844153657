"""LSTM as Caffe's LSTM layer; GRU and RNN are refused.

Both compute the same step: input, forget and output gates by the logistic function, new values by tanh. ONNX has the
gates in the order input, output, forget, new values; Caffe input, forget, output, new values (lstm_layer.cpp). ONNX
adds two biases, Caffe has one. Caffe's layer reads ``cont``, which is 0 where a sequence begins: its states are then
zeros, as ONNX's are without initial states. A blob of zeros and ones comes from DummyData layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_fcn.interop.onnx.importing.place import NodePlace, converts
from caffe_fcn.interop.onnx.importing.shaping import cut, reshape, take
from caffe_fcn.interop.onnx.importing.source import Array, Shape

_INPUT, _WEIGHTS, _RECURRENT, _BIAS, _LENGTHS, _HIDDEN, _CELL, _PEEPHOLES = range(8)  # inputs of ONNX's LSTM
_SEQUENCE, _LAST_HIDDEN, _LAST_CELL = range(3)  # its outputs
_CAFFE_ORDER = (0, 2, 1, 3)  # of ONNX's gates
_FUNCTIONS = ["sigmoid", "tanh", "tanh"]
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@converts("GRU", "RNN")
def refuse_recurrent(place: NodePlace) -> list[str]:
    """Neither is among the layers of Caffe 1.0."""
    reasons = {
        "GRU": "Caffe 1.0 has no GRU, whose gates its LSTM layer does not have",
        "RNN": "the output of Caffe's RNN layer is another tanh of the state, and ONNX's is the state",
    }
    return place.fail(reasons[place.node.op_type], "use an LSTM, or run this part outside of Caffe")


@converts("LSTM")
def convert_lstm(place: NodePlace) -> list[str]:
    """A layer for each direction; the reversed one reads and gives its sequence in reversed order."""
    directions = _DIRECTIONS.get(place.attribute("direction", "forward"))
    if directions is None:
        place.fail(f"has direction {place.attribute('direction')!r}", "the model is damaged")
    _require_plain(place, len(directions))
    steps, batch, _ = place.shape()
    count = place.attribute("hidden_size")
    x = place.blob(_INPUT)
    cont = _add_cont(place, steps, batch, any(place.has(index) for index in (_HIDDEN, _CELL)))
    wanted = [output for output, name in enumerate(place.node.output) if name]
    made = [_run(place, x, cont, index, backward, wanted) for index, backward in enumerate(directions)]
    tops = []
    for output in wanted:
        parts = [each[output] for each in made]
        if output == _SEQUENCE:
            parts = [reshape(place, each, (steps, batch, count), (steps, 1, batch, count)) for each in parts]
        axis = int(output == _SEQUENCE)  # of the directions
        tops.append(place.add("Concat", *parts, concat_param={"axis": axis}) if len(parts) > 1 else parts[0])
    return tops


def _run(place: NodePlace, x: str, cont: str, index: int, backward: bool, wanted: Sequence[int]) -> dict[int, str]:
    """Append the layer of a direction; returns its blobs by the output of ONNX."""
    steps, batch, width = place.shape()
    count = place.attribute("hidden_size")
    order = range(steps)[::-1]
    if backward:
        x = take(place, x, 0, order, steps)
    states = _add_states(place, index, batch, count)
    exposed = bool(states) or _LAST_CELL in wanted
    if exposed and not states:
        zeros = _add_fill(place, (1, batch, count), 0.0)
        states = [zeros, zeros]
    tops = place.net.add_many(
        "LSTM",
        x,
        cont,
        *states,
        tops=3 if exposed else 1,
        parameters=_read_parameters(place, index, count, width),
        recurrent_param={"num_output": count, **({"expose_hidden": True} if exposed else {})},
    )
    outputs = dict(zip((_SEQUENCE, _LAST_HIDDEN, _LAST_CELL), tops, strict=False))
    if not exposed and _LAST_HIDDEN in wanted:
        outputs[_LAST_HIDDEN] = cut(place, tops[0], 0, steps - 1, steps, steps)
    if backward and _SEQUENCE in wanted:
        outputs[_SEQUENCE] = take(place, outputs[_SEQUENCE], 0, order, steps)
    return outputs


def _read_parameters(place: NodePlace, index: int, count: int, width: int) -> Sequence[Array]:
    """Weights of the input, bias, weights of the last output: four gates each, in Caffe's order."""
    import numpy as np

    weights, recurrent = place.constant(_WEIGHTS, "weights"), place.constant(_RECURRENT, "recurrent weights")
    biases = place.constant(_BIAS, "bias") if place.has(_BIAS) else np.zeros((index + 1, 8 * count), np.float32)
    wanted = [(weights, (4 * count, width)), (recurrent, (4 * count, count)), (biases, (8 * count,))]
    for values, shape in wanted:
        if values.ndim != len(shape) + 1 or values.shape[1:] != shape or len(values) <= index:
            place.fail(f"has parameters of shape {values.shape}", "the model is damaged")

    def arrange(values: Array) -> Array:
        gates = values.reshape(4, count, -1)[list(_CAFFE_ORDER)]
        return np.ascontiguousarray(gates.reshape(4 * count, *values.shape[1:]))

    bias = biases[index].reshape(2, 4 * count).sum(0)
    return [arrange(weights[index]), arrange(bias), arrange(recurrent[index])]


def _require_plain(place: NodePlace, directions: int) -> None:
    """Raise `NetError` for what Caffe's layer has not."""
    import numpy as np

    place.require_axes(3)
    if place.attribute("layout", 0):
        place.fail("has the images before the steps", "write it with layout 0")
    if place.attribute("clip") is not None or place.attribute("input_forget", 0):
        place.fail("limits its cells, or couples its gates", "Caffe's LSTM does not")
    functions = [each.decode("utf-8", "replace").lower() for each in place.attribute("activations", [])]
    if functions and functions != _FUNCTIONS * directions:
        place.fail(f"has the functions {', '.join(functions)}", f"Caffe's LSTM has {', '.join(_FUNCTIONS)}")
    if place.has(_PEEPHOLES) and place.constant(_PEEPHOLES, "peepholes").any():
        place.fail("has peepholes", "Caffe's LSTM has none")
    if place.has(_LENGTHS) and not np.array_equal(
        place.constant(_LENGTHS, "lengths"), [place.shape()[0]] * place.shape()[1]
    ):
        place.fail("has sequences of several lengths", "run them one by one")
    if place.attribute("hidden_size") is None:
        place.fail("has no hidden_size", "the model is damaged")


def _add_states(place: NodePlace, index: int, batch: int, count: int) -> list[str]:
    """The first output and cell of a direction, each 1 x N x H; none where both are zeros."""
    given = [each for each in (_HIDDEN, _CELL) if place.has(each)]
    if all(place.is_constant(each) and not place.constant(each).any() for each in given):
        return []
    return [_add_state(place, each, index, (1, batch, count)) for each in (_HIDDEN, _CELL)]


def _add_state(place: NodePlace, which: int, index: int, shape: Shape) -> str:
    if not place.has(which):
        return _add_fill(place, shape, 0.0)
    if not place.is_constant(which):
        return cut(place, place.blob(which), 0, index, index + 1, place.shape(which)[0])
    values = place.constant(which)[index : index + 1]
    if not (values == values.reshape(-1)[0]).all():
        settings: dict[str, Any] = {"shape": {"dim": shape}}
        return place.add("Parameter", parameters=[values], parameter_param=settings)
    return _add_fill(place, shape, float(values.reshape(-1)[0]))


def _add_cont(place: NodePlace, steps: int, batch: int, begins: bool) -> str:
    """T x N: 0 at the first step, so that nothing is left of a run before, unless states are given; then 1."""
    if begins:
        states = [each for each in (_HIDDEN, _CELL) if place.has(each)]
        if not all(place.is_constant(each) and not place.constant(each).any() for each in states):
            return _add_fill(place, (steps, batch), 1.0)
    first = _add_fill(place, (1, batch), 0.0)
    if steps == 1:
        return first
    return place.add("Concat", first, _add_fill(place, (steps - 1, batch), 1.0), concat_param={"axis": 0})


def _add_fill(place: NodePlace, shape: Shape, value: float) -> str:
    """A blob of one value."""
    filler = {"type": "constant", "value": value}
    return place.add("DummyData", dummy_data_param={"data_filler": [filler], "shape": [{"dim": shape}]})
