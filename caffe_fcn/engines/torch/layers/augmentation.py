"""The Python layer that augments images and labels together. No other Python layer with bottoms is run.

A training does not run it: what it makes is read there like the data (`caffe_fcn.engines.readers.augmentation`).

The class is this package's own: a module that a prototxt names is never imported, for a net from elsewhere may name
any code.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import torch
from torch import Tensor

from caffe_fcn.augmentation import LAYER, is_augmentation
from caffe_fcn.augmentation.joint_augmentation import Augmentation
from caffe_fcn.engines.torch.registry import State, UnrecordedLayer, layer
from caffe_fcn.net.layer_types import Site


@layer("Python")
class JointAugmentation(UnrecordedLayer):
    """Augments in the TRAIN phase, counting its passes from 0, and gives the bottoms as they are in the TEST phase."""

    def __init__(self, site: Site, state: State) -> None:
        super().__init__(site, state)
        if not is_augmentation(site.layer):
            site.fail(f"Python layer {self.param.layer!r} runs in pycaffe only", f"{LAYER} is the one that torch runs")
        self.augmentation = Augmentation(self.param.param_str)
        self.passes = count()

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        if not self.state.training:
            return bottoms
        blobs = [np.ascontiguousarray(bottom.detach().float().cpu().numpy()) for bottom in bottoms]
        tops = self.augmentation(blobs, next(self.passes))
        moved = [torch.from_numpy(top).to(bottom) for top, bottom in zip(tops, bottoms, strict=True)]
        return [top.contiguous(memory_format=torch.channels_last) for top in moved]
