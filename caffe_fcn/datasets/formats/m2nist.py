"""M2NIST: two or three MNIST digits side by side on 64 x 84, each pixel labelled with its digit.

Digit ``i`` is placed at an x in [28 i, 28 i + 10) and a y that keeps it inside; one that would cross the right
edge is left out, as the third nearly always is. Boxes may overlap, ink does not: a digit whose ink would fall
upon another's is placed again. A label holds digit + 1 and 0 elsewhere, or the digit and 255 ("don't care")
elsewhere; the masks are ten planes, 1 where the digit of that value has ink.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.build.builder import Plan, SplitSource
from caffe_fcn.datasets.build.journal import Record
from caffe_fcn.datasets.build.options import BuildOptions
from caffe_fcn.datasets.formats import mnist
from caffe_fcn.datasets.records import datum
from caffe_fcn.datasets.reference_layers.published_sets import SETS
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.errors import DatasetError

_M2NIST = SETS["m2nist"]
_IGNORED = 255

(HEIGHT, WIDTH), DIGIT = _M2NIST.size, 28
DIGITS = len(_M2NIST.classes["label"])

Background = Literal["class", "ignore"]

_SLOTS = WIDTH // DIGIT
_SPREAD = 10
_BLACK = (0, 0, 0)


def build(
    output: str | os.PathLike[str],
    mnist_folder: str | os.PathLike[str],
    count: int = 5000,
    val_percent: float = 20,
    background: Background = "class",
    masks: bool = True,
    seed: int = 1234,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Description:
    """Write ``count`` images made of MNIST's training digits, ``val_percent`` of them for validation.

    ``masks`` adds the databases ``train_masks`` and ``val_masks``, 10 x 64 x 84. Raises `FileError` for files
    that are not MNIST's, and what `build_dataset` raises.
    """
    return plan(mnist_folder, count, val_percent, background, masks, seed, options).build(output)


def plan(
    mnist_folder: str | os.PathLike[str],
    count: int = 5000,
    val_percent: float = 20,
    background: Background = "class",
    masks: bool = True,
    seed: int = 1234,
    options: BuildOptions = BuildOptions(),  # noqa: B008 - it is frozen
) -> Plan:
    """Plan what `build` does: read the digits; raises as it does."""
    val = round(count * val_percent / 100)
    if not 0 <= val_percent < 100 or val >= count:
        raise DatasetError("m2nist", "needs an image to train on", "a larger `count`, or `val_percent` below 100")
    digits, values = mnist.read(mnist_folder)
    if digits.shape[1:] != (DIGIT, DIGIT):
        what = "has digits of {} x {}".format(*digits.shape[1:])
        raise DatasetError(mnist_folder, what, f"MNIST's are {DIGIT} x {DIGIT}")
    if not len(values):
        raise DatasetError(mnist_folder, "holds no digits", "fetch MNIST again")
    kinds = ("images", "labels", "masks") if masks else ("images", "labels")
    splits = [
        SplitSource(name, [f"{i:08d}" for i in numbers], _Converter(digits, values, numbers, background, seed), kinds)
        for name, numbers in (("train", range(count - val)), ("val", range(count - val, count)))
        if numbers
    ]
    digit_names = _M2NIST.classes["label"]
    about = Description(
        "m2nist",
        channels=1,
        classes=["background", *digit_names] if background == "class" else list(digit_names),
        palette=[list(colour) for colour in ((_BLACK,) if background == "class" else ()) + _M2NIST.palette],
        ignore_label=None if background == "class" else _IGNORED,
        seed=seed,
        sources=mnist.list_sources(mnist_folder),
        options={"count": count, "val_percent": float(val_percent), "background": background, "masks": masks},
    )
    return Plan(about, splits, options)


@dataclass(frozen=True)
class PlacedDigit:
    """A digit in an image: its index in MNIST, its value, and the upper left corner of its box."""

    index: int
    value: int
    x: int
    y: int


def compose(
    digits: NDArray[np.uint8], values: NDArray[np.uint8], seed: int, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[PlacedDigit]]:
    """Draw image ``number``: the image, 64 x 84, its masks, 10 x 64 x 84, and the digits in it."""
    random = np.random.RandomState((seed, number))  # a generator that never changes
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    masks = np.zeros((DIGITS, HEIGHT, WIDTH), np.uint8)
    placed = []
    for slot in range(_SLOTS):
        index = random.randint(len(values))
        x, y = _draw_position(random, slot)
        while x + DIGIT <= WIDTH and _crop(image, x, y)[digits[index] > 0].any():
            x, y = _draw_position(random, slot)
        if x + DIGIT > WIDTH:
            continue
        _crop(image, x, y)[...] = np.maximum(_crop(image, x, y), digits[index])
        _crop(masks[values[index]], x, y)[digits[index] > 0] = 1
        placed.append(PlacedDigit(int(index), int(values[index]), x, y))
    return image, masks, placed


def combine_masks(masks: NDArray[np.uint8], background: Background) -> NDArray[np.uint8]:
    """The label, H x W, that ten masks make."""
    inked = masks.any(axis=0)
    digit = masks.argmax(axis=0).astype(np.uint8)
    return np.where(inked, digit + 1, 0) if background == "class" else np.where(inked, digit, _IGNORED)


@dataclass(frozen=True)
class _Converter:
    digits: NDArray[np.uint8]
    values: NDArray[np.uint8]
    numbers: Sequence[int]
    background: Background
    seed: int

    def __call__(self, index: int) -> Record:
        image, masks, _ = compose(self.digits, self.values, self.seed, self.numbers[index])
        label = combine_masks(masks, self.background).astype(np.uint8)
        return Record(
            {
                "images": datum.pack_raw(image[None]),
                "labels": datum.pack_raw(label[None]),
                "masks": datum.pack_raw(masks),
            }
        )


def _draw_position(random: np.random.RandomState, slot: int) -> tuple[int, int]:
    return DIGIT * slot + random.randint(_SPREAD), random.randint(HEIGHT - DIGIT + 1)


def _crop(plane: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    return plane[y : y + DIGIT, x : x + DIGIT]
