"""Real Caffe, always as a child process: found, asked, trained with, run forward.

caffe = find()
with Training(caffe, "solver.prototxt") as training:
    for event in training:
        ...
"""

from __future__ import annotations

from caffe_fcn.engines.caffe.find import Caffe, find
from caffe_fcn.engines.caffe.forward import Forward
from caffe_fcn.engines.caffe.train import Training
from caffe_fcn.engines.log import events

__all__ = ["Caffe", "Forward", "Training", "events", "find"]
