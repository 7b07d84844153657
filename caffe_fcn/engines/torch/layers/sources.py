"""Sources that compute their blobs: DummyData and Parameter. (The others are inputs of the net, and have no class.)"""

from __future__ import annotations

from itertools import count

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.engines.torch.registry import State, TorchLayer, layer
from caffe_fcn.net.layer_types import Site
from caffe_fcn.proto import FillerParameter
from caffe_fcn.weights import fillers


@layer("DummyData")
class DummyData(TorchLayer):
    """Blobs that fillers fill; in each forward pass with new values, if they are random."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        tops = len(site.layer.top)
        declared = list(self.param.data_filler) or [FillerParameter(type="constant")]
        self.fillers = declared * tops if len(declared) == 1 else declared
        if len(self.fillers) != tops:
            site.fail(f"has {len(declared)} data_filler for {tops} tops", "give one, or one each")
        self.shapes = self.row.tops(site)
        self.passes = count()

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        seed = self.state.random.initial_seed() % 2**32 + next(self.passes)
        return [
            torch.from_numpy(np.array(fillers.fill(filler, shape, self.name, top, seed).load()))
            for top, (filler, shape) in enumerate(zip(self.fillers, self.shapes, strict=True))
        ]


@layer("Parameter")
class Parameter(TorchLayer):
    """Makes its parameter a blob."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return [self.params[0]]
