"""The layers that every net begins with: data layers, and what prepares an image for the backbone.

A deploy net has an `Input` layer. For training there are three kinds: ``python`` for the reference's own Python
layers, ``lmdb`` for pairs of databases as ``caffe-fcn data`` writes them, ``image`` for lists of files (labels are
grey PNG files). A net for all phases has each data layer twice, once for each phase, under one name. What a net is
trained on may be augmented (`augmentation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.augmentation import make_layer_params, name_original
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.netspec.spec import Function, NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P
from caffe_fcn.proto import TEST, TRAIN

SEED = 1337


def add_inputs(n: NetSpec, plan: BuildPlan) -> None:
    """Add the data layers; then ``n`` has a Top for each image and, except in a deploy net, for each label."""
    if plan.phase == "deploy":
        images = plan.net.dataset.images
        shapes = [{"dim": [plan.batch, channels, *plan.size]} for channels in images.values()]
        _add(n, _Layer("Input", list(images), {"shape": shapes, "name": "input"}))
    elif plan.phase == "all":
        _add_training_data(n, plan, include={"phase": TRAIN})
        for layer in DATA_LAYERS[plan.data](plan, "val") if plan.net.dataset.validates else ():
            _add_twin(n, layer, include={"phase": TEST})
    elif plan.phase == "train":
        _add_training_data(n, plan)
    else:
        for layer in DATA_LAYERS[plan.data](plan, plan.phase):
            _add(n, layer)


def preprocess_image(n: NetSpec, plan: BuildPlan, name: str = "data") -> Top:
    """The image that the backbone reads: in the form of DIGITS, a layer that subtracts the mean is added."""
    if not plan.subtracts_mean:
        return n[name]
    scale = plan.net.dataset.scale
    layer = "shift" if name == "data" else f"shift_{name}"
    n[f"{name}_preprocessed"] = top = L.Power(n[name], shift=-plan.mean[0] * scale, scale=scale, name=layer)
    return top


def _add_training_data(n: NetSpec, plan: BuildPlan, **rules: Any) -> None:
    """Add the data layers to train on, and where the plan augments the layer that does it."""
    tops = plan.net.dataset.tops
    for layer in DATA_LAYERS[plan.data](plan, "train"):
        if plan.augment is not None:
            layer = layer._replace(tops=[name_original(top) if top in tops else top for top in layer.tops])
        _add(n, layer, **rules)
    if plan.augment is not None:
        params = {**make_layer_params(plan, plan.augment, SEED), "name": "augmentation", "ntop": len(tops), **rules}
        made = Function("Python", tuple(n[name_original(top)] for top in tops), params).tops
        for name, top in zip(tops, made, strict=True):
            n[name] = top


class _Layer(NamedTuple):
    type_name: str
    tops: list[str]
    params: dict[str, Any]


def _add(n: NetSpec, layer: _Layer, **rules: Any) -> None:
    made = Function(layer.type_name, (), {"ntop": len(layer.tops), **layer.params, **rules}).tops
    for name, top in zip(layer.tops, made, strict=True):
        n[name] = top
    for name in layer.tops:
        if name.endswith(_NUMBER):
            n[f"silence_{name}"] = L.Silence(n[name], ntop=0)


def _add_twin(n: NetSpec, layer: _Layer, **rules: Any) -> None:
    """Add a layer of another phase that makes the same blobs; it has no Tops, because a NetSpec has each name once."""
    twin = {"ntop": 0, "name": layer.tops[0], "top": layer.tops, **layer.params, **rules}
    n[f"{layer.tops[0]}_val"] = Function(layer.type_name, (), twin)


def _make_python_layers(plan: BuildPlan, phase: str) -> Iterator[_Layer]:
    dataset = plan.net.dataset
    if not dataset.readers:
        raise NetError(plan.net.name, "has no Python data layer", "use `data` lmdb or `data` image")
    reader, split = dataset.readers[phase == "val"]
    if plan.batch != 1:
        raise NetError(reader.name, f"reads one image at a time, not {plan.batch}", "use `data` lmdb")
    if plan.mean != dataset.mean and "mean" not in reader.takes:
        raise NetError(reader.name, "brings its own mean", "use `data` lmdb to set one")
    more = {"mean": plan.mean, "tops": [dataset.reads.get(top, top) for top in dataset.tops]}
    param = {
        **{name: f"{plan.source or plan.net.source}/{folder}" for name, folder in reader.folders.items()},
        "split": split,
        "seed": SEED,
        **{name: more[name] for name in reader.takes},
    }
    layer = {"module": reader.module, "layer": reader.name, "param_str": repr(param)}
    yield _Layer("Python", dataset.tops, layer)


def _make_lmdb_layers(plan: BuildPlan, phase: str) -> Iterator[_Layer]:
    for tops, source in _list_sources(plan, phase):
        where = {"source": source} if plan.source or not plan.digits_form else {}  # DIGITS fills it in
        params = {**where, "batch_size": plan.batch, "backend": P.Data.LMDB, **_make_transform(plan, tops)}
        yield _Layer("Data", tops, params)


def _make_image_layers(plan: BuildPlan, phase: str) -> Iterator[_Layer]:
    for tops, source in _list_sources(plan, phase):
        colour = {} if plan.net.dataset.images.get(tops[0]) == 3 else {"is_color": False}
        params = {"source": f"{source}.txt", "batch_size": plan.batch, **colour, **_make_transform(plan, tops)}
        yield _Layer("ImageData", [*tops, tops[0] + _NUMBER][:2], params)


_NUMBER = "_number"  # ends the name of ImageData's second blob, which no layer reads

DATA_LAYERS: dict[str, Callable[[BuildPlan, str], Iterator[_Layer]]] = {
    "lmdb": _make_lmdb_layers,
    "image": _make_image_layers,
    "python": _make_python_layers,
}


def _list_sources(plan: BuildPlan, phase: str) -> Iterator[tuple[list[str], str]]:
    """The blobs of each layer, and its database under the name that ``caffe-fcn data`` gives it."""
    dataset = plan.net.dataset
    folder = plan.source or f"{plan.net.source}/{dataset.name}"
    if not dataset.validates and phase == "val":
        raise NetError(plan.net.name, f"{dataset.name} has no validation part", "build the data set with one")
    known = (dataset.databases or {}).get(phase, {})
    for tops in [dataset.tops] if dataset.classified else [[top] for top in dataset.tops]:
        yield tops, f"{folder}/{known.get(tops[0]) or f'{phase}_{_DATABASES.get(tops[0], tops[0])}'}"


_DATABASES = {"data": "images", "label": "labels"}


def _make_transform(plan: BuildPlan, tops: list[str]) -> dict[str, Any]:
    dataset = plan.net.dataset
    if plan.subtracts_mean or tops[0] != next(iter(dataset.images)):
        return {}
    scale = {"scale": dataset.scale} if dataset.scale != 1 else {}
    return {"transform_param": {"mean_value": list(plan.mean), **scale}}
