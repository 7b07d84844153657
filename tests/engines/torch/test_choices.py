"""Which way is quicker: chosen by ratios of times, with a clock that the ways themselves move."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import pytest

pytest.importorskip("torch")

from caffe_fcn.engines.torch import choices


@pytest.fixture
def make_way(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], None]]:
    """A maker of ways that take these seconds in turn."""
    now = 0.0
    monkeypatch.setattr(choices.time, "perf_counter", lambda: now)

    def make(*seconds: float) -> Callable[[], None]:
        times = cycle(seconds)

        def way() -> None:
            nonlocal now
            now += next(times)

        return way

    return make


@pytest.mark.parametrize(("gain", "found"), [(0.9, "quick"), (0.75, "plain")])
def test_another_way_must_gain_enough(make_way: Callable[..., Callable[[], None]], gain: float, found: str) -> None:
    ways = {"plain": make_way(10.0), "slow": make_way(11.0), "quick": make_way(8.0)}
    assert choices.choose_quickest(ways, gain) == found


def test_load_that_comes_and_goes_changes_nothing(make_way: Callable[..., Callable[[], None]]) -> None:
    """Each round is slowed by another factor; one of the ways is once slowed alone, and prepares in the first round."""
    load = [1.0, 4.0, 2.0, 1.0, 7.0, 3.0, 1.0, 2.0]
    quick = [8 * factor for factor in load]
    quick[0], quick[3] = 1000.0, 90.0
    ways = {"plain": make_way(*(10 * factor for factor in load)), "quick": make_way(*quick)}
    assert choices.choose_quickest(ways, 0.9) == "quick"
