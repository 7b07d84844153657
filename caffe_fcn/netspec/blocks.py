"""The blocks that the nets of the FCN family repeat: each function makes one or two layers and returns their Tops."""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.spec import Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

# Values of ``param``: the biases learn twice as fast as the weights and do not decay, or nothing learns.
WEIGHT_AND_BIAS = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
FROZEN = [{"lr_mult": 0}]


def conv_relu(bottom: Top, num_output: int, kernel: int = 3, stride: int = 1, pad: int = 1, **more: Any) -> list[Top]:
    """A convolution, and a ReLU in place."""
    conv = L.Convolution(bottom, num_output=num_output, kernel_size=kernel, stride=stride, pad=pad, **more)
    return [conv, L.ReLU(conv, in_place=True)]


def max_pool(bottom: Top, kernel: int = 2, stride: int = 2, **more: Any) -> Top:
    """The maximum of each window."""
    top: Top = L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=kernel, stride=stride, **more)
    return top


def lrn(bottom: Top) -> Top:
    """AlexNet's local response normalization."""
    return L.LRN(bottom, local_size=5, alpha=1e-4, beta=0.75)


def dropout(bottom: Top) -> Top:
    """Drop half of the values in training, in place."""
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def score(bottom: Top, classes: int, **more: Any) -> Top:
    """A score for each class at each position."""
    top: Top = L.Convolution(bottom, num_output=classes, kernel_size=1, pad=0, param=WEIGHT_AND_BIAS, **more)
    return top


def upscore(bottom: Top, classes: int, kernel: int, stride: int, bilinear: bool = False, **more: Any) -> Top:
    """Scores upsampled by ``stride``, with a kernel that is not learned.

    Net surgery fills the kernel, as in the reference. With ``bilinear`` each class has a kernel of its own, and Caffe
    fills it.
    """
    fill = {"group": classes, "weight_filler": {"type": "bilinear"}} if bilinear else {}
    convolution = {"num_output": classes, "kernel_size": kernel, "stride": stride, "bias_term": False, **fill}
    top: Top = L.Deconvolution(bottom, convolution_param=convolution, param=FROZEN, **more)
    return top
