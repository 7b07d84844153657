"""torchvision's architectures by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from caffe_fcn.errors import NetError
from caffe_fcn.interop.torchvision import classifiers, residual
from caffe_fcn.interop.torchvision.building import Blob, TorchNet

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Arch:
    """How to add the net, and what its images go through: (pixel / 255 - mean) / std, red first.

    ``idle`` are the prefixes of tensors that only training uses. ``segments`` says that it scores pixels.
    """

    add: Callable[[TorchNet, Blob], Blob]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    idle: tuple[str, ...] = ()
    segments: bool = False


_VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_RESNET = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_LIKE_RESNET = {"resnext50_32x4d": 50, "resnext101_32x8d": 101, "wide_resnet50_2": 50, "wide_resnet101_2": 101}
_DENSENET = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
_SEGMENTING = {"fcn": residual.add_fcn, "deeplabv3": residual.add_deeplab}


def _resnet(depth: int) -> Arch:
    return Arch(partial(residual.add_resnet, counts=_RESNET[depth], bottleneck=depth >= 50))


ARCHS: dict[str, Arch] = {
    "alexnet": Arch(classifiers.add_alexnet),
    **{
        f"vgg{depth}{end}": Arch(partial(classifiers.add_vgg, counts=counts, normalized=bool(end)))
        for end in ("", "_bn")
        for depth, counts in _VGG.items()
    },
    "squeezenet1_0": Arch(partial(classifiers.add_squeezenet, kernel=7, pools=(2, 6, 11))),
    "squeezenet1_1": Arch(partial(classifiers.add_squeezenet, kernel=3, pools=(2, 5, 8))),
    # The published weights have transform_input=True: the image goes from -1 to 1
    "googlenet": Arch(classifiers.add_googlenet, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), idle=("aux1.", "aux2.")),
    **{f"resnet{depth}": _resnet(depth) for depth in _RESNET},
    **{name: _resnet(depth) for name, depth in _LIKE_RESNET.items()},
    "mobilenet_v2": Arch(classifiers.add_mobilenet_v2),
    **{f"densenet{depth}": Arch(partial(classifiers.add_densenet, counts=each)) for depth, each in _DENSENET.items()},
    **{
        f"{name}_resnet{depth}": Arch(partial(add, counts=_RESNET[depth]), idle=("aux_classifier.",), segments=True)
        for name, add in _SEGMENTING.items()
        for depth in (50, 101)
    },
}


def choose_normalization(name: str, given: Sequence[float] | None, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the ``mean`` or the ``std`` of torch's Normalize, by default the usual one; raises `NetError`."""
    if given is None:
        return usual
    if len(given) != len(usual) or not all(0 <= each <= 1 for each in given) or (name == "std" and 0 in given):
        raise NetError(name, f"cannot be {list(given)}", f"torch's Normalize has {len(usual)} numbers of 0 to 1")
    return tuple(given)
