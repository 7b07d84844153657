"""Whether an ONNX model computes what its net computes: ONNX Runtime and the torch engine run both on random images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caffe_fcn import engines
from caffe_fcn.description.model_json import Input
from caffe_fcn.errors import EngineError, MissingExtraError
from caffe_fcn.files import PathLike, write_text
from caffe_fcn.interop.onnx.exporting import OnnxModel
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.layer_types import Shape
from caffe_fcn.proto import to_text
from caffe_fcn.weights import read_mean

Values: TypeAlias = NDArray[np.float32]

TOLERANCE = 1e-4
"""Of the largest value of an output: sums of some thousand products in another order stay far below it."""


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


def run_model(path: PathLike, inputs: Mapping[str, Values]) -> dict[str, Values]:
    """Return the outputs of an ONNX model, by ONNX Runtime on the processor.

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
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
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


def compare_model(model: OnnxModel, weights: PathLike, *, seed: int = 0) -> list[ComparedBlob]:
    """Compare all outputs of a model with those of its net with these weights, on a batch of random pixels.

    Raises what `run_model` and `engines.load` raise.
    """
    random = np.random.default_rng(seed)
    pixels = {name: random.integers(0, 256, shape).astype(np.float32) for name, shape in model.inputs.items()}
    found = run_model(model.files[0], pixels)
    scored = {layer.top[0]: layer.bottom[0] for layer in model.net.layer if layer.type == "ArgMax"}
    images = pixels | {each.blob: _prepare(each, pixels[each.blob], model.folder) for each in model.prepared}
    with TemporaryDirectory(prefix="caffe-fcn-") as folder:
        path = Path(folder) / "net.prototxt"
        write_text(path, to_text(model.net))
        with engines.load(path, weights, "torch", blobs=list(scored.values())) as net:
            wanted = net.forward(**images)
    result = []
    for name, values in found.items():
        if name in scored and values.ndim == wanted[scored[name]].ndim:
            result.append(_compare_classes(name, values, wanted[scored[name]]))
        else:
            result.append(compare_values(name, values, wanted[name]))
    return result


def _prepare(described: Input, pixels: Values, folder: Path) -> Values:
    """What the net gets of an image of raw pixels, channels red, green, blue."""
    values = pixels[:, ::-1] if described.order == "BGR" else pixels
    if described.logarithm:
        values = np.log(values)
    given = np.reshape(described.mean or [0.0], (-1, 1, 1))
    mean = read_mean(folder / described.mean_file) if described.mean_file else given
    return np.ascontiguousarray((values - mean) * described.scale, np.float32)


def compare_values(name: str, found: Values, wanted: Values) -> ComparedBlob:
    """Compare two engines' values of a blob; raises `EngineError` where the shapes differ."""
    _require_shape(name, found, wanted.shape)
    largest = float(np.abs(wanted).max(initial=0)) or 1.0
    return ComparedBlob(name, found.shape, float(np.abs(found - wanted).max(initial=0)) / largest)


def _compare_classes(name: str, found: Values, scores: Values) -> ComparedBlob:
    """How far the scores of the classes found are behind the best ones: of equal scores rounding decides."""
    _require_shape(name, found, (len(scores), 1, *scores.shape[2:]))
    taken = np.take_along_axis(scores, found.astype(np.int64), axis=1)
    behind = float((scores.max(axis=1, keepdims=True) - taken).max(initial=0))
    return ComparedBlob(name, found.shape, behind / (float(np.abs(scores).max(initial=0)) or 1.0))


def _require_shape(name: str, found: Values, wanted: Shape) -> None:
    if found.shape != wanted:
        raise EngineError(f"blob '{name}'", f"is {dims(found.shape)} in the model, and {dims(wanted)} in the net")
