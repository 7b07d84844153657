"""The pieces that every net of the family repeats, in Caffe's words."""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.spec import Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

LEARNED = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]  # weights, biases
FIXED = [{"lr_mult": 0}]


def conv_relu(bottom: Top, num_output: int, kernel: int = 3, stride: int = 1, pad: int = 1, **more: Any) -> list[Top]:
    """A convolution, and the ReLU that works in its place."""
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
    """Half of the values, while training."""
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def score(bottom: Top, classes: int, **more: Any) -> Top:
    """A score for each class at each position."""
    top: Top = L.Convolution(bottom, num_output=classes, kernel_size=1, pad=0, param=LEARNED, **more)
    return top


def upscore(bottom: Top, classes: int, kernel: int, stride: int, bilinear: bool = False, **more: Any) -> Top:
    """Scores upsampled by ``stride``, with a kernel that is not learned.

    As in the reference, surgery fills the kernel; with ``bilinear`` each class has its own, and Caffe fills it.
    """
    fill = {"group": classes, "weight_filler": {"type": "bilinear"}} if bilinear else {}
    convolution = {"num_output": classes, "kernel_size": kernel, "stride": stride, "bias_term": False, **fill}
    top: Top = L.Deconvolution(bottom, convolution_param=convolution, param=FIXED, **more)
    return top
