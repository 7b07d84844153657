"""The loss of a net that learns classes: SoftmaxWithLoss, or InfogainLoss where the classes have weights."""

from __future__ import annotations

from typing import Any

from caffe_fcn.netspec.class_weights import MATRIX_FILE
from caffe_fcn.netspec.design import BuildPlan
from caffe_fcn.netspec.spec import Top
from caffe_fcn.netspec.spec import layers as L
from caffe_fcn.netspec.spec import params as P

SOFTMAX, INFOGAIN = LOSSES = ("softmax", "infogain")


def make_loss(plan: BuildPlan, scores: Top, label: Top, weight: float = 1, **param: Any) -> Top:
    """The loss of scores; ``param`` has the fields of its loss_param in the form that SoftmaxWithLoss takes.

    ``weight`` is its share in the sum of several losses.
    """
    rules = {**plan.exclude_rule("deploy"), **({} if weight == 1 else {"loss_weight": weight})}
    top: Top
    if not plan.class_weights:
        top = L.SoftmaxWithLoss(scores, label, loss_param=param, **rules)
        return top
    is_summed = param.pop("normalize", True) is False
    param["normalization"] = P.Loss.BATCH_SIZE if is_summed else P.Loss.VALID  # InfogainLoss refuses `normalize`
    matrix = {"source": MATRIX_FILE}
    top = L.InfogainLoss(scores, label, infogain_loss_param=matrix, loss_param=param, **rules)
    return top
