"""Nets of text with random weights and inputs, for judges that run them in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from saved_weights import save
from torch import Tensor

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net


def draw_weights(text: str, folder: Path) -> tuple[Net, Path]:
    """Write a net as ``deploy.prototxt``, with random weights; returns the net and where its weights are."""
    message = proto.NetParameter()
    proto.parse(text, message)
    (folder / "deploy.prototxt").write_text(text)
    drawn = Net(message, literal=True)
    random = np.random.default_rng(0)
    weights = save(
        folder / "net.caffemodel", message, {name: list(_draw(drawn, name, random)) for name in drawn.params}
    )
    return Net(message, weights=weights, literal=True), weights


def _draw(net: Net, name: str, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Random parameters that keep blobs at the size of the image's values, so that no softmax is all or nothing.

    What the net fills with an interpolation stays.
    """
    for blob in net.params[name]:
        if net.layers[name].site.layer.convolution_param.weight_filler.type == "bilinear":
            yield blob.numpy()
            continue
        shape = tuple(blob.shape)
        values = random.normal(0, 1, shape).astype(np.float32) / np.float32(max(np.prod(shape[1:]), 1) ** 0.5)
        yield np.abs(values) + 0.1 if net.layers[name].site.layer.type in ("BatchNorm", "BN") else values


def draw_inputs(net: Net) -> dict[str, np.ndarray]:
    """Random values for every blob that the net takes."""
    random = np.random.default_rng(1)
    return {name: random.normal(0, 1, shape).astype(np.float32) for name, shape in net.inputs.items()}


def assert_close(found: Mapping[str, np.ndarray], wanted: Mapping[str, Tensor]) -> None:
    """All that was found is what the net gives, to 1e-5 of the largest value of each blob."""
    assert found.keys() <= wanted.keys() and found
    for name, values in found.items():
        expected = wanted[name].numpy()
        assert values.shape == expected.shape, name
        finite = np.abs(expected[np.isfinite(expected)])
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5 * max(finite.max(initial=0), 1), err_msg=name)
