"""FCN heads: from features to scores for every pixel of the image, with skips, and what they learn from.

Scores come at the trunk's stride of 32. At each skip they are upsampled by 2 and summed with the scores of a
finer pooling layer, cropped to fit; the last upsampling leads to the image's pixels, and is cropped to it (Long,
Shelhamer and Darrell, 2015). Every crop offset follows from the layers before it.

A head's names end in ``suffix``; ``place`` says which of the net's labellings it learns.
"""

from __future__ import annotations

from caffe_fcn import offsets
from caffe_fcn.netspec.blocks import FIXED, score, upscore
from caffe_fcn.netspec.plan import Plan
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

IGNORED = 255  # the label of pixels that don't count

_SKIPS: dict[int | None, tuple[str, ...]] = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}

# At-once training brings the poolings to the size of the last features.
_SCALES = {"pool4": 1e-2, "pool3": 1e-4}


def score_fr(n: NetSpec, plan: Plan, features: Top, suffix: str = "", place: int = 0) -> Top:
    """A score for each class at each position of the features."""
    return _scored(n, plan, f"score_fr{suffix}", features, plan.classes[place])


def upsampled(n: NetSpec, plan: Plan, scores: Top, image: Top, suffix: str = "", place: int = 0) -> Top:
    """``score``: the scores upsampled through the skips, and cropped to the image."""
    classes, stride = plan.classes[place], plan.net.stride or 1
    top, name = scores, "upscore2"
    for pool in _SKIPS[stride]:
        top = _upscored(n, plan, name + suffix, top, classes, 4, 2)
        side = f"score_{pool}{suffix}"
        _scored(n, plan, side, _scaled(n, pool, suffix) if plan.net.at_once else n[pool], classes)
        n[f"{side}c"] = offsets.crop(n[side], top)
        n[f"fuse_{pool}{suffix}"] = top = L.Eltwise(top, n[f"{side}c"], operation=P.Eltwise.SUM)
        name = f"upscore_{pool}"
    name = f"upscore{stride}" if _SKIPS[stride] else "upscore"
    top = _upscored(n, plan, name + suffix, top, classes, 2 * stride - plan.net.trunk.odd, stride)
    n[f"score{suffix}"] = offsets.crop(top, image)
    return n[f"score{suffix}"]


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


def _upscored(n: NetSpec, plan: Plan, name: str, bottom: Top, classes: int, kernel: int, stride: int) -> Top:
    bilinear = plan.net.bilinear or plan.digits
    n[name] = top = upscore(bottom, classes, kernel, stride, bilinear, **_counted(plan, name, classes))
    return top


def _scaled(n: NetSpec, pool: str, suffix: str) -> Top:
    filler = {"type": "constant", "value": _SCALES[pool]}
    n[f"scale_{pool}{suffix}"] = top = L.Scale(n[pool], filler=filler, param=FIXED)
    return top


def _counted(plan: Plan, name: str, classes: int) -> dict[str, str]:
    return {"name": f"{name}_{classes}classes"} if plan.net.counted else {}
