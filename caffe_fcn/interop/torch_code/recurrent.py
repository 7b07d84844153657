"""Recurrent layers: LSTM, RNN. A module keeps no state: each call begins with zeros, as a net's first pass does."""

from __future__ import annotations

from caffe_fcn.interop.torch_code.place import Place, Writer

_STATES = {"LSTM": 2, "RNN": 1}


def write_recurrent(place: Place) -> list[str]:
    """A module with a Linear for each product; outputs, and states where the layer gives them."""
    kind, exposed = place.layer.type, bool(place.param.expose_hidden)
    x, cont, *others = place.bottoms
    states = others[len(others) - _STATES[kind] * exposed :]
    static = others[: len(others) - len(states)]
    keys = ["input.weight", "input.bias", *["static.weight"] * bool(static), "hidden.weight"]
    if kind == "RNN":
        keys += ["output.weight", "output.bias"]
    arrays = dict(zip(keys, place.params, strict=True))
    for key in keys:
        if key.endswith("weight"):
            rows = arrays[key].shape[0]
            arrays[key] = arrays[key].reshaped((rows, arrays[key].count // rows))
    sizes = [arrays[key].shape[1] for key in ("input.weight", "hidden.weight")]
    settings = [*map(str, sizes), *[f"static={arrays[key].shape[1]}" for key in keys if key == "static.weight"]]
    given = [x, cont, *[f"static={each}" for each in static], *[f"states=[{', '.join(states)}]"] * exposed]
    called = f"{place.add_module(place.call(kind, *settings), arrays)}({', '.join(given)})"
    if len(place.tops) == 1:
        return [f"{called}[0]"]
    return place.take_parts(called)


def write_lstm_unit(place: Place) -> list[str]:
    """One step: the next cell and output, from the cell, the gates and ``cont``."""
    cell, gates, cont = place.bottoms
    return place.take_parts(place.call("step_lstm", cell, gates, f"{cont}[..., None]"))


WRITERS: dict[str, Writer] = {"LSTM": write_recurrent, "LSTMUnit": write_lstm_unit, "RNN": write_recurrent}
