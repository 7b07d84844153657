"""Losses, with Caffe's normalization, ignored labels and gradients (src/caffe/layers/*_loss_layer.cpp).

Before Caffe takes a logarithm it raises the argument to a small positive value, but it computes the gradient as if it
had not; see `_raise_values`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from caffe_fcn import files
from caffe_fcn.engines.torch.registry import State, TorchLayer, layer
from caffe_fcn.errors import DatasetError
from caffe_fcn.net.layer_types import Site
from caffe_fcn.proto.schema import LossParameter
from caffe_fcn.weights.blobs import read_blob
from caffe_fcn.weights.input_file import InputFile

_FLT_MIN = 1.1754943508222875e-38
_LOG_THRESHOLD = 1e-20  # kLOG_THRESHOLD
_NORMALIZATIONS = LossParameter.NormalizationMode


class LabelledLayer(TorchLayer):
    """A layer that reads labels, by `read_labels`."""

    @property
    def is_recordable(self) -> bool:
        return self.state.faults is not None


def read_labels(layer: TorchLayer, labels: Tensor, classes: int, ignored: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Labels as integers, and which of them are not ``ignored``.

    Raises `DatasetError` for one that is no class; or adds to the faults of the state, and gives class 0 for it.
    """
    numbers = labels.long()
    used = torch.ones_like(numbers, dtype=torch.bool)
    for label in ignored:
        used &= numbers != label
    if layer.state.faults is not None:
        is_wrong = ((numbers < 0) | (numbers >= classes)) & used
        layer.state.faults.append(is_wrong.any())
        return numbers.where(~is_wrong, 0), used
    least, most = _find_limits(numbers.where(used, 0) if ignored else numbers)
    if least < 0 or most >= classes:
        wrong = most if least >= 0 else least
        where = f"layer '{layer.name}' ({layer.site.layer.type})"
        but = f" and not the ignore_label {', '.join(map(str, ignored))}" if ignored else ""
        mend = "correct the labels, or num_output" + ("" if but else ", or set loss_param { ignore_label }")
        raise DatasetError(where, f"label {wrong} is none of 0 to {classes - 1}{but}", mend)
    return numbers, used


def _find_limits(numbers: Tensor) -> tuple[int, int]:
    """The smallest and the largest of the numbers; 0 if there are none."""
    if not numbers.numel():
        return 0, 0
    least, most = numbers.aminmax()
    return int(least), int(most)


def _find_ignored_labels(layer: TorchLayer) -> list[int]:
    loss = layer.site.layer.loss_param
    return [int(loss.ignore_label)] if loss.HasField("ignore_label") else []


def find_normalization(layer: TorchLayer, default: str) -> str:
    """How a loss is normalized: the name of a value of ``normalization``, ``default`` where the layer says nothing."""
    loss = layer.site.layer.loss_param
    if loss.HasField("normalization"):
        return str(_NORMALIZATIONS.Name(loss.normalization))
    if loss.HasField("normalize"):
        return "VALID" if loss.normalize else "BATCH_SIZE"
    return default


def _normalize(layer: TorchLayer, losses: Tensor, batch: int, used: Tensor, default: str) -> Tensor:
    """The sum of the losses, divided as ``normalization`` says; ``used`` is 1 where a label is not ignored, else 0."""
    mode = find_normalization(layer, default)
    if mode == "VALID":
        return losses.sum() / used.sum().clamp(min=1)
    return losses.sum() / {"FULL": max(losses.numel(), 1), "BATCH_SIZE": max(batch, 1), "NONE": 1}[mode]


def _raise_values(values: Tensor, least: float) -> Tensor:
    """Raise values to at least ``least``; their gradient is that of the values as they were."""
    return values + (values.clamp(min=least) - values).detach()


def _flatten_images(x: Tensor) -> Tensor:
    """One row for each image, with all its values."""
    return x.reshape(x.shape[0], -1)


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(LabelledLayer):
    """The cross entropy of a softmax over ``softmax_param.axis``; the second top is the softmax.

    Forks weigh the pixels by the classes of their labels: SegNet's with ``weight_by_label_freqs``, which leaves what
    the sum is divided by; DeepLab v1's with the file ``weight_source``, which divides by the sum of weights.
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        classes = site.shapes[0][self.param.axis]
        loss, listed = site.layer.loss_param, site.setting(_DEEPLABS, "weight_source")
        self.by_weight = bool(listed) or bool(site.setting(_DEEPLABS, "ignore_label"))
        self.ignored = _find_ignored_labels(self) + [int(each) for each in site.setting(_DEEPLABS, "ignore_label")]
        self.weights: list[float] = list(loss.class_weighting) if loss.weight_by_label_freqs else []
        if listed:
            self.weights = _read_weights(listed[0])
        if self.weights and len(self.weights) != classes:
            site.fail(f"has {len(self.weights)} weights of classes for {site.blob()}", f"it needs {classes}")

    @property
    def is_recordable(self) -> bool:
        return super().is_recordable and not self.weights

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, labels = bottoms
        axis = self.param.axis % x.dim()
        shape = [*x.shape[:axis], 1, *x.shape[axis + 1 :]]
        numbers, used = read_labels(self, labels.reshape(shape), x.shape[axis], self.ignored)
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        factors = exact.new_tensor(self.weights)[numbers.where(used, 0)] * used if self.weights else used
        losses, probabilities = _CrossEntropy.apply(exact, numbers, factors, axis)
        if self.by_weight:
            total = factors.sum()
            loss = losses.sum() / total.where(total != 0, 1)
        else:
            loss = _normalize(self, losses, math.prod(x.shape[:axis]), used, "VALID")
        return [loss, probabilities][: max(len(self.site.layer.top), 1)]


_DEEPLABS = "softmaxloss_param"  # of TheLegendAli/DeepLab-Context, src/caffe/layers/softmax_loss_layer.cpp


def _read_weights(path: str) -> list[float]:
    """The numbers in a text file, one for each class."""
    words = files.read_bytes(path).split()
    try:
        weights = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(path, "does not list numbers", "write the weight of each class") from error
    if not all(0 <= weight < math.inf for weight in weights):
        raise DatasetError(path, "has a weight below 0, or none that is a number", "write the weight of each class")
    return weights


class _CrossEntropy(torch.autograd.Function):
    """Computes losses and gradient from one softmax, as Caffe does; torch's own functions compute it twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor, factors: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        probabilities = x.softmax(axis)
        index = numbers.where(factors != 0, 0)
        losses = -probabilities.gather(axis, index).clamp(min=_FLT_MIN).log() * factors
        ctx.save_for_backward(probabilities, index, factors)
        ctx.axis = axis
        ctx.mark_non_differentiable(probabilities)
        return losses, probabilities

    @staticmethod
    def backward(ctx: Any, of_losses: Tensor, _: Tensor) -> tuple[Tensor, None, None, None]:
        probabilities, index, factors = ctx.saved_tensors
        share = of_losses * factors
        return (probabilities * share).scatter_add_(ctx.axis, index, -share), None, None, None


@layer("InfogainLoss")
class InfogainLoss(LabelledLayer):
    """`SoftmaxWithLoss` with a matrix of what each pair of label and prediction costs.

    The matrix is the third bottom, or lies in the file ``source``, which is read when the layer is first computed.
    """

    _matrix: Tensor | None = None

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, labels = bottoms[:2]
        matrix = bottoms[2].detach() if len(bottoms) > 2 else self._read_matrix(x.device)
        axis = self.param.axis % x.dim()
        logs = _raise_values(x.movedim(axis, -1).reshape(-1, x.shape[axis]).log_softmax(1), math.log(_LOG_THRESHOLD))
        numbers, used = read_labels(self, labels.flatten(), logs.shape[1], _find_ignored_labels(self))
        square = matrix.reshape(logs.shape[1], logs.shape[1]).to(logs)
        losses = -(square[numbers.where(used, 0)] * logs).sum(1) * used
        loss = _normalize(self, losses, math.prod(x.shape[:axis]), used, "VALID")
        return [loss, x.softmax(axis)][: max(len(self.site.layer.top), 1)]

    def _read_matrix(self, device: torch.device) -> Tensor:
        if self._matrix is None:
            path = self.param.source
            tensor = read_blob(InputFile(path))
            classes = self.site.shapes[0][self.param.axis]
            if tensor.count != classes**2:
                self.site.fail(f"reads {path} with {tensor.count} values", f"it needs {classes} x {classes} of them")
            self._matrix = torch.from_numpy(tensor.cast("float32", path).load().copy()).to(device)
        return self._matrix


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(LabelledLayer):
    """The cross entropy of predictions that are probabilities."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        rows = _flatten_images(bottoms[0])
        numbers, _ = read_labels(self, bottoms[1].flatten(), rows.shape[1])
        picked = rows.gather(1, numbers[:, None])
        return [-_raise_values(picked, _LOG_THRESHOLD).log().sum() / len(rows)]


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(TorchLayer):
    """The cross entropy of a sigmoid for each value, with targets from 0 to 1."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, targets = bottoms[0], bottoms[1].detach().reshape(bottoms[0].shape)
        used = torch.ones_like(x)
        for ignored in _find_ignored_labels(self):
            used = (targets.long() != ignored).to(x.dtype)
        losses = F.binary_cross_entropy_with_logits(x, targets, reduction="none") * used
        return [_normalize(self, losses, x.shape[0], used, "BATCH_SIZE")]


@layer("EuclideanLoss")
class EuclideanLoss(TorchLayer):
    """The sum of squared differences / (2 N)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b = bottoms
        return [(a - b.reshape(a.shape)).square().sum() / (2 * a.shape[0])]


@layer("L1Loss")
class L1Loss(TorchLayer):
    """The sum of absolute differences / N (NVIDIA's Caffe)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b = bottoms
        return [(a - b.reshape(a.shape)).abs().sum() / a.shape[0]]


@layer("SmoothL1Loss")
class SmoothL1Loss(TorchLayer):
    """The sum of squares below 1 and absolute values above, / N (Fast R-CNN; sigma 1).

    A third bottom has the weights of the differences, a fourth those of the losses.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b, *weights = bottoms
        factors: list[Tensor | float] = [*(weight.reshape(a.shape) for weight in weights), 1.0, 1.0]
        inside, outside = factors[:2]
        difference = (a - b.reshape(a.shape)) * inside
        losses = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")
        return [(losses * outside).sum() / a.shape[0]]


@layer("HingeLoss")
class HingeLoss(LabelledLayer):
    """How much the score of the right class is below 1, and the others above -1; with norm L2, squared.

    Caffe reads one label for each image and ignores further labels.
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        rows = _flatten_images(bottoms[0])
        numbers, _ = read_labels(self, bottoms[1].flatten()[: len(rows)], rows.shape[1])
        signs = torch.ones_like(rows).scatter_(1, numbers[:, None], -1)
        margins = F.relu(1 + signs * rows)
        return [(margins.square() if self.param.norm == self.param.L2 else margins).sum() / len(rows)]


@layer("ContrastiveLoss")
class ContrastiveLoss(TorchLayer):
    """The squared distances of similar pairs, and how much those of other pairs are below ``margin``, / (2 N)."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        a, b, similar = bottoms
        squared = (_flatten_images(a) - _flatten_images(b)).square().sum(1)
        apart = F.relu(self.param.margin - squared) if self.param.legacy_version else self._square_shortfall(squared)
        return [torch.where(similar.flatten().long() != 0, squared, apart).sum() / (2 * len(squared))]

    def _square_shortfall(self, squared: Tensor) -> Tensor:
        """(margin - distance)^2; in the gradient Caffe adds a little to the distance, which may be zero."""
        distance = squared.detach().sqrt()
        shortfall = (self.param.margin - distance).clamp(min=0)
        slope = -shortfall / (distance + 1e-4)
        return shortfall.square() + slope * (squared - squared.detach())
