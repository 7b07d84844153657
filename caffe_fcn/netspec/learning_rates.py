"""The policies of a solver for its learning rate, with figures that follow from the number of iterations.

| policy | the rate | source of the figures |
|---|---|---|
| fixed | stays | |
| step | a tenth, after every third of the training | DIGITS: step size 33 %, gamma 0.1 |
| multistep | a half, after 50 % and after 85 % | DIGITS: step values 50,85, gamma 0.5 |
| poly | (1 - iteration / max_iter) ^ 0.9 | Chen et al., DeepLab, 2016 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Policy(NamedTuple):
    """What a policy sets beside its name: the fields for a number of iterations, and who says so."""

    make_fields: Callable[[int], Mapping[str, Any]]
    origin: str


LR_POLICIES: dict[str, Policy] = {
    "fixed": Policy(lambda iterations: {}, ""),
    "step": Policy(
        lambda iterations: {"stepsize": _take_percent(iterations, 33), "gamma": 0.1},
        "the default of DIGITS: a tenth after each 33 % of the iterations",
    ),
    "multistep": Policy(
        lambda iterations: {"stepvalue": [_take_percent(iterations, each) for each in (50, 85)], "gamma": 0.5},
        "the default of DIGITS: a half after 50 % and after 85 % of the iterations",
    ),
    "poly": Policy(lambda iterations: {"power": 0.9}, "as for DeepLab (Chen et al., 2016)"),
}


def _take_percent(iterations: int, percent: int) -> int:
    """A share of the iterations, rounded up."""
    return -(-percent * iterations // 100)
