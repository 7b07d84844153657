"""FCN heads: from features to a score for every pixel of the image, with skips; and the loss.

Scores start at the backbone's stride. At each skip they are upsampled to a finer stride and summed with the scores of
a layer of that stride; the larger of the two is cropped to the smaller. The last upsampling reaches the stride of the
image, and is cropped to it (Long, Shelhamer and Darrell, 2015). Every crop offset, and the size of every upsampling
kernel, follows from the layers before it.

All names of a head end in ``suffix``; ``labelling`` is the number of the labelling that it learns, from 0.
"""

from __future__ import annotations

from fractions import Fraction

from caffe_fcn import offsets
from caffe_fcn.net.graph import Graph
from caffe_fcn.netspec.blocks import FROZEN, score, upscore
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.netspec.losses import make_loss
from caffe_fcn.netspec.spec import NetSpec, Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

_PASCAL = 21  # the number of classes of DIGITS's own nets, where the names of layers are plain

# For training all skips at once: what brings the values of a pooling to the magnitude of the last features.
_SCALES = {"pool4": 1e-2, "pool3": 1e-4}


def add_score_fr(n: NetSpec, plan: BuildPlan, features: Top, suffix: str = "", labelling: int = 0) -> Top:
    """Add ``score_fr``: a score for each class at each position of the features."""
    return _add_score(n, plan, f"score_fr{suffix}", features, plan.classes[labelling])


def upsample_scores(n: NetSpec, plan: BuildPlan, scores: Top, image: Top, suffix: str = "", labelling: int = 0) -> Top:
    """Add the skips, and ``score``: the scores upsampled and cropped to the image."""
    classes, finest = plan.classes[labelling], plan.net.stride or 1
    top, at, before = scores, plan.net.backbone.stride, ""
    for stride, pool in plan.net.backbone.skips.items():
        if stride < finest:
            break
        up = f"upscore_{before}{suffix}" if before else f"upscore{at // stride}{suffix}"
        top = _add_upscore(n, plan, up, top, n[pool], classes, at // stride)
        side = f"score_{pool}{suffix}"
        _add_score(n, plan, side, _add_scale(n, pool, suffix) if plan.net.at_once else n[pool], classes)
        n[f"fuse_{pool}{suffix}"] = top = L.Eltwise(*_crop_larger(n, up, side), operation=P.Eltwise.SUM)
        at, before = stride, pool
    top = _add_upscore(n, plan, f"upscore{at if before else ''}{suffix}", top, image, classes, at)
    n[f"score{suffix}"] = offsets.crop(top, image)
    return n[f"score{suffix}"]


def _crop_larger(n: NetSpec, up: str, side: str) -> tuple[Top, Top]:
    """Bring both scores to one size: the one that begins further out is cropped, under the name ``NAMEc``."""
    if _find_shift(n[side], n[up]) < 0:
        n[f"{side}c"] = offsets.crop(n[side], n[up])
        return n[up], n[f"{side}c"]
    n[f"{up}c"] = offsets.crop(n[up], n[side])
    return n[f"{up}c"], n[side]


def add_loss(n: NetSpec, plan: BuildPlan, scores: Top, label: str, suffix: str = "") -> None:
    """Add ``loss``, and in the form of DIGITS ``accuracy``; a deploy net has neither."""
    if plan.training:
        param = {**plan.ignore_param, "normalize": plan.net.normalize or plan.digits_form}
        n[f"loss{suffix}"] = make_loss(plan, scores, n[label], **param)
    if plan.digits_form and plan.includes("val"):
        n[f"accuracy{suffix}"] = L.Accuracy(scores, n[label], **plan.ignore_param, **plan.include_rule("val"))


def _add_score(n: NetSpec, plan: BuildPlan, name: str, bottom: Top, classes: int) -> Top:
    n[name] = top = score(bottom, classes, **_name_by_classes(plan, name, classes))
    return top


def _add_upscore(n: NetSpec, plan: BuildPlan, name: str, bottom: Top, target: Top, classes: int, stride: int) -> Top:
    """Upsample scores to the scale of ``target``, by a kernel that makes the offset between them a whole number."""
    kernel = 2 * stride - (_find_shift(bottom, target).denominator == 1)
    bilinear = plan.net.bilinear or plan.digits_form
    n[name] = top = upscore(bottom, classes, kernel, stride, bilinear, **_name_by_classes(plan, name, classes))
    return top


def _find_shift(source: Top, target: Top) -> Fraction:
    """The position of the first pixel of ``source`` on ``target``; where the axes differ, on the first."""
    net, begin, end = source.net_with(target)
    graph = Graph(net)
    return offsets.align(graph, graph.blob(begin), graph.blob(end)).map.maps[0].shift


def _add_scale(n: NetSpec, pool: str, suffix: str) -> Top:
    filler = {"type": "constant", "value": _SCALES[pool]}
    n[f"scale_{pool}{suffix}"] = top = L.Scale(n[pool], filler=filler, param=FROZEN)
    return top


def _name_by_classes(plan: BuildPlan, name: str, classes: int) -> dict[str, str]:
    """The layer's ``name`` with the number of classes in it, if the design asks for it; see `NetDesign`."""
    return {"name": f"{name}_{classes}classes"} if plan.net.classes_in_names and classes != _PASCAL else {}
