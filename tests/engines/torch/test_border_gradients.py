"""Training with borders from a small image: the gradients of every parameter are those of the whole blobs."""

from __future__ import annotations

import pytest
from prototxts import input_layer, layer
from torch_judge import torch

from caffe_fcn import proto
from caffe_fcn.engines.torch.net import Net
from caffe_fcn.engines.torch.rewrites.border_gradients import LearningBorders

CONVOLUTION = "convolution_param {{ num_output: {} kernel_size: {} pad: {} weight_filler {{ type: 'msra' }} {} }}"
POOLING = "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"


def write_net(count: int, height: int, width: int, stride: int) -> str:
    """Layers as AlexNet's, with a skip from the first pooling, and biases that make the border count."""
    bias = "bias_filler { type: 'uniform' min: 0.5 max: 1.5 }"
    return "".join(
        [
            input_layer("x", count, 2, height, width),
            input_layer("y", count, 3, 1, 1),
            layer("Convolution", "x", "a", CONVOLUTION.format(4, 3, 29, f"stride: {stride} {bias}"), "conv1"),
            layer("ReLU", "a", "a", "", "relu1"),
            layer("Pooling", "a", "b", POOLING, "pool1"),
            layer("LRN", "b", "c", "lrn_param { local_size: 3 alpha: 0.1 }", "norm1"),
            layer("Convolution", "c", "d", CONVOLUTION.format(6, 5, 2, "group: 2 " + bias), "conv2"),
            layer("ReLU", "d", "d", "", "relu2"),
            layer("Pooling", "d", "e", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", "pool2"),
            layer("Convolution", "e", "f", CONVOLUTION.format(5, 3, 1, bias), "conv3"),
            layer("Pooling", "f", "g", "pooling_param { pool: AVE global_pooling: true }", "all"),
            layer("Pooling", "b", "h", "pooling_param { pool: AVE global_pooling: true }", "skip"),
            layer("Convolution", "g", "i", CONVOLUTION.format(3, 1, 0, ""), "fc"),
            layer("Convolution", "h", "j", CONVOLUTION.format(3, 1, 0, ""), "fc_skip"),
            layer("Eltwise", "i j", "k", "", "sum"),
            layer("EuclideanLoss", "k y", "loss", "", "loss"),
        ]
    )


@pytest.mark.parametrize(("count", "height", "width", "stride"), [(1, 17, 24, 1), (2, 22, 9, 1), (1, 40, 33, 2)])
def test_gradients_are_those_of_whole_blobs(count: int, height: int, width: int, stride: int) -> None:
    """In float64: only the order of the sums differs."""
    message = proto.NetParameter()
    proto.parse(write_net(count, height, width, stride), message)
    random = torch.Generator().manual_seed(0)
    inputs = {
        "x": torch.randn((count, 2, height, width), generator=random, dtype=torch.float64),
        "y": torch.randn((count, 3, 1, 1), generator=random, dtype=torch.float64),
    }
    literal, ours = (Net(message, "train", dtype=torch.float64, literal=each) for each in (True, False))
    for net in (literal, ours):
        net.compute_gradients(**inputs)
    (program,) = ours._programs.values()
    (borders,) = (each.operation for each in program if isinstance(each.operation, LearningBorders))
    (plan,) = borders._plans.values()
    assert plan.windows.is_worthwhile and len(plan.windows.bordered) >= 3
    torch.testing.assert_close(ours.loss(), literal.loss(), rtol=1e-12, atol=0)
    for one, other in zip(ours.learnable, literal.learnable, strict=True):
        assert one.tensor.grad is not None
        torch.testing.assert_close(one.tensor.grad, other.tensor.grad, rtol=1e-9, atol=1e-12)
