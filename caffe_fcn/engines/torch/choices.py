"""Which of several ways is quicker on this machine: measured once, and kept in the user's cache.

find_choice("convolutions", ("direct", "winograd"), measure)        # one of the names
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

import torch

from caffe_fcn.engines.torch.measured import recall
from caffe_fcn.errors import EngineError, nearest

AUTO = "auto"


def find_choice(subject: str, ways: tuple[str, ...], measure: Callable[[], str], setting: str = "") -> str:
    """The way that the variable CAFFE_FCN_SUBJECT names, or else the one that ``measure`` found to be the quickest.

    Another variable is named by its ``setting``. Raises `EngineError` for a variable that names no way.
    """
    setting = f"CAFFE_FCN_{(setting or subject).upper()}"
    named = os.environ.get(setting) or AUTO
    if named not in (AUTO, *ways):
        raise EngineError(f"{setting}={named}", "no such way", nearest(named, ways) or " or ".join(ways))
    return named if named != AUTO else _find_quickest(subject, ways, measure, torch.get_num_threads())


@cache
def _find_quickest(subject: str, ways: tuple[str, ...], measure: Callable[[], str], threads: int) -> str:
    return recall(subject, measure, lambda text: text in ways, " or ".join(ways))
