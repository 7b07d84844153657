"""FCN-8s and FCN-AlexNet as one writes them by hand in torch, for the benchmarks to compare with.

``w`` are the parameters by layer: weights and bias. Scores have the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

Parameters = Mapping[str, list[Tensor]]


def fcn8s(x: Tensor, w: Parameters, dropout: float = 0.0) -> Tensor:
    """The scores of FCN-8s."""
    height, width = x.shape[2:]
    for block, depth in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(1, depth + 1):
            pad = 100 if block == number == 1 else 1
            x = F.relu(F.conv2d(x, *w[f"conv{block}_{number}"], padding=pad), inplace=True)
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        if block == 3:
            pool3 = x
        if block == 4:
            pool4 = x
    up = F.conv_transpose2d(_score(x, w, dropout), w["upscore2"][0], stride=2)
    four = F.conv2d(pool4, *w["score_pool4"])[:, :, 5 : 5 + up.shape[2], 5 : 5 + up.shape[3]] + up
    up = F.conv_transpose2d(four, w["upscore_pool4"][0], stride=2)
    three = F.conv2d(pool3, *w["score_pool3"])[:, :, 9 : 9 + up.shape[2], 9 : 9 + up.shape[3]] + up
    return F.conv_transpose2d(three, w["upscore8"][0], stride=8)[:, :, 31 : 31 + height, 31 : 31 + width]


def alexnet(x: Tensor, w: Parameters, dropout: float = 0.0) -> Tensor:
    """The scores of FCN-AlexNet."""
    height, width = x.shape[2:]
    x = _normalize(_pool(F.relu(F.conv2d(x, *w["conv1"], padding=100, stride=4))))
    x = _normalize(_pool(F.relu(F.conv2d(x, *w["conv2"], padding=2, groups=2))))
    x = F.relu(F.conv2d(x, *w["conv3"], padding=1))
    x = F.relu(F.conv2d(x, *w["conv4"], padding=1, groups=2))
    x = _pool(F.relu(F.conv2d(x, *w["conv5"], padding=1, groups=2)))
    up = F.conv_transpose2d(_score(x, w, dropout), w["upscore"][0], stride=32)
    return up[:, :, 18 : 18 + height, 18 : 18 + width]


def _score(x: Tensor, w: Parameters, dropout: float) -> Tensor:
    for name in ("fc6", "fc7"):
        x = F.dropout(F.relu(F.conv2d(x, *w[name]), inplace=True), dropout)
    return F.conv2d(x, *w["score_fr"])


def _normalize(x: Tensor) -> Tensor:
    return F.local_response_norm(x, 5, 1e-4, 0.75)


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)
