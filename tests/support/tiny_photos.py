"""Photos and their labels, small enough to train on in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COUNT, SIZE, SQUARE = 20, 16, 6


def write_photos(folder: Path, count: int = COUNT, size: int = SIZE) -> None:
    """Grey photos of a dark square and a bright one on noise; labels with their classes 1 and 2."""
    random = np.random.default_rng(0)
    for name in ("photos", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        photo = random.integers(100, 140, (size, size), np.uint8)
        label = np.zeros((size, size), np.uint8)
        for value, grey in ((1, 20), (2, 230)):
            y, x = random.integers(0, size - SQUARE, 2)
            photo[y : y + SQUARE, x : x + SQUARE], label[y : y + SQUARE, x : x + SQUARE] = grey, value
        Image.fromarray(photo).save(folder / f"photos/{number:02}.png")
        Image.fromarray(label).save(folder / f"labels/{number:02}.png")
