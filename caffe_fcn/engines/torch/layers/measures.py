"""Layers that measure and have no gradient: Accuracy, SegAccuracy, SegmentPixelIOU, ArgMax."""

from __future__ import annotations

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.losses import LabelledLayer, read_labels
from caffe_fcn.engines.torch.layers.resampling import scale_nearest
from caffe_fcn.engines.torch.registry import TorchLayer, UnrecordedLayer, layer


@layer("Accuracy")
class Accuracy(LabelledLayer):
    """The share of labels that are among the ``top_k`` scores; a second top has the share of each class."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        p = self.param
        x = bottoms[0].detach()
        scores = x.movedim(p.axis, -1).reshape(-1, x.shape[p.axis])
        ignored = [p.ignore_label] if p.HasField("ignore_label") else []
        numbers, used = read_labels(self, bottoms[1].flatten(), scores.shape[1], ignored)
        index = numbers.where(used, 0)
        labelled = scores.gather(1, index[:, None])
        exact = torch.promote_types(scores.dtype, torch.float32)
        right = (((scores >= labelled).sum(1) <= p.top_k) & used).to(exact)  # a tie counts as missed
        zeros = right.new_zeros(scores.shape[1])
        hits, counts = zeros.index_add(0, index, right), zeros.index_add(0, index, used.to(exact))
        shares = [right.sum() / used.sum().clamp(min=1), hits / counts.clamp(min=1)]
        return shares[: len(self.site.layer.top)]


@layer("SegAccuracy")
class SegAccuracy(UnrecordedLayer):
    """Pixel accuracy, mean accuracy and mean IU of the classes, of this pass or, with ``reset: false``, of all so far.

    A class that has no pixel does not count for the mean accuracy; one that is neither labelled nor predicted has an
    IU of 1. Of equal scores the last class wins. Source: src/caffe/layers/seg_accuracy_layer.cpp and
    util/confusion_matrix.cpp of DeepLab and hszhao/PSPNet.
    """

    _counts: Tensor | None = None

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0].detach()
        classes = x.shape[1]
        predicted = (classes - 1 - x.flip(1).argmax(1)).flatten()
        numbers, used = read_labels(self, bottoms[1].flatten(), classes, list(self.param.ignore_label))
        pairs = (numbers * classes + predicted)[used]
        counts = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        if self._counts is not None and not self.param.reset:
            counts += self._counts
        self._counts = counts
        hits, labelled, found = counts.diag().double(), counts.sum(1).double(), counts.sum(0).double()
        either = labelled + found - hits
        shares = torch.where(labelled > 0, hits / labelled.clamp(min=1), 0)
        overlaps = torch.where(hits == either, 1, hits / either.clamp(min=1))
        figures = [
            hits.sum() / labelled.sum().clamp(min=1),
            shares.sum() / (labelled > 0).sum().clamp(min=1),
            overlaps.mean(),
        ]
        return [torch.stack(figures).to(x.dtype).reshape(1, 1, 1, 3)]


@layer("SegmentPixelIOU")
class SegmentPixelIOU(UnrecordedLayer):
    """Of each class, the pixels found, those found wrongly, and those missed; of equal scores the first class wins.

    Predictions are scaled to the labels by the nearest pixel; label 255 does not count. Source:
    src/caffe/layers/segment_pixel_iou_layer.cpp of Xilinx' Caffe (Vitis AI).
    """

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x, labels = bottoms[0].detach(), bottoms[1]
        classes = x.shape[1]
        predicted = scale_nearest(x.argmax(1, keepdim=True), labels.shape[2:]).flatten()
        numbers, used = read_labels(self, labels.flatten(), classes, [_UNLABELLED])
        pairs = (numbers * classes + predicted)[used]
        counts = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        hits = counts.diag()
        return [torch.stack([hits, counts.sum(0) - hits, counts.sum(1) - hits]).to(x.dtype)]


_UNLABELLED = 255


@layer("ArgMax")
class ArgMax(TorchLayer):
    """The positions of the ``top_k`` largest values, along ``axis`` or in each image; of equal values the last."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        p, x = self.param, bottoms[0].detach()
        along = x.movedim(p.axis, -1) if p.HasField("axis") else x.reshape(len(x), -1)
        values, order = along.flip(-1).sort(dim=-1, descending=True, stable=True)
        values = values[..., : p.top_k]
        places = (along.shape[-1] - 1 - order[..., : p.top_k]).to(x.dtype)
        if p.HasField("axis"):
            return [(values if p.out_max_val else places).movedim(-1, p.axis)]
        both = torch.stack([places, values] if p.out_max_val else [places], 1)
        return [both.reshape(*both.shape, *[1] * (x.dim() - 3))]
