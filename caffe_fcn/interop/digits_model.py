"""What the prototxts of a DIGITS job say of its net, for model.json.

DIGITS subtracts the mean of the data set from every image that it feeds, as the data layers of train_val.prototxt do:
as a mean image (``mean_file``), as one number per channel (``mean_value``), or not at all. Images have blue first.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError
from caffe_fcn.interop.job_paths import find_image_layer
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.layer_types import Origin, origin_of
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import NetParameter

_ORDERS = {1: "grey", 3: "BGR"}
_MOST_CLASSES = 256


@dataclass(frozen=True)
class Transform:
    """What data layers do with an image: subtract ``mean`` or the image in ``mean_file``, then multiply by ``scale``.

    ``mean`` is None where it is unknown, or where there is a ``mean_file``.
    """

    mean: list[float] | None = None
    mean_file: str = ""
    scale: float = 1.0


def read_transform(deploy: NetParameter, train_val: NetParameter | None) -> Transform:
    """Return what images must go through before they are fed to the deploy net.

    A scale counts only where the data layer makes the blob that is fed. Where it makes another one, as in the nets
    that DIGITS brings, the deploy net has a layer of its own that scales.
    """
    fed = _find_input(deploy)
    layer = find_image_layer(train_val, fed) if train_val is not None else None
    if layer is None:
        return Transform()
    given = layer.transform_param
    scale = given.scale if fed in layer.top else 1.0
    if given.mean_file:
        return Transform(None, given.mean_file, scale)
    return Transform(list(given.mean_value) or [0.0], "", scale)


def describe_net(
    deploy: NetParameter, train_val: NetParameter | None, transform: Transform, names: list[str] | None
) -> tuple[Model, list[str]]:
    """Return the description of a net, and notes on what is left out of it; ``names`` are those of its classes."""
    shapes = infer(deploy, "deploy").blobs
    fed, channels = _find_input(deploy), shapes[_find_input(deploy)][1]
    order = _ORDERS.get(channels, "planes")
    taken = Input(fed, channels, order, transform.mean, transform.mean_file or None, transform.scale)
    last = Graph(select_phase(deploy, "deploy")).outputs()[-1]
    shape = shapes[last.name]
    count = shape[1] if len(shape) > 1 else 1
    kind = "probabilities" if last.maker.type == "Softmax" else "grey" if count == 1 else "scores"
    known, notes = _match_names(names, count)
    answer = Output(last.name, kind, known, ignore_label=_find_ignore_label(train_val))
    return Model([taken], [answer]), notes


def _match_names(names: list[str] | None, count: int) -> tuple[list[str] | None, list[str]]:
    if not names or len(names) == count <= _MOST_CLASSES:
        return names or None, []
    what = f"labels.txt has {len(names)} names, and the net has {count} classes"
    if len(names) == count:
        what = f"labels.txt has more names than a description takes, {_MOST_CLASSES}"
    return None, [f"{what}: model.json has no names"]


def _find_input(deploy: NetParameter) -> str:
    """Return the blob that takes the image; raises `NetError` where there is none."""
    for layer in deploy.layer:
        if origin_of(layer) is Origin.INPUT:
            return str(layer.top[0])
    raise NetError("deploy.prototxt", "has no input", "name a job of DIGITS; it writes a net that takes images")


def _find_ignore_label(net: NetParameter | None) -> int | None:
    """Return the label that the loss ignores."""
    for layer in net.layer if net is not None else ():
        if layer.type.endswith("Loss") and layer.loss_param.HasField("ignore_label"):
            value = int(layer.loss_param.ignore_label)
            return value if 0 <= value < _MOST_CLASSES else None
    return None
