"""What the prototxts of a DIGITS job say of its net, for model.json.

DIGITS subtracts the mean of the data set from every image that it feeds, as the data layers of train_val.prototxt do:
as a mean image (``mean_file``), as one number per channel (``mean_value``), or not at all. Images have blue first.
"""

from __future__ import annotations

from dataclasses import dataclass

from caffe_fcn.description import model_json
from caffe_fcn.description.dataset_fields import MOST_CHANNELS
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.interop.job_paths import find_image_layer
from caffe_fcn.net.graph import Graph, select_phase
from caffe_fcn.net.layer_types import Origin, layer_type, origin_of
from caffe_fcn.net.layer_types.losses import is_loss
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
    fed, _ = _find_input(deploy)
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
    fed, channels = _find_input(deploy)
    order = _ORDERS.get(channels, "planes")
    taken = Input(fed, channels, order, transform.mean, transform.mean_file or None, transform.scale)
    last = Graph(select_phase(deploy, "deploy")).outputs()[-1]
    count, notes = _count_channels(deploy, last.name)
    kind = "probabilities" if layer_type(last.maker.type).normalizes_scores else "grey" if count == 1 else "scores"
    known, remarks = _match_names(names or [], count)
    answer = Output(last.name, kind, known, ignore_label=_find_ignore_label(train_val))
    return Model([taken], [answer]), [*notes, *remarks]


def _count_channels(deploy: NetParameter, blob: str) -> tuple[int | None, list[str]]:
    """Return the channels of a blob; None, and a note, behind a layer whose shapes only its code knows."""
    try:
        shape = infer(deploy, "deploy").blobs[blob]
    except NetError as error:  # such as the Python layer at the end of DIGITS's DetectNet
        return None, [f"the shape of blob '{blob}' is unknown ({error}): it is taken to hold scores"]
    return shape[1] if len(shape) > 1 else 1, []


def _match_names(names: list[str], count: int | None) -> tuple[list[str] | None, list[str]]:
    """Return the names of the classes, or None and a note where they do not fit the number of classes."""
    if not names:
        return None, []
    what = ""
    if len(names) > _MOST_CLASSES:
        what = f"has {len(names)} names, more names than a description takes"
    elif count not in (None, len(names)):
        what = f"has {len(names)} names, and the net has {count} classes"
    return (None, [f"labels.txt {what}: {model_json.FILE} has no names"]) if what else (names, [])


def _find_input(deploy: NetParameter) -> tuple[str, int]:
    """Return the blob that takes the image, and its channels; raises `NetError` where no input has 4 axes."""
    for layer in deploy.layer:
        if origin_of(layer) is Origin.INPUT:
            for shape in layer.input_param.shape:
                if len(shape.dim) == 4 and 0 < shape.dim[1] <= MOST_CHANNELS:
                    return str(layer.top[0]), int(shape.dim[1])
    raise NetError(DEPLOY_FILE, "has no input that takes an image", "name a job of DIGITS; its nets have one")


def _find_ignore_label(net: NetParameter | None) -> int | None:
    """Return the label that the loss ignores."""
    for layer in net.layer if net is not None else ():
        if is_loss(layer.type) and layer.loss_param.HasField("ignore_label"):
            value = int(layer.loss_param.ignore_label)
            return value if 0 <= value < _MOST_CLASSES else None
    return None
