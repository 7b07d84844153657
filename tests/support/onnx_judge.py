"""Export a net of text with random parameters, and compare ONNX Runtime with the torch engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from drawn_weights import assert_close, draw_inputs, draw_weights

from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.exporting import OPSETS, OnnxModel, write_onnx

Arrays = Mapping[str, np.ndarray]

# By the first release of ONNX Runtime that knows it: onnxruntime.ai/docs/reference/compatibility.html, but that 1.15
# has no Cast of operator set 19
_NEWEST_OPSETS = {(1, 15): 18, (1, 16): 19, (1, 17): 20, (1, 18): 21}
_RELEASE = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
_NEWEST = max(opset for release, opset in _NEWEST_OPSETS.items() if release <= _RELEASE)

KNOWN_OPSETS = [opset for opset in OPSETS if opset <= _NEWEST]
"""The operator sets that can be written and that the installed ONNX Runtime knows."""


class Exported:
    """A net, random weights of it, and its ONNX model in ``folder``; parameters that must be positive are."""

    def __init__(self, text: str, folder: Path, **options: object) -> None:
        self.net, self.weights = draw_weights(text, folder)
        self.made: OnnxModel = write_onnx(folder / "deploy.prototxt", self.weights, folder / "net.onnx", **options)
        onnx.checker.check_model(str(self.made.files[0]), full_check=True)

    def assert_equal(self, inputs: Arrays | None = None) -> None:
        """Both give the same to 1e-5 of the largest value (an input for every blob that the model takes)."""
        given = draw_inputs(self.net) | dict(inputs or {})
        found = run_model(self.made.files[0], {name: given[name] for name in self.made.inputs})
        assert_close(found, self.net.forward(**given))
