"""One net that sees images of many sizes in turn has the shapes of each, however many there were between."""

from __future__ import annotations

import numpy as np
import pytest
from prototxts import input_layer, layer
from torch_judge import parse_net

from caffe_fcn.engines.torch import Net
from caffe_fcn.errors import NetError

CONVOLUTION = layer(
    "Convolution", "data", "y", "convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 }", "y"
)
SIZES = [(height, width) for height in range(5, 14) for width in range(5, 14)]


def test_shapes_are_those_of_each_image() -> None:
    net = Net(parse_net(input_layer("data", 1, 3, 20, 20) + CONVOLUTION))
    for height, width in [*SIZES, *SIZES[::-1], *SIZES]:
        found = net.forward(data=np.ones((1, 3, height, width), np.float32))["y"]
        expected = (1, 2, (height - 1) // 2 + 1, (width - 1) // 2 + 1)
        assert tuple(found.shape) == net.output_shapes["y"] == expected
        assert net.inputs["data"] == (1, 3, height, width)


def test_a_size_that_does_not_fit_is_refused_each_time() -> None:
    text = layer("InnerProduct", "data", "y", "inner_product_param { num_output: 2 }", "y")
    net = Net(parse_net(input_layer("data", 1, 3, 4, 4) + text))
    for _ in range(2):
        with pytest.raises(NetError, match="would need parameters 2x75"):
            net.forward(data=np.ones((1, 3, 5, 5), np.float32))
        assert tuple(net.forward(data=np.ones((2, 3, 4, 4), np.float32))["y"].shape) == (2, 2)
