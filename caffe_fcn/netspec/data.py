"""Where images and labels come from: the layers that every net begins with.

A deploy net has an `Input` layer. For training, ``python`` stands for the reference's own Python layers, ``lmdb``
for a pair of databases as ``caffe-fcn data`` writes them, ``image`` for lists of files (labels as grey PNG). A net
that holds all phases has each layer twice, once per phase, under one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.plan import Plan
from caffe_fcn.netspec.spec import Function, NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P
from caffe_fcn.proto import TEST, TRAIN

SEED = 1337


def inputs(n: NetSpec, plan: Plan) -> None:
    """Lay the data layers; afterwards ``n`` has a Top for each image and, while there is a loss, each label."""
    if plan.phase == "deploy":
        images = plan.net.dataset.images
        shapes = [{"dim": [plan.batch, channels, *plan.size]} for channels in images.values()]
        _lay(n, _Layer("Input", list(images), {"shape": shapes, "name": "input"}))
    elif plan.phase == "all":
        for layer in _KINDS[plan.data](plan, "train"):
            _lay(n, layer, include={"phase": TRAIN})
        for layer in _KINDS[plan.data](plan, "val"):
            _lay_again(n, layer, include={"phase": TEST})
    else:
        for layer in _KINDS[plan.data](plan, plan.phase):
            _lay(n, layer)


def image(n: NetSpec, plan: Plan, name: str = "data") -> Top:
    """An image as the trunk wants it: a net of DIGITS's form subtracts one mean for all channels by itself."""
    if not plan.shifted:
        return n[name]
    scale = plan.net.dataset.scale
    layer = "shift" if name == "data" else f"shift_{name}"
    n[f"{name}_preprocessed"] = top = L.Power(n[name], shift=-plan.mean[0] * scale, scale=scale, name=layer)
    return top


class _Layer(NamedTuple):
    type_name: str
    tops: list[str]
    params: dict[str, Any]


def _lay(n: NetSpec, layer: _Layer, **rules: Any) -> None:
    made = Function(layer.type_name, (), {"ntop": len(layer.tops), **layer.params, **rules}).tops
    for name, top in zip(layer.tops, made, strict=True):
        n[name] = top
    for name in layer.tops:
        if name.endswith(_NUMBER):
            n[f"silence_{name}"] = L.Silence(n[name], ntop=0)


def _lay_again(n: NetSpec, layer: _Layer, **rules: Any) -> None:
    """The same blobs from the layer of another phase: a NetSpec knows a name but once, so it gets no Tops."""
    twin = {"ntop": 0, "name": layer.tops[0], "top": layer.tops, **layer.params, **rules}
    n[f"{layer.tops[0]}_val"] = Function(layer.type_name, (), twin)


def _python(plan: Plan, phase: str) -> Iterator[_Layer]:
    dataset = plan.net.dataset
    if not dataset.readers:
        raise NetError(plan.net.name, "has no Python data layer", "use --data lmdb or --data image")
    reader, split = dataset.readers[phase == "val"]
    if plan.batch != 1:
        raise NetError(reader.name, f"reads one image at a time, not {plan.batch}", "use --data lmdb")
    if plan.mean != dataset.mean and "mean" not in reader.takes:
        raise NetError(reader.name, "brings its own mean", "use --data lmdb to set one")
    more = {"mean": plan.mean, "tops": [dataset.reads.get(top, top) for top in dataset.tops]}
    param = {
        **{name: f"{plan.source or plan.net.source}/{folder}" for name, folder in reader.folders.items()},
        "split": split,
        "seed": SEED,
        **{name: more[name] for name in reader.takes},
    }
    layer = {"module": reader.module, "layer": reader.name, "param_str": repr(param)}
    yield _Layer("Python", dataset.tops, layer)


def _lmdb(plan: Plan, phase: str) -> Iterator[_Layer]:
    for tops, source in _sources(plan, phase):
        where = {"source": source} if plan.source or not plan.digits else {}  # DIGITS fills it in
        params = {**where, "batch_size": plan.batch, "backend": P.Data.LMDB, **_transform(plan, tops)}
        yield _Layer("Data", tops, params)


def _image(plan: Plan, phase: str) -> Iterator[_Layer]:
    for tops, source in _sources(plan, phase):
        colour = {} if plan.net.dataset.images.get(tops[0]) == 3 else {"is_color": False}
        params = {"source": f"{source}.txt", "batch_size": plan.batch, **colour, **_transform(plan, tops)}
        yield _Layer("ImageData", [*tops, tops[0] + _NUMBER][:2], params)


_NUMBER = "_number"  # what ImageData makes besides the image, and nobody reads

_KINDS: dict[str, Callable[[Plan, str], Iterator[_Layer]]] = {
    "lmdb": _lmdb,
    "image": _image,
    "python": _python,
}
KINDS = tuple(_KINDS)


def _sources(plan: Plan, phase: str) -> Iterator[tuple[list[str], str]]:
    """The blobs of each layer, and the database that they come from, named as ``caffe-fcn data`` names it."""
    dataset = plan.net.dataset
    folder = plan.source or f"{plan.net.source}/{dataset.name}"
    for tops in [dataset.tops] if dataset.classified else [[top] for top in dataset.tops]:
        yield tops, f"{folder}/{phase}_{_DATABASES.get(tops[0], tops[0])}"


_DATABASES = {"data": "images", "label": "labels"}


def _transform(plan: Plan, tops: list[str]) -> dict[str, Any]:
    dataset = plan.net.dataset
    if plan.shifted or tops[0] != next(iter(dataset.images)):
        return {}
    scale = {"scale": dataset.scale} if dataset.scale != 1 else {}
    return {"transform_param": {"mean_value": list(plan.mean), **scale}}
