"""The backbones of the catalogue: the FCN of their classifier is the catalogue's, and its scores lie on the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import saved_weights
from caffe_worker import CaffeWorker

from caffe_fcn import NetSpec, netspec, proto
from caffe_fcn import layers as L
from caffe_fcn import params as P
from caffe_fcn.net.diff import differences
from caffe_fcn.net.shapes import infer
from caffe_fcn.netspec import backbones, from_classifier
from caffe_fcn.netspec.design import Backbone
from caffe_fcn.proto import NetParameter

# Each backbone with the padding that its classifier has, the size of the classifier's images, and the FCN of the
# catalogue, if it is one that from_classifier makes
CLASSIFIERS = {
    "VGG-16": (backbones.VGG16, 1, 224, ""),
    "VGG-16-BN": (backbones.VGG16_BN, 1, 224, "voc-fcn8s-vgg16-bn"),
    "AlexNet": (backbones.CAFFENET, 0, 227, ""),
    "GoogLeNet": (backbones.GOOGLENET, 3, 224, ""),
    "SqueezeNet": (backbones.SQUEEZENET, 0, 227, "voc-fcn8s-squeezenet"),
    "ResNet-50": (backbones.RESNET50, 3, 224, "voc-fcn8s-resnet50"),
    "ResNet-101": (backbones.RESNET101, 3, 224, "voc-fcn8s-resnet101"),
    "MobileNet v1": (backbones.MOBILENET_V1, 1, 224, "voc-fcn8s-mobilenet-v1"),
    "MobileNet v2": (backbones.MOBILENET_V2, 1, 224, "voc-fcn8s-mobilenet-v2"),
    "DenseNet-121": (backbones.DENSENET121, 3, 224, "voc-fcn8s-densenet121"),
}


def mark_deep(names: list[str]) -> list[object]:
    """The names as parameters of a test; the deepest nets, which take long to convert, run with the long tests only."""
    deep = ("ResNet-101", "DenseNet-121", "VGG-16-BN")
    return [pytest.param(name, marks=pytest.mark.long) if name in deep else name for name in names]


def make_classifier(backbone: Backbone, pad: int, size: int) -> NetParameter:
    """The deploy net of the classifier: the backbone, the mean of its features over the image, 10 classes."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, size, size]})
    features = backbone.add_layers(n, n.data, pad, False)
    n.pool_all = L.Pooling(features, pool=P.Pooling.AVE, global_pooling=True)
    n.classifier = L.Convolution(n.pool_all, num_output=10, kernel_size=1)
    n.prob = L.Softmax(n.classifier)
    return n.to_proto()


@pytest.mark.parametrize("name", mark_deep([name for name, row in CLASSIFIERS.items() if row[3]]))
def test_the_fcn_of_a_classifier_is_that_of_the_catalogue(name: str) -> None:
    """With the skips of its own choice; from MobileNet v2 the catalogue skips where blobs are thin."""
    backbone, pad, size, fcn = CLASSIFIERS[name]
    stride = 32 if name == "MobileNet v2" else 8
    made = from_classifier(make_classifier(backbone, pad, size), 21, stride)
    published = netspec.build(replace(netspec.catalogue()[fcn], stride=stride), "deploy")
    ours = netspec.build(made, "deploy", pad=backbone.pad)
    assert {each.field for each in differences(ours, published)} <= {"input_param.shape[0].dim"}


def make_linear(net: NetParameter) -> NetParameter:
    """The net with two channels in each layer, and without what makes it other than linear."""
    for layer in net.layer:
        if layer.type == "Pooling":
            layer.pooling_param.pool = layer.pooling_param.AVE
        param = layer.convolution_param
        if layer.HasField("convolution_param"):
            param.num_output, param.group = min(param.num_output, 2), min(param.group, 2)
    kept = [layer for layer in net.layer if layer.type not in ("LRN", "ReLU", "Dropout")]
    followed = {
        layer.top[0]: layer.bottom[0] for layer in net.layer if layer not in kept and layer.top[0] != layer.bottom[0]
    }
    for layer in kept:
        layer.bottom[:] = [followed.get(blob, blob) for blob in layer.bottom]
    return NetParameter(layer=kept)


def make_values(net: NetParameter) -> dict[str, list[np.ndarray]]:
    """Kernels that take the mean of all channels at their centre, and pass a normalized blob as it is."""
    types = {layer.name: layer.type for layer in net.layer}
    values = {}
    for name, shapes in infer(net).params.items():
        arrays = [np.zeros(shape, "f4") for shape in shapes]
        if types[name] == "BatchNorm":
            arrays[1][:], arrays[2][:] = 1, 1
        elif types[name] == "Scale":
            arrays[0][:] = 1
        elif types[name] == "Deconvolution":
            line = 1 - np.abs(np.arange(shapes[0][2]) - (shapes[0][2] - 1) / 2) / ((shapes[0][2] + 1) // 2)
            arrays[0][:] = np.outer(line, line)
        elif shapes:
            _, channels, height, width = shapes[0]
            rows, columns = (slice((side - 1) // 2, side // 2 + 1) for side in (height, width))
            arrays[0][:, :, rows, columns] = 1 / channels / (2 - height % 2) / (2 - width % 2)
        values[name] = arrays
    return values


@pytest.mark.caffe
@pytest.mark.parametrize("stride", [pytest.param(32, marks=pytest.mark.long), 8])
@pytest.mark.parametrize("name", mark_deep(list(CLASSIFIERS)))
def test_the_pixels_that_a_score_depends_on_lie_around_it(
    caffe: CaffeWorker, tmp_path: Path, name: str, stride: int
) -> None:
    """An impulse at a score, sent back, has its centre of mass at the score's own pixel.

    In a net that is linear the score of an image of the row numbers is that centre times the impulse's mass, and the
    score of an image of ones is the mass.
    """
    backbone, pad, size, _ = CLASSIFIERS[name]
    made = from_classifier(make_classifier(backbone, pad, size), 2, min(stride, backbone.stride))
    side = 300
    net = make_linear(netspec.build(made, "deploy", size=(side, side), batch=3))
    weights = saved_weights.save(tmp_path / "w.caffemodel", net, make_values(net))
    images = np.array([*np.indices((side, side)), np.ones((side, side))], "f4")[:, None].repeat(3, 1)
    ran = caffe.run(proto.to_text(net), {"data": images}, weights=weights)
    assert ran is not None
    rows, columns, masses = ran["blob/score"][:, 0, 130:170, 130:170].astype(float)
    wanted = np.indices((side, side))[:, 130:170, 130:170]
    assert np.abs(np.array([rows, columns]) / masses - wanted).max() < 0.01
