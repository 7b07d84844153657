"""Image classifiers of many makes, as deploy nets: published architectures, narrowed so that they take no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caffe_fcn import NetSpec
from caffe_fcn import layers as L
from caffe_fcn import params as P

MAX, AVE = P.Pooling.MAX, P.Pooling.AVE


def _net(lay: Callable[[NetSpec, Any], Any], size: int, channels: int = 3) -> Any:
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, size, size]})
    lay(n, n.data)
    return n.to_proto()


def _conv(n: NetSpec, name: str, bottom: Any, width: int, kernel: int = 3, **more: Any) -> Any:
    pad = more.pop("pad", kernel // 2)
    n[name] = L.Convolution(bottom, num_output=width, kernel_size=kernel, pad=pad, **more)
    n[f"{name}_relu"] = L.ReLU(n[name], in_place=True)
    return n[f"{name}_relu"]


def _norm_conv(n: NetSpec, name: str, bottom: Any, width: int, kernel: int = 3, relu: bool = True, **more: Any) -> Any:
    """Convolution, BatchNorm, Scale and ReLU, as ResNets have them."""
    pad = more.pop("pad", kernel // 2)
    n[name] = L.Convolution(bottom, num_output=width, kernel_size=kernel, pad=pad, bias_term=False, **more)
    n[f"bn_{name}"] = L.BatchNorm(n[name], in_place=True)
    n[f"scale_{name}"] = top = L.Scale(n[f"bn_{name}"], in_place=True, bias_term=True)
    if relu:
        n[f"{name}_relu"] = top = L.ReLU(top, in_place=True)
    return top


def vgg16(width: int = 4) -> Any:
    """VGG-16 with its three fully connected layers."""

    def lay(n: NetSpec, top: Any) -> None:
        for block, depth in enumerate((2, 2, 3, 3, 3), 1):
            for i in range(1, depth + 1):
                top = _conv(n, f"conv{block}_{i}", top, width * min(2**block, 16))
            n[f"pool{block}"] = top = L.Pooling(top, pool=MAX, kernel_size=2, stride=2)
        for i in (6, 7):
            n[f"fc{i}"] = L.InnerProduct(top, num_output=16 * width)
            n[f"relu{i}"] = L.ReLU(n[f"fc{i}"], in_place=True)
            n[f"drop{i}"] = top = L.Dropout(n[f"relu{i}"], in_place=True)
        n.fc8 = L.InnerProduct(top, num_output=10)
        n.prob = L.Softmax(n.fc8)

    return _net(lay, 224)


def resnet(first: int = 1) -> Any:
    """ResNet: strides in the first or the second convolution of a block, projections, global pooling."""

    def lay(n: NetSpec, top: Any) -> None:
        top = _norm_conv(n, "conv1", top, 8, 7, stride=2)
        n.pool1 = top = L.Pooling(top, pool=MAX, kernel_size=3, stride=2)
        for block in (2, 3, 4, 5):
            for letter in "ab":
                stride = 2 if letter == "a" and block > 2 else 1
                name, short = f"res{block}{letter}", top
                if letter == "a":
                    short = _norm_conv(n, f"{name}_branch1", top, 4 * block, 1, False, stride=stride)
                strides = (stride, 1) if first else (1, stride)
                top = _norm_conv(n, f"{name}_branch2a", top, block, 1, stride=strides[0])
                top = _norm_conv(n, f"{name}_branch2b", top, block, 3, stride=strides[1])
                top = _norm_conv(n, f"{name}_branch2c", top, 4 * block, 1, False)
                n[name] = L.Eltwise(short, top)
                n[f"{name}_relu"] = top = L.ReLU(n[name], in_place=True)
        n.pool5 = L.Pooling(top, pool=AVE, kernel_size=7, stride=1)
        n.fc10 = L.InnerProduct(n.pool5, num_output=10)
        n.prob = L.Softmax(n.fc10)

    return _net(lay, 224)


def network_in_network() -> Any:
    """NiN: the classifier is a convolution, and global pooling stands behind it."""

    def lay(n: NetSpec, top: Any) -> None:
        top = _conv(n, "conv1", top, 8, 11, stride=4, pad=0)
        n.pool0 = top = L.Pooling(_conv(n, "cccp1", top, 8, 1), pool=MAX, kernel_size=3, stride=2)
        top = _conv(n, "conv2", top, 16, 5)
        n.pool2 = top = L.Pooling(_conv(n, "cccp3", top, 16, 1), pool=MAX, kernel_size=3, stride=2)
        top = _conv(n, "conv3", top, 16, 3)
        n.pool3 = top = L.Pooling(_conv(n, "cccp5", top, 16, 1), pool=MAX, kernel_size=3, stride=2)
        n.drop = L.Dropout(top)
        top = _conv(n, "conv4", n.drop, 16, 3)
        top = _conv(n, "cccp8", top, 10, 1)
        n.pool4 = L.Pooling(top, pool=AVE, global_pooling=True)
        n.flat = L.Flatten(n.pool4)
        n.prob = L.Softmax(n.flat)

    return _net(lay, 224)


def squeezenet() -> Any:
    """SqueezeNet: fire modules, whose branches a Concat joins."""

    def lay(n: NetSpec, top: Any) -> None:
        top = _conv(n, "conv1", top, 8, 3, stride=2, pad=0)
        for index in range(2, 8):
            if index in (2, 4, 6):
                n[f"pool{index}"] = top = L.Pooling(top, pool=MAX, kernel_size=3, stride=2)
            squeezed = _conv(n, f"fire{index}/squeeze1x1", top, 4, 1)
            wide = [_conv(n, f"fire{index}/expand{k}x{k}", squeezed, 8, k) for k in (1, 3)]
            n[f"fire{index}/concat"] = top = L.Concat(*wide)
        n.drop9 = L.Dropout(top, in_place=True)
        top = _conv(n, "conv10", n.drop9, 10, 1)
        n.pool10 = L.Pooling(top, pool=AVE, global_pooling=True)
        n.prob = L.Softmax(n.pool10)

    return _net(lay, 227)


def mobilenet() -> Any:
    """MobileNet: depthwise convolutions and no pooling but the last; a reshape before the end."""

    def lay(n: NetSpec, top: Any) -> None:
        top = _norm_conv(n, "conv1", top, 8, stride=2)
        for index, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 2, 1), 2):
            top = _norm_conv(n, f"conv{index}/dw", top, 8, stride=stride, group=8)
            top = _norm_conv(n, f"conv{index}/sep", top, 8, 1)
        n.pool6 = L.Pooling(top, pool=AVE, global_pooling=True)
        n.fc7 = L.Convolution(n.pool6, num_output=10, kernel_size=1)
        n.flat = L.Reshape(n.fc7, shape={"dim": [0, -1]})
        n.prob = L.Softmax(n.flat)

    return _net(lay, 224)


def densenet() -> Any:
    """DenseNet: every layer reads all before it; transitions pool."""

    def lay(n: NetSpec, top: Any) -> None:
        top = _norm_conv(n, "conv1", top, 8, 7, stride=2)
        n.pool1 = top = L.Pooling(top, pool=MAX, kernel_size=3, stride=2, pad=1)
        for block in (2, 3, 4, 5):
            for index in (1, 2):
                name = f"conv{block}_{index}"
                n[f"{name}/bn"] = L.BatchNorm(top)
                n[f"{name}/scale"] = L.Scale(n[f"{name}/bn"], in_place=True, bias_term=True)
                n[f"{name}/relu"] = L.ReLU(n[f"{name}/scale"], in_place=True)
                n[name] = L.Convolution(n[f"{name}/relu"], num_output=4, kernel_size=3, pad=1, bias_term=False)
                n[f"concat{block}_{index}"] = top = L.Concat(top, n[name])
            if block < 5:
                n[f"conv{block}_blk"] = L.Convolution(top, num_output=8, kernel_size=1)
                n[f"pool{block}"] = top = L.Pooling(n[f"conv{block}_blk"], pool=AVE, kernel_size=2, stride=2)
        n.pool5 = L.Pooling(top, pool=AVE, global_pooling=True)
        n.fc6 = L.Convolution(n.pool5, num_output=10, kernel_size=1)

    return _net(lay, 224)


def senet() -> Any:
    """Squeeze and excitation: fully connected layers beside the path, which must stay what they are."""

    def lay(n: NetSpec, top: Any) -> None:
        for block in range(1, 6):
            top = _conv(n, f"conv{block}", top, 8, stride=2)
            n[f"pool{block}_squeeze"] = L.Pooling(top, pool=AVE, global_pooling=True)
            n[f"fc{block}_down"] = L.InnerProduct(n[f"pool{block}_squeeze"], num_output=2)
            n[f"relu{block}_down"] = L.ReLU(n[f"fc{block}_down"], in_place=True)
            n[f"fc{block}_up"] = L.InnerProduct(n[f"relu{block}_down"], num_output=8)
            n[f"gate{block}"] = L.Sigmoid(n[f"fc{block}_up"], in_place=True)
            n[f"scaled{block}"] = top = L.Scale(top, n[f"gate{block}"], axis=0)
        n.pool = L.Pooling(top, pool=AVE, kernel_size=7)
        n.classifier = L.InnerProduct(n.pool, num_output=10)

    return _net(lay, 224)


def lenet() -> Any:
    """Caffe's LeNet: grey images of 28 x 28, a trunk of stride 4."""

    def lay(n: NetSpec, top: Any) -> None:
        n.conv1 = L.Convolution(top, num_output=20, kernel_size=5)
        n.pool1 = L.Pooling(n.conv1, pool=MAX, kernel_size=2, stride=2)
        n.conv2 = L.Convolution(n.pool1, num_output=50, kernel_size=5)
        n.pool2 = L.Pooling(n.conv2, pool=MAX, kernel_size=2, stride=2)
        n.flat = L.Flatten(n.pool2)
        n.ip1 = L.InnerProduct(n.flat, num_output=500)
        n.relu1 = L.ReLU(n.ip1, in_place=True)
        n.ip2 = L.InnerProduct(n.relu1, num_output=10)
        n.prob = L.Softmax(n.ip2)

    return _net(lay, 28, channels=1)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "vgg16": vgg16,
    "resnet": resnet,
    "resnet-v1.5": lambda: resnet(0),
    "nin": network_in_network,
    "squeezenet": squeezenet,
    "mobilenet": mobilenet,
    "densenet": densenet,
    "senet": senet,
    "lenet": lenet,
}
