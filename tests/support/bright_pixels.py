"""Photos of noise in which a pixel is bright where blue is above its mean, their labels, and the data set of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from command import Ran
from PIL import Image

MEAN = [100.0, 120.0, 140.0]
OUTPUTS: list[dict[str, Any]] = [
    {"blob": "score", "kind": "scores", "classes": ["dark", "bright"], "palette": [[0, 0, 0], [9, 200, 30]]}
]
"""What model.json says of the scores."""


def write_pairs(folder: Path) -> None:
    """Three photos and their labels, in ``photos`` and ``labels``."""
    random = np.random.default_rng(0)
    for number in range(3):
        pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
        for kind, values in (("photos", pixels), ("labels", (pixels[..., 2] > MEAN[0]).astype(np.uint8))):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(values).save(folder / kind / f"{number}.png")


def build_dataset(folder: Path, cli: Callable[..., Ran]) -> Path:
    """The data set of the pairs in a folder, built when it is first wanted."""
    if not (folder / "data").exists():
        (folder / "classes.txt").write_text("dark\nbright\n")
        given = ["--images", folder / "photos", "--labels", folder / "labels", "--classes", folder / "classes.txt"]
        assert cli("data", "folder", *given, "-o", folder / "data").status == 0
    return folder / "data"
