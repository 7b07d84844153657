"""The nets of the catalogue for tests that run each of them: sizes that fit them, and which are written for a fork."""

from __future__ import annotations

from typing import Any

import pytest
from small_nets import shrink_net

from caffe_fcn.netspec import build, catalogue
from caffe_fcn.netspec.design import BVLC, FORK, SPELLING
from caffe_fcn.proto import NetParameter

FORKS_ONLY = [
    name
    for name, net in catalogue().items()
    if net.variants and net.variants.option == SPELLING and [each.name for each in net.variants.values] == [FORK]
]
"""Those that BVLC's Caffe cannot run: they unpool by masks."""

IN_BVLCS = [name for name in catalogue() if name not in FORKS_ONLY]

OF_ONE_SIZE = ["pspnet50", "icnet", "segnet", "segnet-basic"]
"""Those that are built for a size, and take no other: the size is in their layers."""

_OWN_SIZES = {
    "triangles": {"data": (2, 1, 32, 32), "label": (2, 1, 32, 32)},
    "m2nist-cnn": {"data": (2, 1, 28, 28), "label": (2,)},
    "m2nist-fcn": {"data": (2, 1, 64, 84), "label": (2, 1, 64, 84)},
}
_LEAST = {"icnet": (193, 225)}  # the size whose features have six bins

# Nets with hundreds of layers or gigabytes of multiply-accumulates, whose likes are in every run of the tests
_LONG = ["voc-fcn8s-resnet101", "voc-fcn8s-densenet121", "voc-fcn8s-mobilenet-v2", "deeplab-v2-vgg16", "icnet"]


def mark_long(names: list[str]) -> list[object]:
    """The names as parameters of a test; those of the largest nets run with the long tests only."""
    return [pytest.param(name, marks=pytest.mark.long) if name in _LONG else name for name in names]


def fit_size(name: str, height: int, width: int) -> tuple[int, int]:
    """The least size from this one on that the net takes."""
    step, rest = catalogue()[name].grid
    up = [-(-(length - rest) // step) * step + rest for length in (height, width)]
    return up[0], up[1]


def has_spellings(name: str) -> bool:
    """Whether the net is written in the fork's layers and in those of BVLC's Caffe."""
    variants = catalogue()[name].variants
    return variants is not None and BVLC in [each.name for each in variants.values]


def shrink_training_net(name: str) -> NetParameter:
    """The training net for small images, with few classes and layers a sixteenth as wide (`shrink_net`)."""
    classes = catalogue()[name].classes
    fewer: dict[str, Any] = {"classes": [min(count, 7) for count in classes]} if max(classes) > 10 else {}
    inputs = _OWN_SIZES.get(name)
    if catalogue()[name].grid != (1, 0):  # a net for images of one size
        fewer["size"] = size = fit_size(name, *_LEAST.get(name, (97, 101)))
        inputs = {"data": (1, 3, *size), "label": (1, 1, *size)}
    return shrink_net(build(name, "train", **fewer), "train", inputs)


def shrink_deploy_net(name: str) -> NetParameter:
    """The deploy net for a small image, with layers a sixteenth as wide (`shrink_net`)."""
    if name not in OF_ONE_SIZE and catalogue()[name].grid == (1, 0):
        return shrink_net(build(name, "deploy"), "deploy")
    size = fit_size(name, *_LEAST.get(name, (97, 101)))
    return shrink_net(build(name, "deploy", size=size), "deploy", {"data": (1, 3, *size)})
