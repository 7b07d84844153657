"""AlexNet's weights in convolutional nets, against the same surgery inside pycaffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caffe_fcn import surgery
from caffe_fcn.proto import NetParameter, read_net, write

# What an AlexNet trained on ILSVRC has: weights whose layers keep the size of what passes through them.
RANDOM_WEIGHTS = """
    net = caffe.Net(str(inputs["net"]), caffe.TEST)
    random = np.random.RandomState(3)
    for blobs in net.params.values():
        fan_in = np.prod(blobs[0].shape[1:])
        blobs[0].data[...] = random.normal(0, np.sqrt(2.0 / fan_in), blobs[0].shape)
        blobs[1].data[...] = random.normal(0, 0.1, blobs[1].shape)
    net.save(str(inputs["weights"]))
"""


def convolutional(net: NetParameter, size: int) -> NetParameter:
    """AlexNet's deploy net with fc6, fc7 and fc8 as convolutions, at another input size."""
    result = NetParameter()
    result.CopyFrom(net)
    result.layer[0].input_param.shape[0].dim[:] = [1, 3, size, size]
    for layer in result.layer:
        if layer.type == "InnerProduct":
            layer.type = "Convolution"
            layer.convolution_param.num_output = layer.inner_product_param.num_output
            layer.convolution_param.kernel_size.append(6 if layer.name == "fc6" else 1)
            layer.ClearField("inner_product_param")
    return result


@pytest.fixture(scope="module")
def alexnet(pycaffe, shared: Path, tmp_path_factory) -> dict[str, Path]:
    """AlexNet's deploy net at batch 1, and weights that real Caffe saved for it."""
    folder = tmp_path_factory.mktemp("alexnet")
    net = read_net(shared / "reference/bvlc_alexnet/deploy.prototxt")
    net.layer[0].input_param.shape[0].dim[0] = 1
    paths = {"net": folder / "alexnet.prototxt", "weights": folder / "alexnet.caffemodel"}
    write(net, paths["net"])
    pycaffe(RANDOM_WEIGHTS, **paths)
    return paths


@pytest.mark.caffe
@pytest.mark.parametrize("size", [227, 454])
def test_real_caffe_runs_the_transplanted_alexnet_as_the_surgery_inside_pycaffe_does(pycaffe, alexnet, tmp_path, size):
    net = convolutional(read_net(alexnet["net"]), size)
    write(net, tmp_path / "conv.prototxt")
    surgery.transplant(alexnet["weights"], net, tmp_path / "conv.caffemodel")
    image = np.random.default_rng(5).uniform(-120, 130, (1, 3, size, size)).astype(np.float32)
    out = pycaffe(
        """
        classifier = caffe.Net(str(inputs["net"]), str(inputs["weights"]), caffe.TEST)
        inside = caffe.Net(str(inputs["conv_net"]), caffe.TEST)
        for name in inside.params:
            for theirs, ours in zip(classifier.params[name], inside.params[name]):
                ours.data.flat = theirs.data.flat
        loaded = caffe.Net(str(inputs["conv_net"]), str(inputs["conv_weights"]), caffe.TEST)
        for net, name in (inside, "inside"), (loaded, "loaded"):
            net.blobs["data"].data[...] = inputs["image"]
            net.forward()
            outputs[name], outputs[name + "_fc8"] = net.blobs["prob"].data, net.blobs["fc8"].data
        if inputs["image"].shape == classifier.blobs["data"].data.shape:
            classifier.blobs["data"].data[...] = inputs["image"]
            classifier.forward()
            outputs["classifier_fc8"] = classifier.blobs["fc8"].data
        """,
        **alexnet,
        conv_net=tmp_path / "conv.prototxt",
        conv_weights=tmp_path / "conv.caffemodel",
        image=image,
    )
    assert out["loaded_fc8"].shape[2:] == ((1, 1) if size == 227 else (8, 8))
    scale = np.abs(out["inside_fc8"]).max()
    assert scale > 0.1  # the logits are numbers, not nothing
    assert np.abs(out["loaded_fc8"] - out["inside_fc8"]).max() < 1e-4 * scale
    assert np.abs(out["loaded"] - out["inside"]).max() < 1e-4
    if size == 227:
        assert np.abs(out["loaded_fc8"].reshape(1, 1000) - out["classifier_fc8"]).max() < 1e-4 * scale
