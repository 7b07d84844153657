"""torchvision's ResNets, and the segmentation nets on them, module by module.

The second convolution of a bottleneck has the stride, not the first one as in the nets that He et al. published.
"""

from __future__ import annotations

from collections.abc import Sequence

from caffe_fcn.errors import NetError
from caffe_fcn.interop.torchvision.building import Blob, TorchNet

STRIDE = 8  # of the segmentation nets' features: the last two stages are dilated
_RATES = (12, 24, 36)  # of DeepLab's atrous convolutions


def add_resnet(net: TorchNet, image: Blob, counts: Sequence[int], bottleneck: bool) -> Blob:
    """ResNet of so many blocks in each stage; also ResNeXt and wide ResNet, which differ in the weights' shapes."""
    top = _add_stages(net, "", image, counts, bottleneck, dilated=False)
    return net.linear("fc", net.adaptive_pool("avgpool", top))


def add_fcn(net: TorchNet, image: Blob, counts: Sequence[int]) -> Blob:
    """FCN on a dilated ResNet."""
    top = net.norm("classifier.1", net.conv("classifier.0", _add_dilated(net, image, counts), 3, bias=False))
    return _add_score(net, net.dropout("classifier.3", top, 0.1))


def add_deeplab(net: TorchNet, image: Blob, counts: Sequence[int]) -> Blob:
    """DeepLab v3 (Chen et al., 2017) on a dilated ResNet."""
    features = _add_dilated(net, image, counts)
    name = "classifier.0.convs"
    branches = [_add_branch(net, f"{name}.0", 0, features, 1)]
    branches += [_add_branch(net, f"{name}.{i}", 0, features, 3, rate) for i, rate in enumerate(_RATES, 1)]
    pooled = _add_branch(net, f"{name}.4", 1, net.adaptive_pool(f"{name}.4.0", features), 1)
    branches.append(net.spread(f"{name}.4", pooled, branches[0]))
    top = _add_branch(net, "classifier.0.project", 0, net.concat(name, *branches), 1)
    top = net.dropout("classifier.0.project.3", top)
    return _add_score(net, _add_branch(net, "classifier", 1, top, 3))


def _add_dilated(net: TorchNet, image: Blob, counts: Sequence[int]) -> Blob:
    if any(side % STRIDE for side in image.size):
        what = f"the scores are enlarged {STRIDE} times, and Caffe enlarges by whole factors alone"
        raise NetError("size", what, f"give a `size` of multiples of {STRIDE}")
    return _add_stages(net, "backbone.", image, counts, bottleneck=True, dilated=True)


def _add_score(net: TorchNet, top: Blob) -> Blob:
    return net.upsample("out", net.conv("classifier.4", top, 1), STRIDE)


def _add_branch(net: TorchNet, name: str, index: int, bottom: Blob, kernel: int, dilation: int = 1) -> Blob:
    """Convolution, BatchNorm and ReLU as the modules ``index`` and following of a Sequential."""
    top = net.conv(f"{name}.{index}", bottom, kernel, dilation=dilation, bias=False)
    return net.norm(f"{name}.{index + 1}", top)


def _add_stages(
    net: TorchNet, prefix: str, image: Blob, counts: Sequence[int], bottleneck: bool, dilated: bool
) -> Blob:
    top = net.norm(f"{prefix}bn1", net.conv(f"{prefix}conv1", image, 7, 2, bias=False))
    top = net.max_pool(f"{prefix}maxpool", top, 3, pad=1)
    dilation = 1
    for stage, count in enumerate(counts, 1):
        for block in range(count):
            name, first = f"{prefix}layer{stage}.{block}", block == 0
            halves, widens = first and stage > 1, dilated and stage > 2
            stride = 2 if halves and not widens else 1
            short = _add_shortcut(net, name, top, stride) if first and (halves or bottleneck) else top
            wide = _add_bottleneck if bottleneck else _add_basic
            top = net.add(name, wide(net, name, top, stride, dilation), short)
            top = net.relu(f"{name}.relu", top)
            if halves and widens:  # from the stage's second block on
                dilation *= 2
    return top


def _add_shortcut(net: TorchNet, name: str, bottom: Blob, stride: int) -> Blob:
    top = net.conv(f"{name}.downsample.0", bottom, 1, stride, bias=False)
    return net.norm(f"{name}.downsample.1", top, relu=False)


def _add_bottleneck(net: TorchNet, name: str, bottom: Blob, stride: int, dilation: int) -> Blob:
    top = net.norm(f"{name}.bn1", net.conv(f"{name}.conv1", bottom, 1, bias=False))
    top = net.conv(f"{name}.conv2", top, 3, stride, dilation=dilation, bias=False, grouped=True)
    return net.norm(f"{name}.bn3", net.conv(f"{name}.conv3", net.norm(f"{name}.bn2", top), 1, bias=False), relu=False)


def _add_basic(net: TorchNet, name: str, bottom: Blob, stride: int, dilation: int) -> Blob:
    top = net.norm(f"{name}.bn1", net.conv(f"{name}.conv1", bottom, 3, stride, bias=False))
    return net.norm(f"{name}.bn2", net.conv(f"{name}.conv2", top, 3, dilation=dilation, bias=False), relu=False)
