"""What a training reports while it runs, the same for both engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Outputs = tuple[tuple[str, float], ...]
"""Named values in the net's order; a blob of several values repeats its name."""


@dataclass(frozen=True)
class Step:
    """The solver displayed an iteration: the loss (averaged over ``average_loss``) and the learning rate.

    ``speed`` is in iterations a second, and ``gpu_memory`` in bytes, the most so far, where the log has them. Both are
    passed over when steps are compared.
    """

    iteration: int
    loss: float
    lr: float | None = None
    outputs: Outputs = ()
    speed: float | None = field(default=None, compare=False)
    gpu_memory: int | None = field(default=None, compare=False)


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


MEASURES = ("mean_iu", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iu")
"""The measures of a `Score`, by the names of its fields, in their order."""


@dataclass(frozen=True)
class Score:
    """The weights after ``iteration`` iterations were scored on images that the training does not see.

    The measures are from 0 to 1; ``accuracy`` and ``iu`` have those of each class, None for a class without them. An
    engine does not report this: who watches the training scores its snapshots.
    """

    iteration: int
    mean_iu: float
    pixel_accuracy: float
    mean_accuracy: float
    frequency_weighted_iu: float
    accuracy: tuple[float | None, ...] = ()
    iu: tuple[float | None, ...] = ()

    @property
    def measures(self) -> Mapping[str, float]:
        """The four measures by name."""
        return {name: getattr(self, name) for name in MEASURES}
