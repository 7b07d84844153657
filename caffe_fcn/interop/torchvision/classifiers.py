"""torchvision's classifiers but its ResNets, module by module. Source: torchvision/models."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.interop.torchvision.building import Blob, TorchNet


def add_alexnet(net: TorchNet, image: Blob) -> Blob:
    """AlexNet of one column (Krizhevsky, 2014), without local response normalization."""
    top = image
    for index, kernel, stride, pad, pools in _ALEXNET:
        top = net.conv(f"features.{index}", top, kernel, stride, pad)
        top = net.relu(f"features.{index + 1}", top)
        if pools:
            top = net.max_pool(f"features.{index + 2}", top, 3)
    return _add_dense(net, net.adaptive_pool("avgpool", top, 6), (1, 4, 6), (0, 3))


# Each convolution: its index, kernel, stride and padding, and whether a pooling follows
_ALEXNET = ((0, 11, 4, 2, True), (3, 5, 1, 2, True), (6, 3, 1, 1, False), (8, 3, 1, 1, False), (10, 3, 1, 1, True))


def add_vgg(net: TorchNet, image: Blob, counts: Sequence[int], normalized: bool) -> Blob:
    """VGG (Simonyan and Zisserman, 2015) of so many convolutions in each block."""
    top, index = image, 0
    for count in counts:
        for _ in range(count):
            top = net.conv(f"features.{index}", top, 3)
            index += 1
            if normalized:
                top = net.norm(f"features.{index}", top, relu=False)
                index += 1
            top = net.relu(f"features.{index}", top)
            index += 1
        top = net.max_pool(f"features.{index}", top, 2)
        index += 1
    return _add_dense(net, net.adaptive_pool("avgpool", top, 7), (0, 3, 6), (2, 5))


def _add_dense(net: TorchNet, top: Blob, layers: Sequence[int], dropouts: Sequence[int]) -> Blob:
    """The fully connected layers, with a ReLU behind each but the last."""
    for index in range(layers[-1] + 1):
        name = f"classifier.{index}"
        if index in layers:
            top = net.linear(name, top)
        elif index in dropouts:
            top = net.dropout(name, top)
        else:
            top = net.relu(name, top)
    return top


def add_squeezenet(net: TorchNet, image: Blob, kernel: int, pools: Sequence[int]) -> Blob:
    """SqueezeNet (Iandola et al., 2016); ``pools`` are the indices of its poolings."""
    top = net.relu("features.1", net.conv("features.0", image, kernel, 2, pad=0))
    for index in range(2, 13):
        name = f"features.{index}"
        if index in pools:
            top = net.max_pool(name, top, 3, ceil=True)
            continue
        top = _add_conv_relu(net, f"{name}.squeeze", top, 1)
        wide = [_add_conv_relu(net, f"{name}.expand{each}x{each}", top, each) for each in (1, 3)]
        top = net.concat(name, *wide)
    top = net.relu("classifier.2", net.conv("classifier.1", net.dropout("classifier.0", top), 1))
    return net.adaptive_pool("classifier.3", top)


def _add_conv_relu(net: TorchNet, name: str, bottom: Blob, kernel: int) -> Blob:
    return net.relu(f"{name}_activation", net.conv(name, bottom, kernel))


def add_googlenet(net: TorchNet, image: Blob) -> Blob:
    """GoogLeNet with batch normalization; its 5x5 branch has 3x3 windows."""
    top = net.max_pool("maxpool1", _add_basic(net, "conv1", image, 7, 2), 3, ceil=True)
    top = _add_basic(net, "conv3", _add_basic(net, "conv2", top, 1), 3)
    top = net.max_pool("maxpool2", top, 3, ceil=True)
    for block, letters, pool in ((3, "ab", 3), (4, "abcde", 2), (5, "ab", 0)):
        for letter in letters:
            top = _add_inception(net, f"inception{block}{letter}", top)
        if pool:
            top = net.max_pool(f"maxpool{block}", top, pool, ceil=True)
    return net.linear("fc", net.dropout("dropout", net.adaptive_pool("avgpool", top), 0.2))


def _add_inception(net: TorchNet, name: str, bottom: Blob) -> Blob:
    branches = [_add_basic(net, f"{name}.branch1", bottom, 1)]
    for branch in (f"{name}.branch2", f"{name}.branch3"):
        branches.append(_add_basic(net, f"{branch}.1", _add_basic(net, f"{branch}.0", bottom, 1), 3))
    pooled = net.max_pool(f"{name}.branch4.0", bottom, 3, 1, 1, ceil=True)
    return net.concat(name, *branches, _add_basic(net, f"{name}.branch4.1", pooled, 1))


def _add_basic(net: TorchNet, name: str, bottom: Blob, kernel: int, stride: int = 1) -> Blob:
    return net.norm(f"{name}.bn", net.conv(f"{name}.conv", bottom, kernel, stride, bias=False), eps=1e-3)


def add_densenet(net: TorchNet, image: Blob, counts: Sequence[int]) -> Blob:
    """DenseNet (Huang et al., 2017) of so many layers in each block."""
    top = net.norm("features.norm0", net.conv("features.conv0", image, 7, 2, bias=False))
    top = net.max_pool("features.pool0", top, 3, pad=1)
    for block, count in enumerate(counts, 1):
        for layer in range(1, count + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            inner = _add_norm_conv(net, name, "1", top, 1)
            top = net.concat(name, top, _add_norm_conv(net, name, "2", inner, 3))
        if block < len(counts):
            name = f"features.transition{block}"
            top = net.average_pool(f"{name}.pool", _add_norm_conv(net, name, "", top, 1), 2, 2)
    top = net.norm("features.norm5", top, in_place=False)
    return net.linear("classifier", net.adaptive_pool("avgpool", top))


def _add_norm_conv(net: TorchNet, name: str, number: str, bottom: Blob, kernel: int) -> Blob:
    normalized = net.norm(f"{name}.norm{number}", bottom, in_place=False)
    return net.conv(f"{name}.conv{number}", normalized, kernel, bias=False)


def add_mobilenet_v2(net: TorchNet, image: Blob) -> Blob:
    """MobileNet v2 (Sandler et al., 2018)."""
    top = _add_norm_relu6(net, "features.0", image, 3, 2)
    index = 0
    for expands, count, first_stride in _MOBILENET_V2:
        for stride in (first_stride, *[1] * (count - 1)):
            index += 1
            top = _add_inverted(net, f"features.{index}", top, expands, stride)
    top = _add_norm_relu6(net, f"features.{index + 1}", top, 1)
    return net.linear("classifier.1", net.dropout("classifier.0", net.adaptive_pool("avgpool", top), 0.2))


# Each row of blocks: whether they expand the channels, how many there are, and the stride of the first
_MOBILENET_V2 = ((False, 1, 1), (True, 2, 2), (True, 3, 2), (True, 4, 2), (True, 3, 1), (True, 3, 2), (True, 1, 1))


def _add_inverted(net: TorchNet, name: str, bottom: Blob, expands: bool, stride: int) -> Blob:
    top, index = bottom, 0
    if expands:
        top, index = _add_norm_relu6(net, f"{name}.conv.0", top, 1), 1
    top = _add_norm_relu6(net, f"{name}.conv.{index}", top, 3, stride, grouped=True)
    top = net.conv(f"{name}.conv.{index + 1}", top, 1, bias=False)
    top = net.norm(f"{name}.conv.{index + 2}", top, relu=False)
    return net.add(name, bottom, top) if stride == 1 and top.channels == bottom.channels else top


def _add_norm_relu6(
    net: TorchNet, name: str, bottom: Blob, kernel: int, stride: int = 1, grouped: bool = False
) -> Blob:
    top = net.conv(f"{name}.0", bottom, kernel, stride, bias=False, grouped=grouped)
    return net.relu6(f"{name}.2", net.norm(f"{name}.1", top, relu=False))
