"""FCN heads: from features to scores for every pixel of the image, with skips, and what they learn from.

Scores come at the trunk's stride. At each skip they are upsampled to a finer stride and summed with the scores of
a layer that has it, the larger of the two cropped to the smaller; the last upsampling leads to the image's pixels,
and is cropped to it (Long, Shelhamer and Darrell, 2015). Every crop offset follows from the layers before it, and
so does the size of every upsampling kernel.

A head's names end in ``suffix``; ``place`` says which of the net's labellings it learns.
"""

from __future__ import annotations

from fractions import Fraction

from caffe_fcn import offsets
from caffe_fcn.net.graph import Graph
from caffe_fcn.netspec.blocks import FIXED, score, upscore
from caffe_fcn.netspec.plan import Plan
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

_PASCAL = 21  # the classes of DIGITS's own nets, whose names are plain
IGNORED = 255  # the label of pixels that don't count

# At-once training brings the poolings to the size of the last features.
_SCALES = {"pool4": 1e-2, "pool3": 1e-4}


def score_fr(n: NetSpec, plan: Plan, features: Top, suffix: str = "", place: int = 0) -> Top:
    """A score for each class at each position of the features."""
    return _scored(n, plan, f"score_fr{suffix}", features, plan.classes[place])


def upsampled(n: NetSpec, plan: Plan, scores: Top, image: Top, suffix: str = "", place: int = 0) -> Top:
    """``score``: the scores upsampled through the skips, and cropped to the image."""
    classes, finest = plan.classes[place], plan.net.stride or 1
    top, at, before = scores, plan.net.trunk.stride, ""
    for stride, pool in plan.net.trunk.skips.items():
        if stride < finest:
            break
        up = f"upscore_{before}{suffix}" if before else f"upscore{at // stride}{suffix}"
        top = _upscored(n, plan, up, top, n[pool], classes, at // stride)
        side = f"score_{pool}{suffix}"
        _scored(n, plan, side, _scaled(n, pool, suffix) if plan.net.at_once else n[pool], classes)
        n[f"fuse_{pool}{suffix}"] = top = L.Eltwise(*_cropped(n, up, side), operation=P.Eltwise.SUM)
        at, before = stride, pool
    top = _upscored(n, plan, f"upscore{at if before else ''}{suffix}", top, image, classes, at)
    n[f"score{suffix}"] = offsets.crop(top, image)
    return n[f"score{suffix}"]


def _cropped(n: NetSpec, up: str, side: str) -> tuple[Top, Top]:
    """Both scores at one size: that which begins further out is cropped, as ``NAMEc``."""
    if _shift(n[side], n[up]) < 0:
        n[f"{side}c"] = offsets.crop(n[side], n[up])
        return n[up], n[f"{side}c"]
    n[f"{up}c"] = offsets.crop(n[up], n[side])
    return n[f"{up}c"], n[side]


def learned(n: NetSpec, plan: Plan, scores: Top, label: str, suffix: str = "") -> None:
    """``loss``, and in DIGITS's form ``accuracy``; a net for deployment has neither."""
    if plan.training:
        param = {"ignore_label": IGNORED, "normalize": plan.net.normalize or plan.digits}
        n[f"loss{suffix}"] = L.SoftmaxWithLoss(scores, n[label], loss_param=param, **plan.but("deploy"))
    if plan.digits and plan.holds("val"):
        n[f"accuracy{suffix}"] = L.Accuracy(scores, n[label], ignore_label=IGNORED, **plan.only("val"))


def _scored(n: NetSpec, plan: Plan, name: str, bottom: Top, classes: int) -> Top:
    n[name] = top = score(bottom, classes, **_counted(plan, name, classes))
    return top


def _upscored(n: NetSpec, plan: Plan, name: str, bottom: Top, target: Top, classes: int, stride: int) -> Top:
    """Scores upsampled to the scale of ``target``, by the kernel with which the offset between them is whole."""
    kernel = 2 * stride - (_shift(bottom, target).denominator == 1)
    bilinear = plan.net.bilinear or plan.digits
    n[name] = top = upscore(bottom, classes, kernel, stride, bilinear, **_counted(plan, name, classes))
    return top


def _shift(source: Top, target: Top) -> Fraction:
    """Where the first pixel of ``source`` lies on ``target``; of axes that differ, the first."""
    net, begin, end = source.net_with(target)
    graph = Graph(net)
    return offsets.align(graph, graph.blob(begin), graph.blob(end)).map.maps[0].shift


def _scaled(n: NetSpec, pool: str, suffix: str) -> Top:
    filler = {"type": "constant", "value": _SCALES[pool]}
    n[f"scale_{pool}{suffix}"] = top = L.Scale(n[pool], filler=filler, param=FIXED)
    return top


def _counted(plan: Plan, name: str, classes: int) -> dict[str, str]:
    """The layer's name with the number of classes; with that of DIGITS's own nets it is plain, as theirs is."""
    return {"name": f"{name}_{classes}classes"} if plan.net.counted and classes != _PASCAL else {}
