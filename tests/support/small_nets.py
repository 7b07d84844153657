"""Make large nets small, so that real Caffe and the torch engine can run them in a test."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from caffe_fcn import proto
from caffe_fcn.net.graph import select_phase
from caffe_fcn.net.shapes import infer

Shape = tuple[int, ...]


def shrink_net(
    net: proto.NetParameter, phase: str, inputs: Mapping[str, Shape] | None = None, wide: int = 64
) -> proto.NetParameter:
    """The net of a phase with Input layers for its data; layers of ``wide`` outputs or more are a sixteenth as wide.

    ``inputs`` are the shapes of the blobs of its data layers that are not images of 97x101.
    """
    found = infer(net, phase, size=(97, 101), inputs=inputs)
    result = select_phase(net, phase)
    layers = [layer for layer in result.layer if layer.bottom]
    sources = [top for layer in result.layer if not layer.bottom for top in layer.top]
    del result.layer[:]
    for name in sources:
        shape = proto.BlobShape(dim=found.blobs[name])
        result.layer.add(name=name, type="Input", top=[name]).input_param.shape.append(shape)
    result.layer.extend(layers)
    for layer in result.layer:
        layer.ClearField("include")  # what is in this phase stays in
        layer.ClearField("exclude")
        for param in (layer.convolution_param, layer.inner_product_param):
            if param.num_output >= wide:
                param.num_output //= 16
        if layer.convolution_param.group >= wide:  # a group for each channel
            layer.convolution_param.group //= 16
    return result


def make_inputs(net: proto.NetParameter) -> dict[str, np.ndarray]:
    """Random values like those of images, and labels, some of which the loss ignores."""
    random = np.random.RandomState(0)
    found = infer(net).blobs
    makers = {top: layer for layer in net.layer for top in layer.top}

    def find_source(blob: str) -> str:
        """The input that a blob of labels is taken from."""
        return find_source(makers[blob].bottom[0]) if makers[blob].bottom else blob

    classes = {
        find_source(layer.bottom[1]): (found[layer.bottom[0]][1], layer.loss_param.HasField("ignore_label"))
        for layer in net.layer
        if layer.type == "SoftmaxWithLoss"
    }
    made = {}
    for name in (layer.name for layer in net.layer if layer.type == "Input"):
        values = random.normal(0, 60, found[name])
        if name in classes:
            count, ignores = classes[name]
            values = random.randint(0, count, found[name])
            if ignores:
                values[random.random_sample(found[name]) < 0.1] = 255
        made[name] = values.astype(np.float32)
    return made
