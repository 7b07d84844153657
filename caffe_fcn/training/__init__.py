"""A training as data: its steps, tests, snapshots and scores, from events as they come or from a log.

    history = read_log("snapshots/train.log")
    history.steps[-1].loss

A training that is watched (`Run`) scores its snapshots, keeps the best ones, and stops when it gets no better;
`find_resumption` says where one goes on that was interrupted.
"""

from __future__ import annotations

from caffe_fcn.training.history import History
from caffe_fcn.training.reading import read_log
from caffe_fcn.training.resuming import Resumption, find_resumption
from caffe_fcn.training.running import Run, Watch

__all__ = ["History", "Resumption", "Run", "Watch", "find_resumption", "read_log"]
