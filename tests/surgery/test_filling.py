"""Weights for training from scratch: the closed forms of fillers, and that real Caffe takes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import PyCaffe
from command import Ran

from caffe_fcn.weights import open_weights

NET = """
input: "data" input_shape { dim: 1 dim: 8 dim: 16 dim: 16 }
layer { name: "bare" type: "Convolution" bottom: "data" top: "bare"
  convolution_param { num_output: 400 kernel_size: 5 } }
layer { name: "filled" type: "Convolution" bottom: "bare" top: "filled"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "constant" value: 0.5 } } }
layer { name: "score_pool" type: "Convolution" bottom: "bare" top: "score_pool"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "filled" top: "upscore"
  convolution_param { num_output: 3 kernel_size: 4 stride: 2 bias_term: false } }
"""


@pytest.fixture
def start(tmp_path: Path, cli: Callable[..., Ran]) -> Path:
    (tmp_path / "net.prototxt").write_text(NET)
    assert (
        cli("surgery", "fill", "--to-net", tmp_path / "net.prototxt", "-o", tmp_path / "start.caffemodel").status == 0
    )
    return tmp_path / "start.caffemodel"


def test_a_layer_without_a_filler_gets_that_of_he_et_al(start: Path) -> None:
    """A normal distribution of variance 2 / fan-in; its standard deviation is known to 1 / sqrt(2 n)."""
    with open_weights(start) as weights:
        values = {layer.name: [tensor.load() for tensor in layer.tensors] for layer in weights.layers}
    bare, bias = values["bare"]
    expected = math.sqrt(2 / (8 * 5 * 5))
    assert abs(bare.std() - expected) < 5 * expected / math.sqrt(2 * bare.size)
    assert abs(bare.mean()) < 5 * expected / math.sqrt(bare.size)
    assert not bias.any()
    np.testing.assert_array_equal(values["filled"][0], 0.5)
    assert not values["score_pool"][0].any()
    line = np.array([0.25, 0.75, 0.75, 0.25])
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(values["upscore"][0][row, column], np.outer(line, line) * (row == column))


def test_real_caffe_takes_them(start: Path, pycaffe: PyCaffe) -> None:
    source = """
        net = caffe.Net(str(inputs['net']), str(inputs['weights']), caffe.TEST)
        outputs['bare'] = net.params['bare'][0].data
    """
    theirs = pycaffe(source, net=start.with_name("net.prototxt"), weights=start)["bare"]
    with open_weights(start) as weights:
        ours = {layer.name: layer.tensors for layer in weights.layers}["bare"][0].load()
    np.testing.assert_array_equal(theirs, ours)
