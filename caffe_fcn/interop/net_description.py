"""What is known of a deploy net that goes to others: from ``model.json`` beside it, or else from the net itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Model, Output
from caffe_fcn.interop.bundle_net import find_outputs
from caffe_fcn.interop.digits_job import LABELS_FILE
from caffe_fcn.interop.digits_model import Transform, describe_net
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.proto import NetParameter

_IMAGE_AXES = 4


def describe_net_file(
    net: Path, deploy: NetParameter, mean: Sequence[float] | None = None, *, all_outputs: bool = False
) -> tuple[Model, list[str]]:
    """Return what is known of a net, and notes on what is unknown; ``mean`` takes the place of what is written.

    The outputs are those of ``model.json`` that the net has. Where it names none, they are the last blob that no layer
    reads, or with ``all_outputs`` all of them.
    """
    notes: list[str] = []
    model = model_json.read(net.parent)
    if model is None and all_outputs and not _takes_image(deploy):
        return Model([], [Output(blob) for blob in find_outputs(deploy)]), []
    if model is None:
        labels = net.parent / LABELS_FILE
        names = files.read_bytes(labels).decode("utf-8-sig", "replace").splitlines() if labels.is_file() else None
        model, notes = describe_net(deploy, None, Transform(), names)
        notes.insert(0, f"there is no {model_json.FILE} beside {net}: channels are taken to be blue, green, red")
    if mean is not None:
        model.inputs = [replace(each, mean=list(mean), mean_file=None) for each in model.inputs]
    blobs = {top for layer in deploy.layer for top in layer.top}
    outputs = [each for each in model.outputs if each.blob in blobs]
    if not outputs or (all_outputs and notes):
        found = find_outputs(deploy)
        outputs = [replace(model.outputs[0], blob=blob) for blob in (found if all_outputs else found[-1:])]
    for each in model.inputs:
        if each.mean is None and each.mean_file is None:
            notes.append(f"the mean of '{each.blob}' is unknown (give a `mean`)")
    return replace(model, outputs=outputs), notes


def _takes_image(deploy: NetParameter) -> bool:
    """Whether an input has the four axes of an image."""
    inputs = [layer.input_param for layer in deploy.layer if origin_of(layer) is Origin.INPUT]
    return any(len(shape.dim) == _IMAGE_AXES for param in inputs for shape in param.shape)
