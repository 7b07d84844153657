"""Whether an ONNX model computes what its net computes: ONNX Runtime and the torch engine run both on random images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from caffe_fcn import engines
from caffe_fcn.description.model_json import Input
from caffe_fcn.errors import EngineError, MissingExtraError
from caffe_fcn.files import PathLike, write_text
from caffe_fcn.interop.choices import Choice, Values, give_choices
from caffe_fcn.interop.onnx.exporting import OnnxModel
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Shape, layer_type
from caffe_fcn.proto import NetParameter, to_text
from caffe_fcn.weights import read_mean

TOLERANCE = 1e-4
"""Of the largest value of an output: sums of some thousand products in another order stay far below it."""

_SIGMOID_ROUNDING = 2e-7
"""Of a sigmoid by ONNX Runtime, however small the sigmoid is: all of 1e-4 and less would be found different."""


@dataclass(frozen=True)
class ComparedBlob:
    """The largest difference in an output, relative to its largest value in the net."""

    blob: str
    shape: Shape
    difference: float

    @property
    def ok(self) -> bool:
        """Whether the model computes what the net computes."""
        return self.difference <= TOLERANCE


def run_model(path: PathLike, inputs: Mapping[str, Values], also: Sequence[str] = ()) -> dict[str, Values]:
    """Return the outputs of an ONNX model, by ONNX Runtime on the processor; and those values of nodes named ``also``.

    Raises `MissingExtraError` without ONNX Runtime, `EngineError` where it does not take the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("ONNX Runtime", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        model = _add_outputs(path, also) if also else str(path)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        values = session.run(None, dict(inputs))
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NoSuchFile,
        errors.NotImplemented,
        errors.RuntimeException,
    ) as error:
        raise EngineError(path, f"ONNX Runtime refuses it: {str(error).splitlines()[0]}") from error
    return dict(zip([each.name for each in session.get_outputs()], values, strict=True))


def _add_outputs(path: PathLike, names: Sequence[str]) -> bytes:
    """The model, with further values of its nodes as outputs."""
    import onnx

    model = onnx.load(str(path))
    known = {each.name for each in model.graph.output}
    made = {name for node in model.graph.node for name in node.output}
    for name in dict.fromkeys(names):
        if name in made and name not in known:
            model.graph.output.add(name=name)
    data: bytes = model.SerializeToString()
    return data


def compare_model(model: OnnxModel, weights: PathLike, *, seed: int = 0) -> list[ComparedBlob]:
    """Compare all outputs of a model with those of its net with these weights, on a batch of random pixels.

    Raises what `run_model` and `engines.load` raise.
    """
    pixels = draw_inputs(model.net, model.inputs, seed)
    values = run_model(model.files[0], pixels, also=[name for each in model.choices for name in _list_values(*each)])
    choices = [
        Choice(*({blob: values[name] for blob, name in each.items() if name in values} for each in choice))
        for choice in model.choices
    ]
    net, given = give_choices(model.net, choices)
    scored = {layer.top[0]: layer.bottom[0] for layer in net.layer if layer.type == "ArgMax"}
    images = pixels | {each.blob: _prepare(each, pixels[each.blob], model.folder) for each in model.prepared}
    found = {name: values[name] for name in model.outputs}
    for choice in choices:
        found |= {**choice.bottoms, **choice.tops}
    chosen = {name for choice in choices for name in choice.tops}
    roundings = find_roundings(net)
    wanted = run_net(net, weights, images | given, [*scored.values(), *found])
    result = []
    for name, each in found.items():
        if name in scored and each.ndim == wanted[scored[name]].ndim:
            result.append(_compare_classes(name, each, wanted[scored[name]]))
        elif name in chosen:
            result.append(compare_rows(name, each, wanted[name]))
        else:
            result.append(compare_values(name, each, wanted[name], roundings.get(name, 0.0)))
    return result


def find_roundings(net: NetParameter) -> dict[str, float]:
    """By how much ONNX Runtime's values of each blob may be wrong, apart from sums in another order."""
    return {top: _SIGMOID_ROUNDING if layer.type == "Sigmoid" else 0.0 for layer in net.layer for top in layer.top}


def draw_inputs(net: NetParameter, shapes: Mapping[str, Shape], seed: int) -> dict[str, Values]:
    """Random pixels for each input of a net; an input of regions gets regions of the first image."""
    random = np.random.default_rng(seed)
    drawn = {name: random.integers(0, 256, shape).astype(np.float32) for name, shape in shapes.items()}
    for layer in net.layer:
        index = layer_type(layer.type).regions
        if index is not None and layer.bottom[index] in drawn:
            drawn[layer.bottom[index]][:, 0] = 0
    return drawn


def _list_values(bottoms: Mapping[str, str], tops: Mapping[str, str]) -> list[str]:
    return [*bottoms.values(), *tops.values()]


def run_net(net: NetParameter, weights: PathLike, inputs: Mapping[str, Values], blobs: Sequence[str]) -> Any:
    """Return what the torch engine computes of a net: its outputs, and these blobs."""
    made = {name for layer in net.layer for name in layer.top}
    with TemporaryDirectory(prefix="caffe-fcn-") as folder:
        path = Path(folder) / "net.prototxt"
        write_text(path, to_text(net))
        with engines.load(path, weights, "torch", blobs=[name for name in blobs if name in made]) as engine:
            return engine.forward(**inputs)


def _prepare(described: Input, pixels: Values, folder: Path) -> Values:
    """What the net gets of an image of raw pixels, channels red, green, blue."""
    values = pixels[:, ::-1] if described.order == "BGR" else pixels
    if described.logarithm:
        values = np.log(values)
    given = np.reshape(described.mean or [0.0], (-1, 1, 1))
    mean = read_mean(folder / described.mean_file) if described.mean_file else given
    return np.ascontiguousarray((values - mean) * described.scale, np.float32)


def compare_values(name: str, found: Values, wanted: Values, rounding: float = 0.0) -> ComparedBlob:
    """Compare two engines' values of a blob, less ``rounding``; raises `EngineError` where the shapes differ."""
    _require_shape(name, found, wanted.shape)
    largest = float(np.abs(wanted).max(initial=0)) or 1.0
    difference = max(float(np.abs(found - wanted).max(initial=0)) - rounding, 0.0)
    return ComparedBlob(name, found.shape, difference / largest)


def compare_rows(name: str, found: Values, wanted: Values) -> ComparedBlob:
    """Compare what a layer chose in two engines, whose last axis is a row, in any order.

    The difference is that of each row from the nearest one of the other engine, relative to the largest value of each
    place of a row; infinite where the numbers of rows differ.
    """
    if found.shape != wanted.shape:
        return ComparedBlob(name, found.shape, float("inf"))
    rows, others = (values.reshape(-1, values.shape[-1]).astype(np.float64) for values in (found, wanted))
    largest = np.abs(others).max(axis=0, initial=0)
    scale = np.where(largest > 0, largest, 1)
    difference = float((np.abs(rows - others) / scale).max(initial=0))
    if difference > TOLERANCE:
        distances = (np.abs(rows[:, None] - others) / scale).max(axis=2)
        difference = float(max(distances.min(0).max(), distances.min(1).max()))
    return ComparedBlob(name, found.shape, difference)


def _compare_classes(name: str, found: Values, scores: Values) -> ComparedBlob:
    """How far the scores of the classes found are behind the best ones: of equal scores rounding decides."""
    _require_shape(name, found, (len(scores), 1, *scores.shape[2:]))
    taken = np.take_along_axis(scores, found.astype(np.int64), axis=1)
    behind = float((scores.max(axis=1, keepdims=True) - taken).max(initial=0))
    return ComparedBlob(name, found.shape, behind / (float(np.abs(scores).max(initial=0)) or 1.0))


def _require_shape(name: str, found: Values, wanted: Shape) -> None:
    if found.shape != wanted:
        raise EngineError(f"blob '{name}'", f"is {dims(found.shape)} in the model, and {dims(wanted)} in the net")
