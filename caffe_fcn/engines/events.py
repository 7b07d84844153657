"""What a training reports while it runs, the same for both engines."""

from __future__ import annotations

from dataclasses import dataclass, field

Outputs = tuple[tuple[str, float], ...]
"""Named values in the net's order; a blob of several values repeats its name."""


@dataclass(frozen=True)
class Step:
    """The solver displayed an iteration: the loss (averaged over ``average_loss``) and the learning rate.

    ``speed`` is in iterations a second, where the log has it. It is passed over when steps are compared.
    """

    iteration: int
    loss: float
    lr: float | None = None
    outputs: Outputs = ()
    speed: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Test:
    """Test net number ``net`` ran after ``iteration`` iterations; ``outputs`` are means over ``test_iter`` batches."""

    iteration: int
    net: int
    outputs: Outputs = ()


@dataclass(frozen=True)
class Snapshot:
    """Weights or a solver state were written to ``path``."""

    path: str


Event = Step | Test | Snapshot
