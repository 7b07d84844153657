"""From a name to prototxts: what was asked for, checked; the net; its solver; the files of both.

    build("voc-fcn8s", "train", classes=2, data="lmdb", source="../data/roads")     # a NetParameter
    files("nyud-fcn32s-color")        # trainval.prototxt, test.prototxt, deploy.prototxt, solver.prototxt

The options are those of ``caffe-fcn net build``:

- ``classes``: a number, or one for each labelling that the net learns
- ``data``: "lmdb", "image" or "python"; ``source``: the folder of the data, as seen from the net's own
- ``mean``: a figure for each channel (B, G, R), or one for all; ``batch``: images at a time
- ``size``: (H, W) of the deploy net's input
- ``pad``: the first convolution's padding, or "auto" for the smallest that does for images of ``size`` and up,
  or without ``size`` of any size
- ``loss`` (triangles), ``variant`` (m2nist-fcn)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from caffe_fcn import files as disk
from caffe_fcn import proto
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net import padding
from caffe_fcn.netspec.catalogue import NETS
from caffe_fcn.netspec.data import KINDS
from caffe_fcn.netspec.plan import IMAGENET_MEAN, PHASES, Net, Plan
from caffe_fcn.netspec.spec import NetSpec
from caffe_fcn.proto import NetParameter, SolverParameter

_WIDE = 100  # a padding with which every net of the catalogue aligns, to plan a smaller one from

_DIGITS_MEAN = (116.0,)


def catalogue() -> dict[str, Net]:
    """Every net by its name."""
    return {net.name: net for net in NETS}


def build(name: str | Net, phase: str, **options: Any) -> NetParameter:
    """The net of a phase: "train", "val", "deploy", or "all" for one net that holds all three.

    For the options see the module. Raises `NetError` for a name, an option or a value that does not exist, and
    `OffsetError` where the padding is too small for a crop.
    """
    return _built(_planned(_net(name), _phase(phase), options))


def solver(name: str | Net, **options: Any) -> SolverParameter:
    """The solver of a net; it names the net's files as `files` does."""
    net = _net(name)
    plan = _planned(net, "train", {**options, "pad": None})
    train, val = (f"{split}.prototxt" for split in net.dataset.splits)
    nets = {"net": "all.prototxt", "test_state": [{"stage": ["val"]}]}
    own = next(iter(net.choices.values()), {}).get(plan.choice, net.solver)
    return SolverParameter(**(nets if net.digits else {"train_net": train, "test_net": [val]}), **own)


def files(name: str | Net, **options: Any) -> dict[str, NetParameter | SolverParameter]:
    """All prototxts of a net by file name, those of the reference: its phases, and the solver last."""
    net = _net(name)
    names = {**dict(zip(("train", "val"), net.dataset.splits, strict=True)), "deploy": "deploy"}
    if net.all_in_one:
        names["all"] = "all"
    settled = _settled(net, options)
    nets = {f"{file}.prototxt": build(name, phase, **settled) for phase, file in names.items()}
    return {**nets, "solver.prototxt": solver(name, **settled)}


def write(name: str | Net, folder: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write `files` into ``folder``, and make the folder that the solver's snapshots go to; returns their paths.

    All of them appear, or none where one fails to build or to be written; raises `FileError` besides what `build`
    raises.
    """
    messages = files(name, **options)
    into = Path(folder)
    prefix = into / cast(SolverParameter, messages["solver.prototxt"]).snapshot_prefix
    with disk.make_folder(into), disk.make_folder(prefix.parent), disk.write_together():
        for file, message in messages.items():
            disk.write_text(into / file, proto.to_text(message))
    return [into / file for file in messages]


def _built(plan: Plan) -> NetParameter:
    n = NetSpec()
    plan.net.lay(n, plan)
    net = n.to_proto()
    if plan.net.filler:
        for layer in net.layer:
            if layer.type == "Convolution" and not layer.name.startswith("score"):
                layer.convolution_param.weight_filler.type = plan.net.filler
    return net


def _net(name: str | Net) -> Net:
    if isinstance(name, Net):
        return name
    known = catalogue()
    if name not in known:
        raise NetError(name, "the catalogue has no such net", nearest(name, known) or "see caffe-fcn net list")
    return known[name]


def _phase(name: str) -> str:
    phase = {"trainval": "train", "test": "val"}.get(name, name)
    if phase not in PHASES:
        raise NetError("phase", f"no phase {name!r}", nearest(name, PHASES) or f"one of {', '.join(PHASES)}")
    return phase


def _planned(net: Net, phase: str, options: Mapping[str, Any]) -> Plan:
    given = {name: value for name, value in _settled(net, options).items() if value is not None}
    for name in given.keys() - _CHECKS.keys() - net.choices.keys():
        known = [*_CHECKS, *net.choices]
        raise NetError(net.name, f"has no option '{name}'", nearest(name, known) or f"it has {', '.join(known)}")
    asked = {name: _CHECKS[name](net, given[name]) for name in _CHECKS if name in given}
    data = asked.get("data", "lmdb" if phase == "all" else net.data)
    shifts = (net.digits or phase == "all") and data != "python" and net.dataset.mean == IMAGENET_MEAN
    return Plan(
        net,
        phase,
        asked.get("classes", net.classes),
        data,
        asked.get("source"),
        asked.get("mean", _DIGITS_MEAN if shifts else net.dataset.mean),
        asked.get("size", net.dataset.size),
        asked.get("batch", 1 if phase == "deploy" else net.batch),
        asked.get("pad"),
        _choice(net, given),
    )


def _settled(net: Net, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a number for ``pad="auto"``."""
    if options.get("pad") != "auto":
        return dict(options)
    draft = _planned(net, "deploy", {**options, "pad": _WIDE})
    built = _built(draft)
    if all(layer.type != "Crop" for layer in built.layer):
        raise NetError(net.name, "has no Crop that a padding would have to fit", "give pad a number")
    smallest = (1, 1) if options.get("size") is None else draft.size
    return {**options, "pad": padding.plan(built, smallest).pad}


def _choice(net: Net, given: Mapping[str, Any]) -> str:
    for name, values in net.choices.items():
        usual = "softmax" if "softmax" in values and "classes" in given else next(iter(values))
        value = given.get(name, usual)
        if value not in values:
            mend = nearest(str(value), values) or f"one of {', '.join(values)}"
            raise NetError(net.name, f"has no {name} {value!r}", mend)
        if "classes" in given and "softmax" in values and value != "softmax":
            raise NetError(net.name, f"has no classes with {name} {value}", f"{name} softmax has")
        return str(value)
    return ""


def _classes(net: Net, value: Any) -> tuple[int, ...]:
    numbers = _several("classes", value, 1)
    if len(numbers) > len(net.classes):
        raise NetError(net.name, f"learns {len(net.classes)} labelling(s), not {len(numbers)}", "give as many numbers")
    return (*numbers, *net.classes[len(numbers) :])


def _mean(net: Net, value: Any) -> tuple[float, ...]:
    figures = _listed(value)
    channels = next(iter(net.dataset.images.values()))
    numeric = all(isinstance(each, int | float) and math.isfinite(each) for each in figures)
    if len(figures) not in (1, channels) or not numeric:
        raise NetError("mean", f"{value!r} does not fit {channels} channel(s)", "give one figure, or one per channel")
    return tuple(map(float, figures))


def _size(net: Net, value: Any) -> tuple[int, int]:
    numbers = _several("size", value, 1)
    if len(numbers) != 2:
        raise NetError("size", f"cannot be {value!r}", "it is (height, width)")
    return numbers[0], numbers[1]


def _data(net: Net, value: Any) -> str:
    if value not in KINDS:
        raise NetError("data", f"no data layers {value!r}", nearest(str(value), KINDS) or f"one of {', '.join(KINDS)}")
    return str(value)


def _number(name: str, least: int) -> Callable[[Net, Any], int]:
    def check(net: Net, value: Any) -> int:
        if len(_listed(value)) != 1:
            raise NetError(name, f"cannot be {value!r}", "it takes one number")
        return _several(name, value, least)[0]

    return check


def _several(name: str, value: Any, least: int) -> tuple[int, ...]:
    numbers = _listed(value)
    if not numbers or any(type(each) is not int or not least <= each <= _MOST for each in numbers):
        raise NetError(name, f"cannot be {value!r}", f"it takes whole numbers from {least} to {_MOST}")
    return numbers


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_MOST = 2**31 - 1  # Caffe counts in int

_CHECKS: dict[str, Callable[[Net, Any], Any]] = {
    "classes": _classes,
    "data": _data,
    "source": lambda net, value: str(value),
    "mean": _mean,
    "size": _size,
    "batch": _number("batch", 1),
    "pad": _number("pad", 0),
}
