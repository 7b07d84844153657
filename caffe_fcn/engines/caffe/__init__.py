"""Real Caffe, always as a child process: found on this machine, run forward, trained with.

caffe = find()
with CaffeTraining(caffe, "solver.prototxt") as training:
    for event in training:
        ...
"""

from __future__ import annotations

from caffe_fcn.engines.caffe.find import Caffe, find
from caffe_fcn.engines.caffe.forward import CaffeEngine
from caffe_fcn.engines.caffe.train import CaffeTraining
from caffe_fcn.engines.log import read_events

__all__ = ["Caffe", "CaffeEngine", "CaffeTraining", "find", "read_events"]
