"""Which output of a net is asked for, and what ``model.json`` says of it."""

from __future__ import annotations

from caffe_fcn.description.model_json import Model, Output
from caffe_fcn.net.graph import select_phase
from caffe_fcn.proto import NetParameter


def choose_blob(model: Model | None, net: NetParameter) -> str:
    """Return the first output of ``model`` that the deploy net has; an empty text for the net's own last one."""
    tops = {top for layer in select_phase(net, "deploy").layer for top in layer.top}
    return next((each.blob for each in model.outputs if each.blob in tops), "") if model else ""


def find_kind(model: Model | None, blob: str) -> str:
    """Return what ``model`` says that ``blob`` holds; scores where it says nothing."""
    output = find_output(model, blob)
    return output.kind if output and output.blob == blob else "scores"


def find_output(model: Model | None, blob: str) -> Output | None:
    """Return what ``model`` says of ``blob``, or else of its first output, whose scores another blob may have."""
    if model is None:
        return None
    return next((each for each in model.outputs if each.blob == blob), model.outputs[0])
