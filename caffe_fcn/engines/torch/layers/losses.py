"""Losses, with Caffe's divisors, ignored labels and gradients (src/caffe/layers/*_loss_layer.cpp).

Where Caffe takes a logarithm it keeps its argument from zero, but its gradient goes on as if it had not; see
`_bounded`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn.engines.torch.registry import Layer, State, layer
from caffe_fcn.errors import DatasetError
from caffe_fcn.net.layer_types import Site
from caffe_fcn.proto.schema import LossParameter

_FLT_MIN = 1.1754943508222875e-38
_LOG_THRESHOLD = 1e-20  # kLOG_THRESHOLD
_NORMALIZATIONS = LossParameter.NormalizationMode


def labels_of(layer: Layer, labels: Tensor, classes: int, ignored: int | None) -> Tensor:
    """Labels as whole numbers; raises `DatasetError` for one that is no class."""
    numbers = labels.long()
    counted = numbers if ignored is None else numbers[numbers != ignored]
    if counted.numel() and not (int(counted.min()) >= 0 and int(counted.max()) < classes):
        wrong = int(counted.max() if int(counted.min()) >= 0 else counted.min())
        where = f"layer '{layer.name}' ({layer.site.layer.type})"
        but = "" if ignored is None else f" and not the ignore_label {ignored}"
        mend = "correct the labels, or num_output" + ("" if but else ", or set loss_param { ignore_label }")
        raise DatasetError(where, f"label {wrong} is none of 0 to {classes - 1}{but}", mend)
    return numbers


def _ignored(layer: Layer) -> int | None:
    loss = layer.site.layer.loss_param
    return int(loss.ignore_label) if loss.HasField("ignore_label") else None


def _divided(layer: Layer, values: Tensor, outer: int, counted: Tensor, default: str) -> Tensor:
    """The sum of losses by what ``normalization`` says; ``counted`` are the values that are not ignored."""
    loss = layer.site.layer.loss_param
    if loss.HasField("normalization"):
        mode = _NORMALIZATIONS.Name(loss.normalization)
    elif loss.HasField("normalize"):
        mode = "VALID" if loss.normalize else "BATCH_SIZE"
    else:
        mode = default
    if mode == "VALID":
        return values.sum() / counted.sum().clamp(min=1)
    return values.sum() / {"FULL": max(values.numel(), 1), "BATCH_SIZE": max(outer, 1), "NONE": 1}[mode]


def _bounded(values: Tensor, least: float) -> Tensor:
    """Values that are no less, and a gradient that knows nothing of it."""
    return values + (values.clamp(min=least) - values).detach()


def _of_images(x: Tensor) -> Tensor:
    """All values of an image as a row."""
    return x.reshape(x.shape[0], -1)


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(Layer):
    """The cross entropy of a softmax over ``softmax_param.axis``; the second top is the softmax."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, labels = bottoms
        axis = self.param.axis % x.dim()
        ignored = _ignored(self)
        shape = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
        numbers = labels_of(self, labels.reshape(shape), x.shape[axis], ignored)
        counted = torch.ones_like(numbers, dtype=torch.bool) if ignored is None else numbers != ignored
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        losses, probabilities = _CrossEntropy.apply(exact, numbers, counted, axis)
        loss = _divided(self, losses, math.prod(x.shape[:axis]), counted, "VALID")
        return [loss, probabilities][: max(len(self.site.layer.top), 1)]


class _CrossEntropy(torch.autograd.Function):
    """From one softmax both the losses and their gradient, as in Caffe: torch's own would take it twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor, counted: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        probabilities = x.softmax(axis)
        index = numbers.where(counted, 0)
        losses = -probabilities.gather(axis, index).clamp(min=_FLT_MIN).log() * counted
        ctx.save_for_backward(probabilities, index, counted)
        ctx.axis = axis
        ctx.mark_non_differentiable(probabilities)
        return losses, probabilities

    @staticmethod
    def backward(ctx: Any, of_losses: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        probabilities, index, counted = ctx.saved_tensors
        share = of_losses * counted
        return (probabilities * share).scatter_add_(ctx.axis, index, -share), None, None, None


@layer("InfogainLoss")
class InfogainLoss(Layer):
    """As `SoftmaxWithLoss`, with a matrix that says what each pair of label and prediction costs."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if len(site.shapes) < 3:
            site.fail("reads its matrix from a file", "give it as a third bottom")

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, labels, matrix = bottoms[0], bottoms[1], bottoms[2].detach()
        axis = self.param.axis % x.dim()
        ignored = _ignored(self)
        logs = _bounded(x.movedim(axis, -1).reshape(-1, x.shape[axis]).log_softmax(1), math.log(_LOG_THRESHOLD))
        numbers = labels_of(self, labels.flatten(), logs.shape[1], ignored)
        counted = torch.ones_like(numbers, dtype=torch.bool) if ignored is None else numbers != ignored
        square = matrix.reshape(logs.shape[1], logs.shape[1])
        losses = -(square[numbers.where(counted, 0)] * logs).sum(1) * counted
        loss = _divided(self, losses, math.prod(x.shape[:axis]), counted, "VALID")
        return [loss, x.softmax(axis)][: max(len(self.site.layer.top), 1)]


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Layer):
    """The cross entropy of predictions that are probabilities already."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        rows = _of_images(bottoms[0])
        numbers = labels_of(self, bottoms[1].flatten(), rows.shape[1], None)
        picked = rows.gather(1, numbers[:, None])
        return [-_bounded(picked, _LOG_THRESHOLD).log().sum() / len(rows)]


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Layer):
    """The cross entropy of a sigmoid for each value, with targets from 0 to 1."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, targets = bottoms[0], bottoms[1].detach().reshape(bottoms[0].shape)
        ignored = _ignored(self)
        counted = torch.ones_like(x) if ignored is None else (targets.long() != ignored).to(x.dtype)
        losses = F.binary_cross_entropy_with_logits(x, targets, reduction="none") * counted
        return [_divided(self, losses, x.shape[0], counted, "BATCH_SIZE")]


@layer("EuclideanLoss")
class EuclideanLoss(Layer):
    """The sum of squared differences / (2 N)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b = bottoms
        return [(a - b.reshape(a.shape)).square().sum() / (2 * a.shape[0])]


@layer("L1Loss")
class L1Loss(Layer):
    """The sum of absolute differences / N (NVIDIA's Caffe)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b = bottoms
        return [(a - b.reshape(a.shape)).abs().sum() / a.shape[0]]


@layer("SmoothL1Loss")
class SmoothL1Loss(Layer):
    """Squares near zero, absolute values beyond 1 (Fast R-CNN; sigma 1), the sum / N.

    A third bottom weighs differences, a fourth losses.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b, *weights = bottoms
        factors: list[Tensor | float] = [*(weight.reshape(a.shape) for weight in weights), 1.0, 1.0]
        inside, outside = factors[:2]
        difference = (a - b.reshape(a.shape)) * inside
        losses = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")
        return [(losses * outside).sum() / a.shape[0]]


@layer("HingeLoss")
class HingeLoss(Layer):
    """How far each score is on the wrong side of 1, or -1 for the other classes; with norm L2 squared.

    Of labels, Caffe reads as many as there are images, and passes over those behind them.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        rows = _of_images(bottoms[0])
        numbers = labels_of(self, bottoms[1].flatten()[: len(rows)], rows.shape[1], None)
        signs = torch.ones_like(rows).scatter_(1, numbers[:, None], -1)
        margins = F.relu(1 + signs * rows)
        return [(margins.square() if self.param.norm == 2 else margins).sum() / len(rows)]


@layer("ContrastiveLoss")
class ContrastiveLoss(Layer):
    """Distances of similar pairs, and how much those of others fall short of ``margin``, squared, / (2 N)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b, similar = bottoms
        squared = (_of_images(a) - _of_images(b)).square().sum(1)
        apart = F.relu(self.param.margin - squared) if self.param.legacy_version else self._short_of(squared)
        return [torch.where(similar.flatten().long() != 0, squared, apart).sum() / (2 * len(squared))]

    def _short_of(self, squared: Tensor) -> Tensor:
        """(margin - distance)^2; in the gradient Caffe keeps the distance from zero."""
        distance = squared.detach().sqrt()
        short = (self.param.margin - distance).clamp(min=0)
        slope = -short / (distance + 1e-4)
        return short.square() + slope * (squared - squared.detach())
