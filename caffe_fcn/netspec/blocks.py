"""The blocks that nets repeat: one or several layers.

A function whose name says what it makes (`conv_relu`) returns Tops without names. One that takes the NetSpec adds its
layers under the names that it is given, and returns the Top of the last.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.spec import NetSpec, Top
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


def add_norm(
    n: NetSpec, bottom: Top, name: str, scale: str, relu: str = "", eps: float | None = None, in_place: bool = True
) -> Top:
    """Add batch normalization by statistics that do not change, a scale and shift, and a ReLU where it has a name.

    The layers work in place on the bottom, or, without ``in_place``, on the blob of the first.
    """
    settings = {"use_global_stats": True} if eps is None else {"use_global_stats": True, "eps": eps}
    n[name] = L.BatchNorm(bottom, in_place=in_place, **settings)
    n[scale] = top = L.Scale(n[name], in_place=True, bias_term=True)
    if relu:
        n[relu] = top = L.ReLU(top, in_place=True)
    return top


def segnets_norm(bottom: Top, shift: float, training: bool, **more: Any) -> Top:
    """SegNet's BN: it learns with the statistics of the batch, and has them in scale and shift where it does not learn.

    ``shift`` is what the shift begins with.
    """
    mode = {} if training else {"bn_mode": P.BN.INFERENCE}
    top: Top = L.BN(
        bottom,
        param=[{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 1, "decay_mult": 0}],
        scale_filler={"type": "constant", "value": 1},
        shift_filler={"type": "constant", "value": shift},
        **mode,
        **more,
    )
    return top


def add_fully_connected(n: NetSpec, name: str, bottom: Top, kernel: int, training: bool, **more: Any) -> Top:
    """Add the fully connected layer fc``name`` as a convolution, its ReLU, and in training its dropout."""
    n[f"fc{name}"], top = conv_relu(bottom, 4096, kernel, pad=0, **more)
    n[f"relu{name}"] = top
    if training:
        n[f"drop{name}"] = top = dropout(top)
    return top


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
