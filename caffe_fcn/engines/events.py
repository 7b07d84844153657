"""What a training says while it runs, whichever engine runs it."""

from __future__ import annotations

from dataclasses import dataclass

Outputs = tuple[tuple[str, float], ...]
"""Named values in the net's order; a blob of several values repeats its name."""


@dataclass(frozen=True)
class Step:
    """The solver displayed an iteration: its loss (averaged over ``average_loss``) and learning rate."""

    iteration: int
    loss: float
    lr: float | None = None
    outputs: Outputs = ()


@dataclass(frozen=True)
class Test:
    """Test net number ``net`` was run after ``iteration`` iterations; ``outputs`` are means over ``test_iter``."""

    iteration: int
    net: int
    outputs: Outputs = ()


@dataclass(frozen=True)
class Snapshot:
    """Weights or a solver state were written to ``path``."""

    path: str


Event = Step | Test | Snapshot
