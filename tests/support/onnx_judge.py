"""Export a net of text with random parameters, and compare ONNX Runtime with the torch engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from drawn_weights import assert_close, draw_inputs, draw_weights

from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.exporting import OnnxModel, write_onnx

Arrays = Mapping[str, np.ndarray]


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
