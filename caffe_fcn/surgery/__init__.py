"""Weights files and what is done to them: no Caffe, no whole model in memory.

- `open_weights`, `save_weights`: files of all formats, as handles on parameters (`layers`, `tensors`)
- `transplant`: a classifier's weights into another net
- `fillers`, `interp`: what parameters start with that no file gives
"""

from __future__ import annotations

from caffe_fcn.surgery.layers import Layer, Weights
from caffe_fcn.surgery.tensors import Tensor
from caffe_fcn.surgery.transplant import Donor, Parameter, Report, transplant
from caffe_fcn.surgery.weights import open_weights, save_weights

__all__ = [
    "Donor",
    "Layer",
    "Parameter",
    "Report",
    "Tensor",
    "Weights",
    "open_weights",
    "save_weights",
    "transplant",
]
