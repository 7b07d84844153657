"""Layers that give each channel the mean 0 and the deviation 1: BatchNorm, and the forks' BN.

    y = (x - mean) / sqrt(variance + eps) * factor + shift

They differ in where mean and variance come from, and in what they keep of them. A variance divides by the number of
values; torch's own running variance divides by one fewer, and is corrected here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, TorchLayer, layer
from caffe_fcn.net.layer_types import Site
from caffe_fcn.net.layer_types.pointwise import bn_eps, bn_kind, keeps_means


class _PerChannel(TorchLayer):
    """Normalizes the channels, which are axis 1."""

    allocates_tops = True
    eps: float

    def normalize_by(
        self, x: Tensor, mean: Tensor, variance: Tensor, factor: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        """With these statistics; all of them have one value for each channel."""
        return torch.batch_norm(x, factor, shift, mean, variance, False, 0.0, self.eps, False)

    def normalize_batch(
        self, x: Tensor, factor: Tensor | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With the batch's own statistics. Returns the mean and the unbiased variance, too, without a gradient."""
        mean, variance = (torch.zeros(x.shape[1], dtype=self.params[0].dtype, device=x.device) for _ in range(2))
        y = torch.batch_norm(x, factor, shift, mean, variance, True, 1.0, self.eps, False)
        return y, mean, variance


def _find_factors(
    mean: Tensor, variance: Tensor, eps: float, factor: Tensor | None = None, shift: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What a channel is multiplied by and what is added to it, with these statistics."""
    factors = (variance + eps).rsqrt() * (1 if factor is None else factor)
    return factors, (0 if shift is None else shift) - mean * factors


def _correct_bias(variance: Tensor, x: Tensor) -> Tensor:
    """The mean of the squares around the mean, of an unbiased variance, which divides their sum by one fewer."""
    count = x.numel() // x.shape[1]
    return variance * ((count - 1) / count) if count > 1 else torch.zeros_like(variance)


@torch.no_grad()
def _move(kept: Sequence[Tensor], latest: Sequence[Tensor], memory: float) -> None:
    """Move what is kept towards the latest, which counts the less, the longer the memory is (from 0 to 1)."""
    for old, new in zip(kept, latest, strict=False):
        old.mul_(memory).add_(new, alpha=1 - memory)


@layer("BatchNorm")
class BatchNorm(_PerChannel):
    """Takes the statistics of the batch in training, else those that it keeps.

    The first three parameters are a sum of means, a sum of variances, and the sum of weights to divide both by. With
    ``scale_bias`` two more are a factor and a shift, and the statistics are averages (`keeps_means`): those of the
    first two passes as they are, then moving ones (NVIDIA's src/caffe/layers/batch_norm_layer.cpp).
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        self.is_nvidias = keeps_means(site.layer)
        self.eps = max(self.param.eps, _LEAST_EPS) if self.is_nvidias else self.param.eps
        self.passes = 0

    def learns(self, index: int) -> bool:
        return index >= _STATISTICS

    @property
    def is_recordable(self) -> bool:
        return not self.is_nvidias  # which counts its passes

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        x = bottoms[0] if bottoms[0].dim() > 1 else bottoms[0][:, None]
        own = self.params[_STATISTICS:]
        if self._uses_kept():
            y = self.normalize_by(x, *self._compute_statistics(), *own)
        else:
            y, mean, variance = self.normalize_batch(x, *own)
            if self.is_nvidias:  # its variance has eps in it, which it adds before it updates
                self._average(mean, _correct_bias(variance, x) + self.eps)
            else:
                self._sum(mean, variance)
        return [y.reshape(bottoms[0].shape)]

    def find_channel_factors(self) -> tuple[Tensor, Tensor] | None:
        if not self._uses_kept():
            return None
        mean, variance = self._compute_statistics()
        return _find_factors(mean, variance, self.eps, *self.params[_STATISTICS:])

    def _uses_kept(self) -> bool:
        p = self.param
        return bool(p.use_global_stats) if p.HasField("use_global_stats") else not self.state.training

    def _compute_statistics(self) -> tuple[Tensor, Tensor]:
        mean, variance, weight = self.params[:_STATISTICS]
        scale = torch.where(weight == 0, weight, 1 / weight)
        return mean * scale, variance * scale

    @torch.no_grad()
    def _sum(self, *latest: Tensor) -> None:
        """Add the figures of a batch; BVLC's Caffe, too, keeps the unbiased variance."""
        for total, new in zip(self.params, (*latest, torch.ones_like(self.params[2])), strict=False):
            total.mul_(self.param.moving_average_fraction).add_(new)

    def _average(self, *latest: Tensor) -> None:
        _move(self.params, latest, self.param.moving_average_fraction if self.passes > 1 else 0.0)
        self.passes += 1


_STATISTICS = 3
_LEAST_EPS = 1e-5  # of NVIDIA's fork


@layer("BN")
class BN(_PerChannel):
    """The forks' BN: a factor and a shift for each channel, and for some statistics that they keep; see `bn_kind`.

    - SegNet's, DeconvNet's: LEARN takes the batch's statistics, in the TEST phase too; INFERENCE takes none, because
      its factor and shift have those of the training set in them. Further tops are the batch's mean and variance.
    - PSPNet's: the batch's while it is trained, unless it is ``frozen``, else those that it keeps.
    - CTPN's: the batch's, but in the TEST phase with ``moving_average`` those that it keeps.

    Sources: src/caffe/layers/bn_layer.cpp of alexgkendall/caffe-segnet, HyeonwooNoh/caffe, hszhao/PSPNet (its present
    and its first version, which is CTPN's).
    """

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        p = self.param
        self.kind = bn_kind(site.layer)
        self.eps = bn_eps(site.layer)
        self.is_plain = self.kind == "segnet" and p.bn_mode == p.INFERENCE
        self.uses_kept = (self.kind == "pspnet" and (p.frozen or not state.training)) or (
            self.kind == "ctpn" and p.moving_average and not state.training
        )
        self.memory = {"segnet": 0.0, "pspnet": p.momentum, "ctpn": 1 - p.decay}[self.kind]
        if self.is_plain and len(site.layer.top) > 1:
            site.fail("has tops for statistics in its mode INFERENCE, which has none", "take them out")

    def learns(self, index: int) -> bool:
        return index < _LEARNED and not self.param.frozen

    def find_channel_factors(self) -> tuple[Tensor, Tensor] | None:
        factor, shift, *kept = (param.flatten() for param in self.params)
        if self.is_plain:
            return factor, shift
        return _find_factors(kept[0], kept[1], self.eps, factor, shift) if self.uses_kept else None

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x,) = bottoms
        factor, shift, *kept = (param.flatten() for param in self.params)
        if self.is_plain:
            return [torch.addcmul(shift[:, None, None], x, factor[:, None, None])]
        if self.uses_kept:
            mean, variance = kept
            return [self.normalize_by(x, mean, variance, factor, shift)]
        y, mean, unbiased = self.normalize_batch(x, factor, shift)
        statistics = [mean, _correct_bias(unbiased, x)]
        if self.state.training:
            _move(kept, statistics, self.memory)
        return [y, *(each.reshape(1, -1, 1, 1) for each in statistics)][: len(self.site.layer.top)]


_LEARNED = 2  # factor and shift
