"""A training as data: its steps, tests, snapshots and scores, from events as they come or from a log.

    history = read_log("snapshots/train.log")
    history.steps[-1].loss

A training that is watched (`Run`) scores its snapshots, keeps the best ones, and stops when it gets no better;
`find_resumption` says where one goes on that was interrupted.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
