"""Which of several ways is quicker on this machine: measured once, and kept in the user's cache.

find_choice("convolutions", ("direct", "winograd"), measure)        # one of the names
choose_quickest({"direct": convolve, "winograd": convolve_in_tiles}, gain=0.9)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from statistics import median

import torch

from caffe_fcn.engines.torch.allocator import keep_freed_pages
from caffe_fcn.engines.torch.measured import recall
from caffe_fcn.errors import EngineError, nearest

AUTO = "auto"
_ROUNDS = 7  # of a measurement


def find_choice(subject: str, ways: tuple[str, ...], measure: Callable[[], str], setting: str = "") -> str:
    """The way that the variable CAFFE_FCN_SUBJECT names, or else the one that ``measure`` found to be the quickest.

    Another variable is named by its ``setting``. Raises `EngineError` for a variable that names no way.
    """
    setting = f"CAFFE_FCN_{(setting or subject).upper()}"
    named = os.environ.get(setting) or AUTO
    if named not in (AUTO, *ways):
        mend = nearest(named, ways) or f"{', '.join((AUTO, *ways[:-1]))} or {ways[-1]}"
        raise EngineError(f"{setting}={named}", "no such choice", mend)
    return named if named != AUTO else _find_quickest(subject, ways, measure, torch.get_num_threads())


@cache
def _find_quickest(subject: str, ways: tuple[str, ...], measure: Callable[[], str], threads: int) -> str:
    return recall(subject, measure, lambda text: text in ways, " or ".join(ways))


def choose_quickest(ways: Mapping[str, Callable[[], object]], gain: float) -> str:
    """Measure which way takes the least time: the first one, unless another takes less than ``gain`` of its time."""
    ratios = measure_ratios(ways)
    found = min(ratios, key=ratios.__getitem__)
    return found if ratios[found] < gain else next(iter(ways))


@torch.no_grad()
def measure_ratios(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The times of all ways but the first one, in that of the first one.

    In each round all run in turn, so that other load slows all of them, and are compared with the first one.
    """
    keep_freed_pages()  # as the nets that will take it
    first, *others = ways
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for number in range(_ROUNDS + 1):
        seconds = {name: _measure_time(way) for name, way in ways.items()}
        for name in others if number else ():  # the first time libraries prepare
            ratios[name].append(seconds[name] / seconds[first])
    return {name: median(each) for name, each in ratios.items()}


def _measure_time(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started
