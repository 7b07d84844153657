"""A small training on tiny photos, whose snapshots are scored: where its figures are."""

from __future__ import annotations

import re
from pathlib import Path

EVERY, LAST = 12, 40
SCORED = (12, 24, 36, LAST)
PLACES = [
    *((number, kind) for number in range(0, LAST + 1, 5) for kind in ("step", "test")),
    *((number, kind) for number in SCORED for kind in ("snapshot", "scores")),
]
"""The iteration and the kind of each figure, where every twelfth iteration is scored."""

SOLVER = {"max_iter": LAST, "display": 5, "test_interval": 5, "test_initialization": "true", "random_seed": 1}


def set_fields(path: Path, **values: object) -> None:
    """Give fields of a solver other values."""
    kept = [line for line in path.read_text().splitlines() if line.partition(":")[0] not in values]
    path.write_text("\n".join([*kept, *(f"{name}: {value}" for name, value in values.items())]) + "\n")


def set_batch(path: Path, size: int) -> None:
    """Give the data layers of a net another batch."""
    path.write_text(re.sub(r"batch_size: \d+", f"batch_size: {size}", path.read_text()))
