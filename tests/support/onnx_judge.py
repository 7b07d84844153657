"""Export a net of text with random parameters, and compare ONNX Runtime with the torch engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from saved_weights import save

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net
from caffe_fcn.interop.onnx.comparison import run_model
from caffe_fcn.interop.onnx.exporting import OnnxModel, write_onnx

Arrays = Mapping[str, np.ndarray]


class Exported:
    """A net, random weights of it, and its ONNX model in ``folder``; parameters that must be positive are."""

    def __init__(self, text: str, folder: Path, **options: object) -> None:
        message = proto.NetParameter()
        proto.parse(text, message)
        (folder / "deploy.prototxt").write_text(text)
        drawn = Net(message, literal=True)
        random = np.random.default_rng(0)
        values = {name: list(_draw(drawn, name, random)) for name in drawn.params}
        self.weights = save(folder / "net.caffemodel", message, values)
        self.net = Net(message, weights=self.weights, literal=True)
        self.made: OnnxModel = write_onnx(folder / "deploy.prototxt", self.weights, folder / "net.onnx", **options)
        onnx.checker.check_model(str(self.made.files[0]), full_check=True)

    def assert_equal(self, inputs: Arrays | None = None) -> None:
        """Both give the same to 1e-5 of the largest value (an input for every blob that the model takes)."""
        random = np.random.default_rng(1)
        given = {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in self.net.inputs.items()}
        given |= inputs or {}
        found = run_model(self.made.files[0], {name: given[name] for name in self.made.inputs})
        wanted = self.net.forward(**given)
        assert found.keys() <= wanted.keys() and found
        for name, values in found.items():
            expected = wanted[name].numpy()
            assert values.shape == expected.shape, name
            finite = np.abs(expected[np.isfinite(expected)])
            np.testing.assert_allclose(
                values, expected, rtol=1e-5, atol=1e-5 * max(finite.max(initial=0), 1), err_msg=name
            )


def _draw(net: Net, name: str, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Random parameters that keep blobs at the size of the image's values, so that no softmax is all or nothing."""
    for blob in net.params[name]:
        shape = tuple(blob.shape)
        values = random.normal(0, 1, shape).astype(np.float32) / np.float32(max(np.prod(shape[1:]), 1) ** 0.5)
        yield np.abs(values) + 0.1 if net.layers[name].site.layer.type in ("BatchNorm", "BN") else values
