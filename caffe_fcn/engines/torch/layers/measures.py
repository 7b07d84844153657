"""Layers that measure and have no gradient: Accuracy, ArgMax."""

from __future__ import annotations

import torch
from torch import Tensor

from caffe_fcn.engines.torch.layers.losses import LabelledLayer, read_labels
from caffe_fcn.engines.torch.registry import TorchLayer, layer


@layer("Accuracy")
class Accuracy(LabelledLayer):
    """The share of labels that are among the ``top_k`` scores; a second top has the share of each class."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        p = self.param
        x = bottoms[0].detach()
        scores = x.movedim(p.axis, -1).reshape(-1, x.shape[p.axis])
        ignored = p.ignore_label if p.HasField("ignore_label") else None
        numbers = read_labels(self, bottoms[1].flatten(), scores.shape[1], ignored)
        used = torch.ones_like(numbers, dtype=torch.bool) if ignored is None else numbers != ignored
        index = numbers.where(used, 0)
        labelled = scores.gather(1, index[:, None])
        exact = torch.promote_types(scores.dtype, torch.float32)
        right = (((scores >= labelled).sum(1) <= p.top_k) & used).to(exact)  # a tie counts as missed
        zeros = right.new_zeros(scores.shape[1])
        hits, counts = zeros.index_add(0, index, right), zeros.index_add(0, index, used.to(exact))
        shares = [right.sum() / used.sum().clamp(min=1), hits / counts.clamp(min=1)]
        return shares[: len(self.site.layer.top)]


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
