"""Small nets that train in minutes: triangles filled from their outlines, and digits found among digits.

Each keeps every pixel's place without a Crop, at its own padding and on images whose size its stride divides.
Where another padding is asked for it crops, by an offset that follows from the layers.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn import offsets
from caffe_fcn.netspec.blocks import conv_relu, max_pool
from caffe_fcn.netspec.data import image, inputs
from caffe_fcn.netspec.heads import IGNORED
from caffe_fcn.netspec.plan import Plan, Trunk
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_NARROW: dict[str, Any] = {"weight_filler": {"type": "gaussian", "std": 0.001}}
_SLOW_BIAS = [{"lr_mult": 1}, {"lr_mult": 0.1}]
_GLOROT: dict[str, Any] = {"weight_filler": {"type": "xavier", "variance_norm": "AVERAGE"}}

_LOSSES = {"l2": L.EuclideanLoss, "l1": L.L1Loss}


def triangles(n: NetSpec, plan: Plan) -> None:
    """Every patch of 16 x 16 pixels drawn anew from 1024 features: as grey values, or as scores of ink and paper.

    With the loss l1 it is the net of DIGITS's example, under its names: ``upsample``, which nothing fills and whose
    bias learns as fast as its kernel, and ``lossL1``; weights trained there fit by name. The others call these
    ``score`` and ``loss``, as all nets of the catalogue do, and fill the kernel, without which Adam does not start.
    Unlike the example all have a transformation that subtracts the mean, for DIGITS does that itself.
    """
    inputs(n, plan)
    features = plan.features(n, image(n, plan))
    grey: dict[str, Any] = {"bias_filler": {"type": "constant", "value": 128}}
    if plan.choice == "softmax":
        _drawn(n, plan, features, plan.classes[0], 16, 16, param=_SLOW_BIAS, **_NARROW)
    elif plan.choice == "l1":
        _drawn(n, plan, features, 1, 16, 16, param=_SLOW_BIAS[:1], name="upsample", **grey)
    else:
        _drawn(n, plan, features, 1, 16, 16, param=_SLOW_BIAS, **_NARROW, **grey)
    if plan.training and plan.choice == "softmax":
        n.paper = L.Threshold(n.label, threshold=127.5, **plan.but("deploy"))
        n.loss = L.SoftmaxWithLoss(n.score, n.paper, **plan.but("deploy"))
    elif plan.training:
        drawn = n.upsample if plan.choice == "l1" and plan.pad is None else n.score
        n["lossL1" if plan.choice == "l1" else "loss"] = _LOSSES[plan.choice](drawn, n.label, **plan.but("deploy"))


def _patches(n: NetSpec, bottom: Top, pad: int, training: bool) -> Top:
    n.conv1, n.relu1 = conv_relu(bottom, 32, 3, pad=pad, param=_SLOW_BIAS, **_NARROW)
    n.conv2, n.relu2 = conv_relu(n.relu1, 1024, 16, stride=16, pad=0, param=_SLOW_BIAS, **_NARROW)
    return n.relu2


def digit(n: NetSpec, plan: Plan) -> None:
    """The MNIST classifier: which digit it is, in 28 x 28 pixels.

    Its databases, train_images and val_images, are those that Caffe's convert_mnist_data writes.
    """
    inputs(n, plan)
    n.dense32 = L.InnerProduct(plan.features(n, image(n, plan)), num_output=32, **_GLOROT)
    n.relu3 = L.ReLU(n.dense32, in_place=True)
    n.score = L.InnerProduct(n.relu3, num_output=plan.classes[0], name=f"dense{plan.classes[0]}", **_GLOROT)
    _judged(n, plan)


def digits(n: NetSpec, plan: Plan) -> None:
    """The digits of M2NIST, by the classifier's encoder.

    In the published net a new 1x1 convolution stands for dense32. Convolutionalized, dense32 keeps its weights as
    a 5x5 convolution, and 8 pixels of padding give back the 2 of stride 4 that it takes from each border.
    """
    inputs(n, plan)
    if plan.choice == "published":
        n.conv3, n.relu3 = conv_relu(plan.features(n, image(n, plan)), 32, 1, pad=0, **_GLOROT)
    else:
        pad = 8 if plan.pad is None else plan.pad
        n.dense32, n.relu3 = conv_relu(_encoder(n, image(n, plan), pad, plan.training), 32, 5, pad=0, **_GLOROT)
    n.score_fr = L.Convolution(n.relu3, num_output=plan.classes[0], kernel_size=1, **_GLOROT)
    convolution = {"num_output": plan.classes[0], "kernel_size": 4, "stride": 2, **_GLOROT}
    n.upscore2 = L.Deconvolution(n.score_fr, convolution_param=convolution)
    _drawn(n, plan, n.upscore2, plan.classes[0], 6, 2, **_GLOROT)
    _judged(n, plan, ignore_label=IGNORED)


def _encoder(n: NetSpec, bottom: Top, pad: int, training: bool) -> Top:
    n.conv1, n.relu1 = conv_relu(bottom, 8, 5, pad=pad, **_GLOROT)
    n.pool1 = max_pool(n.relu1)
    n.conv2, n.relu2 = conv_relu(n.pool1, 8, 3, pad=0, **_GLOROT)
    n.pool2 = max_pool(n.relu2)
    return n.pool2


def _drawn(
    n: NetSpec,
    plan: Plan,
    bottom: Top,
    outputs: int,
    kernel: int,
    stride: int,
    param: Any = (),
    name: str = "score",
    **fillers: Any,
) -> None:
    """Upsampled by a kernel that is learned, as ``name``; cropped to ``score`` where the padding is not the net's."""
    convolution = {"num_output": outputs, "kernel_size": kernel, "stride": stride, **fillers}
    top = L.Deconvolution(bottom, convolution_param=convolution, param=list(param))
    if plan.pad is None:
        n[name] = top
    else:
        n["upscore" if name == "score" else name] = top
        n.score = offsets.crop(top, n.data)


def _judged(n: NetSpec, plan: Plan, **counted: int) -> None:
    """``loss`` while training, ``accuracy`` beside it in validation, ``prob`` when deployed."""
    if plan.training:
        n.loss = L.SoftmaxWithLoss(n.score, n.label, loss_param=counted, **plan.but("deploy"))
    if plan.holds("val"):
        n.accuracy = L.Accuracy(n.score, n.label, **counted, **plan.only("val"))
    if plan.holds("deploy"):
        n.prob = L.Softmax(n.score, **plan.only("deploy"))


PATCHES = Trunk("plain", _patches, pad=1)
ENCODER = Trunk("MNIST CNN", _encoder, pad=0)
