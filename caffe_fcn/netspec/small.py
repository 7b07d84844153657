"""Small nets that train in minutes: one fills triangles from their outlines, the others recognize digits.

With its own padding, and on images whose size its stride divides, a net keeps every pixel in its place without a Crop.
With another padding it crops, by an offset that follows from the layers.
"""

from __future__ import annotations

from typing import Any

from caffe_fcn import offsets
from caffe_fcn.netspec.blocks import conv_relu, max_pool
from caffe_fcn.netspec.data import add_inputs, preprocess_image
from caffe_fcn.netspec.design import Backbone, BuildPlan
from caffe_fcn.netspec.losses import make_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L

_SMALL_GAUSSIAN: dict[str, Any] = {"weight_filler": {"type": "gaussian", "std": 0.001}}
_SLOW_BIAS = [{"lr_mult": 1}, {"lr_mult": 0.1}]
_XAVIER: dict[str, Any] = {"weight_filler": {"type": "xavier", "variance_norm": "AVERAGE"}}


def add_triangles(n: NetSpec, plan: BuildPlan) -> None:
    """Draw every patch of 16 x 16 pixels from 1024 features: as grey values, or as scores of ink and paper.

    With the loss l1 it is the net of the example in DIGITS, under its names, so that weights that were trained there
    fit: ``upsample``, whose kernel no filler initializes and whose bias learns as fast as its kernel, and ``lossL1``.
    With the other losses these layers are ``score`` and ``loss``, as in all nets of the catalogue, and the kernel has a
    filler, without which Adam does not start. All of them subtract the mean in a data layer or a layer of their own;
    the example does not, because DIGITS does it.
    """
    add_inputs(n, plan)
    features = plan.add_backbone(n, preprocess_image(n, plan))
    grey: dict[str, Any] = {"bias_filler": {"type": "constant", "value": 128}}
    if plan.variant.name == "softmax":
        score = _add_score(n, plan, features, plan.classes[0], 16, 16, param=_SLOW_BIAS, **_SMALL_GAUSSIAN)
        if plan.training:
            n.paper = L.Threshold(n.label, threshold=127.5, **plan.exclude_rule("deploy"))
            n.loss = L.SoftmaxWithLoss(score, n.paper, **plan.exclude_rule("deploy"))
    elif plan.variant.name == "l1":
        drawn = _add_score(n, plan, features, 1, 16, 16, param=_SLOW_BIAS[:1], name="upsample", **grey)
        if plan.training:
            n.lossL1 = L.L1Loss(drawn, n.label, **plan.exclude_rule("deploy"))
    else:
        drawn = _add_score(n, plan, features, 1, 16, 16, param=_SLOW_BIAS, **_SMALL_GAUSSIAN, **grey)
        if plan.training:
            n.loss = L.EuclideanLoss(drawn, n.label, **plan.exclude_rule("deploy"))


def _add_patches(n: NetSpec, bottom: Top, pad: int, training: bool) -> Top:
    n.conv1, n.relu1 = conv_relu(bottom, 32, 3, pad=pad, param=_SLOW_BIAS, **_SMALL_GAUSSIAN)
    n.conv2, n.relu2 = conv_relu(n.relu1, 1024, 16, stride=16, pad=0, param=_SLOW_BIAS, **_SMALL_GAUSSIAN)
    return n.relu2


def add_digit_classifier(n: NetSpec, plan: BuildPlan) -> None:
    """The MNIST classifier: one digit in 28 x 28 pixels.

    Its databases, train_images and val_images, are those that Caffe's convert_mnist_data writes.
    """
    add_inputs(n, plan)
    n.dense32 = L.InnerProduct(plan.add_backbone(n, preprocess_image(n, plan)), num_output=32, **_XAVIER)
    n.relu3 = L.ReLU(n.dense32, in_place=True)
    n.score = L.InnerProduct(n.relu3, num_output=plan.classes[0], name=f"dense{plan.classes[0]}", **_XAVIER)
    _add_loss(n, plan)


def add_digits_fcn(n: NetSpec, plan: BuildPlan) -> None:
    """The FCN for the digits of M2NIST, on the encoder of the MNIST classifier.

    The published variant replaces dense32 by a new 1x1 convolution. In the convolutionalized variant dense32 keeps its
    weights as a 5x5 convolution. That takes 2 positions from each border at stride 4, and a padding of 8 pixels gives
    them back.
    """
    add_inputs(n, plan)
    image = preprocess_image(n, plan)
    if plan.variant.name == "published":
        n.conv3, n.relu3 = conv_relu(plan.add_backbone(n, image), 32, 1, pad=0, **_XAVIER)
    else:
        features = _add_encoder(n, image, 8 if plan.pad is None else plan.pad, plan.training)
        n.dense32, n.relu3 = conv_relu(features, 32, 5, pad=0, **_XAVIER)
    n.score_fr = L.Convolution(n.relu3, num_output=plan.classes[0], kernel_size=1, **_XAVIER)
    convolution = {"num_output": plan.classes[0], "kernel_size": 4, "stride": 2, **_XAVIER}
    n.upscore2 = L.Deconvolution(n.score_fr, convolution_param=convolution)
    _add_score(n, plan, n.upscore2, plan.classes[0], 6, 2, **_XAVIER)
    _add_loss(n, plan, **plan.ignore_param)


def _add_encoder(n: NetSpec, bottom: Top, pad: int, training: bool) -> Top:
    n.conv1, n.relu1 = conv_relu(bottom, 8, 5, pad=pad, **_XAVIER)
    n.pool1 = max_pool(n.relu1)
    n.conv2, n.relu2 = conv_relu(n.pool1, 8, 3, pad=0, **_XAVIER)
    n.pool2 = max_pool(n.relu2)
    return n.pool2


def _add_score(
    n: NetSpec,
    plan: BuildPlan,
    bottom: Top,
    outputs: int,
    kernel: int,
    stride: int,
    param: Any = (),
    name: str = "score",
    **fillers: Any,
) -> Top:
    """Add scores (or grey values), upsampled by a kernel that is learned, as the layer ``name``; returns them.

    If the padding is not the net's own, they are cropped to the image as ``score``.
    """
    convolution = {"num_output": outputs, "kernel_size": kernel, "stride": stride, **fillers}
    top = L.Deconvolution(bottom, convolution_param=convolution, param=list(param))
    if plan.pad is None:
        n[name] = top
        return top
    n["upscore" if name == "score" else name] = top
    n.score = offsets.crop(top, n.data)
    return n.score


def _add_loss(n: NetSpec, plan: BuildPlan, **ignore: int) -> None:
    """Add ``loss`` for training and validation, ``accuracy`` for validation, ``prob`` for deployment."""
    if plan.training:
        n.loss = make_loss(plan, n.score, n.label, **ignore)
    if plan.includes("val"):
        n.accuracy = L.Accuracy(n.score, n.label, **ignore, **plan.include_rule("val"))
    if plan.includes("deploy"):
        n.prob = L.Softmax(n.score, **plan.include_rule("deploy"))


PATCHES = Backbone("plain", _add_patches, pad=1)
ENCODER = Backbone("MNIST CNN", _add_encoder, pad=0)
