"""A training as data: its steps, tests and snapshots, from events as they come or from a log.

history = read_log("snapshots/train.log")
history.steps[-1].loss
"""

from __future__ import annotations

from caffe_fcn.training.history import History
from caffe_fcn.training.reading import read_log

__all__ = ["History", "read_log"]
