"""Random parameters under which a net's values stay as large as its inputs."""

from __future__ import annotations

from torch_judge import torch

from caffe_fcn.engines.torch import Net


@torch.no_grad()
def fill(net: Net) -> None:
    """Parameters that keep the size of values, random biases, and upscores that interpolate."""
    generator = torch.Generator().manual_seed(1)
    for name, (weights, *others) in net.params.items():
        kind = net.layers[name].site.layer.type
        if kind == "Deconvolution" and weights.dim() == 4:
            interpolate(weights)
        else:
            fan = max(weights.numel() // max(len(weights), 1) if weights.dim() else 1, 1)
            weights.copy_(torch.randn(weights.shape, generator=generator) * (2 / fan) ** 0.5)
        for other in others:
            other.copy_(torch.randn(other.shape, generator=generator))
        if kind == "Scale" and weights.dim() == 1:  # factors around 0 would let the size of values, and roundings, grow
            weights.copy_(torch.rand(weights.shape, generator=generator) * 0.5 + 0.25)
        if kind == "BatchNorm":  # variances, and by what both statistics are divided
            others[0].abs_().add_(0.5)
            others[1].fill_(1.5)


@torch.no_grad()
def interpolate(weights: torch.Tensor) -> None:
    """Class i into class i alone; Caffe's bilinear filler fills all."""
    channels, width, *kernel = weights.shape
    rows, columns = (1 - (torch.arange(size) - (size - 1) / 2).abs() / ((size + 1) // 2) for size in kernel)
    weights.zero_()
    weights[torch.arange(channels), torch.arange(channels) % width] = torch.outer(rows, columns).to(weights)


@torch.no_grad()
def copy_parameters(source: Net, target: Net) -> None:
    """Give a net the parameters of another one, which may be on another device or of another precision."""
    for name, blobs in source.params.items():
        for mine, theirs in zip(target.params[name], blobs, strict=True):
            mine.copy_(theirs)
