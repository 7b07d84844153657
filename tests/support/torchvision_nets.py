"""torchvision's nets as torch modules, of any width: what torchvision/models writes, under the same names.

A long test compares torchvision's own nets, where torchvision is installed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def randomize(net: nn.Module, seed: int = 0) -> nn.Module:
    """Give a net random parameters and statistics that keep the size of values; it computes as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.weight, 0.3, 0.9), (module.running_var, 0.5, 1.5)):
                nn.init.uniform_(values, low, high, generator)
            for values in (module.bias, module.running_mean):
                nn.init.normal_(values, 0, 0.2, generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1, generator)
    return net.eval()


class Classifier(nn.Module):
    """AlexNet and VGG."""

    def __init__(self, features: Sequence[nn.Module], side: int, classifier: Sequence[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def alexnet(width: int, classes: int) -> Classifier:
    features: list[nn.Module] = [
        *(nn.Conv2d(3, width, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(width, 3 * width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(3 * width, 6 * width, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(6 * width, 4 * width, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(4 * width, 4 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    ]
    classifier = [nn.Dropout(), nn.Linear(36 * 4 * width, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 16), nn.ReLU()]
    return Classifier(features, 6, [*classifier, nn.Linear(16, classes)])


def vgg(counts: Sequence[int], width: int, classes: int, normalized: bool = False, dense: int = 16) -> Classifier:
    features: list[nn.Module] = []
    inputs = 3
    for count, times in zip(counts, (1, 2, 4, 8, 8), strict=True):
        for _ in range(count):
            features.append(nn.Conv2d(inputs, times * width, 3, padding=1))
            inputs = times * width
            features += [nn.BatchNorm2d(inputs), nn.ReLU()] if normalized else [nn.ReLU()]
        features.append(nn.MaxPool2d(2, 2))
    classifier = [nn.Linear(49 * inputs, dense), nn.ReLU(), nn.Dropout(), nn.Linear(dense, dense), nn.ReLU()]
    return Classifier(features, 7, [*classifier, nn.Dropout(), nn.Linear(dense, classes)])


class Fire(nn.Module):
    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    def __init__(self, first: tuple[int, int], plan: str, width: int, classes: int) -> None:
        super().__init__()
        outputs, kernel = first
        features: list[nn.Module] = [nn.Conv2d(3, outputs, kernel, stride=2), nn.ReLU()]
        for letter in plan:
            if letter == "M":
                features.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                features.append(Fire(outputs, width, 2 * width))
                outputs = 4 * width
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(outputs, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


class Basic(nn.Module):
    """GoogLeNet's convolution."""

    def __init__(self, inputs: int, outputs: int, **window: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, bias=False, **window)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branch1 = Basic(inputs, width, kernel_size=1)
        for name in ("branch2", "branch3"):
            reduce, wide = Basic(inputs, width, kernel_size=1), Basic(width, 2 * width, kernel_size=3, padding=1)
            self.add_module(name, nn.Sequential(reduce, wide))
        pool = nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True)
        self.branch4 = nn.Sequential(pool, Basic(inputs, width, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


class GoogLeNet(nn.Module):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = Basic(3, width, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = Basic(width, width, kernel_size=1)
        self.conv3 = Basic(width, 6 * width, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for block, letters, kernel in ((3, "ab", 3), (4, "abcde", 2), (5, "ab", 0)):
            for letter in letters:
                self.add_module(f"inception{block}{letter}", Inception(6 * width, width))
            if kernel:
                self.add_module(f"maxpool{block}", nn.MaxPool2d(kernel, stride=2, ceil_mode=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.aux1 = nn.Sequential(nn.Conv2d(6 * width, 8, 1))  # of use in training alone
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(6 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            if name not in ("aux1", "dropout", "fc"):
                x = module(x)
        return self.fc(torch.flatten(x, 1))


def densenet(counts: Sequence[int], growth: int, classes: int) -> nn.Module:
    width = 2 * growth
    features: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(width),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(3, stride=2, padding=1),
    )
    for block, count in enumerate(counts, 1):
        layers = OrderedDict()
        for layer in range(1, count + 1):
            layers[f"denselayer{layer}"] = DenseLayer(width, growth)
            width += growth
        features[f"denseblock{block}"] = nn.Sequential(layers)
        if block < len(counts):
            features[f"transition{block}"] = nn.Sequential(
                OrderedDict(
                    norm=nn.BatchNorm2d(width),
                    relu=nn.ReLU(),
                    conv=nn.Conv2d(width, width // 2, 1, bias=False),
                    pool=nn.AvgPool2d(2, stride=2),
                )
            )
            width //= 2
    features["norm5"] = nn.BatchNorm2d(width)
    return Pooled(nn.Sequential(features), classifier=nn.Linear(width, classes))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(inner)))], 1)


class Pooled(nn.Module):
    """Features, a ReLU, their mean, and a classifier."""

    def __init__(self, features: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(F.relu(self.features(x)), 1), 1))


def _norm_relu6(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = inputs * expand
        layers: list[nn.Module] = [_norm_relu6(inputs, inner, 1)] if expand != 1 else []
        layers += [_norm_relu6(inner, inner, 3, stride, inner), nn.Conv2d(inner, outputs, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outputs))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


def mobilenet_v2(divisor: int, classes: int) -> nn.Module:
    width = 32 // divisor
    features: list[nn.Module] = [_norm_relu6(3, width, 3, 2)]
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expand, outputs, count, stride in rows:
        for index in range(count):
            features.append(Inverted(width, outputs // divisor, 1 if index else stride, expand))
            width = outputs // divisor
    last = nn.Sequential(nn.Dropout(0.2), nn.Linear(4 * width, classes))
    return Pooled(nn.Sequential(*features, _norm_relu6(width, 4 * width, 1)), last)


class Block(nn.Module):
    """A block of a ResNet: two 3x3 convolutions, or a bottleneck of three."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, bottleneck: bool, groups: int) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        inner = 2 * width if groups > 1 else width
        window: dict[str, Any] = {"stride": stride, "padding": dilation, "dilation": dilation, "bias": False}
        if bottleneck:
            self.conv1, self.bn1 = nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner)
            self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, groups=groups, **window), nn.BatchNorm2d(inner)
            self.conv3, self.bn3 = nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        else:
            self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, **window), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        if stride > 1 or inputs != outputs:
            short = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(short, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            out = self.bn3(self.conv3(F.relu(out)))
        return F.relu(out + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    """``fc`` with ``classes``; without them the features, with the last two stages dilated."""

    def __init__(self, counts: Sequence[int], width: int, classes: int, bottleneck: bool, groups: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(width)
        inputs, dilation = width, 1
        for stage, count in enumerate(counts, 1):
            before, stride = dilation, 1 if stage == 1 else 2
            if not classes and stage > 2:
                dilation, stride = 2 * dilation, 1
            blocks = []
            for index in range(count):
                step, spread = (1, dilation) if index else (stride, before)
                blocks.append(Block(inputs, width, step, spread, bottleneck, groups))
                inputs = 4 * width if bottleneck else width
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            width *= 2
        if classes:
            self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)) if hasattr(self, "fc") else x


def _conv_norm_relu(inputs: int, outputs: int, kernel: int = 1, rate: int = 1) -> list[nn.Module]:
    pad = rate if kernel == 3 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, padding=pad, dilation=rate, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class Atrous(nn.Module):
    """DeepLab's pyramid."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        branches = [nn.Sequential(*_conv_norm_relu(inputs, outputs))]
        branches += [nn.Sequential(*_conv_norm_relu(inputs, outputs, 3, rate)) for rate in (12, 24, 36)]
        branches.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_norm_relu(inputs, outputs)))
        self.convs = nn.ModuleList(branches)
        self.project = nn.Sequential(*_conv_norm_relu(5 * outputs, outputs), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        tops = [branch(x) for branch in self.convs]
        tops[-1] = F.interpolate(tops[-1], size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat(tops, 1))


class Segmenter(nn.Module):
    def __init__(self, counts: Sequence[int], width: int, classes: int, atrous: bool) -> None:
        super().__init__()
        self.backbone = ResNet(counts, width, 0, bottleneck=True)
        features, inner = 32 * width, 8
        if atrous:
            head: list[nn.Module] = [Atrous(features, inner), *_conv_norm_relu(inner, inner, 3)]
        else:
            head = [*_conv_norm_relu(features, inner, 3), nn.Dropout(0.1)]
        self.classifier = nn.Sequential(*head, nn.Conv2d(inner, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.classifier(self.backbone(x))
        return F.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=False)
