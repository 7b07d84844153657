"""Augmented forms of the records of a data set, to look at: what a net that is trained with these transforms sees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.augmentation.joint_augmentation import Augmentation, Draw
from caffe_fcn.datasets.records.opening import Pairs

COUNT = 5
"""How many forms are shown of a record."""

_GREY = 128  # outside of images of a data set that says no mean
_COLOUR_CHANNELS = (1, 3)


class Variation(NamedTuple):
    """An image C x H x W and its label 1 x H x W (None where it is a number), uint8, and what was drawn for them."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8] | None
    text: str


def make_variations(pairs: Pairs, index: int, transforms: Mapping[str, Any]) -> Iterator[Variation]:
    """Yield augmented forms of a record, always the same ones for the same index."""
    image, label = pairs[index]
    has_label = label.ndim == 3 and label.shape[0] == 1
    blobs = [image, label] if has_label else [image]
    layer = _describe_layer(pairs, len(image), transforms, has_label)
    for number in range(index * COUNT, (index + 1) * COUNT):
        drawn = layer.draw(number, 0)
        made = layer.apply([blob.astype(np.float32) for blob in blobs], drawn)
        pixels, *labels = (np.clip(np.rint(blob), 0, 255).astype(np.uint8) for blob in made)
        yield Variation(pixels, labels[0] if labels else None, _describe_draw(drawn, transforms))


def describe_transforms(transforms: Mapping[str, Any]) -> str:
    """Spell transforms for people: ``flip 0.5, scale 0.75 to 1.25, crop 320 x 320``."""
    joins = {"scale": " to ", "crop": " x "}
    return ", ".join(
        f"{name} {joins.get(name, '').join(f'{number:g}' for number in np.atleast_1d(value))}"
        for name, value in transforms.items()
    )


def _describe_layer(pairs: Pairs, channels: int, transforms: Mapping[str, Any], has_label: bool) -> Augmentation:
    """The layer for pixels as they are in the records."""
    about = pairs.about
    mean = about.mean if about is not None and about.mean and len(about.mean) in (1, channels) else [_GREY]
    kind = "photo" if channels in _COLOUR_CHANNELS else "planes"
    label = {"kind": "label", "outside": (about.ignore_label or 0) if about is not None else 255}
    bottoms = [{"kind": kind, "outside": mean, "black": 0}, *([label] if has_label else [])]
    return Augmentation(json.dumps({"transforms": dict(transforms), "bottoms": bottoms}))


def _describe_draw(drawn: Draw, transforms: Mapping[str, Any]) -> str:
    words = {
        "flip": "mirrored" if drawn.flip else "",
        "scale": f"scale {drawn.scale:.2f}",
        "rotate": f"{drawn.angle:+.1f}°",
        "colour": ", ".join(f"{name} {getattr(drawn, name):.2f}" for name in ("brightness", "contrast", "saturation")),
    }
    return ", ".join(filter(None, (words.get(name, "") for name in transforms))) or "as it is"
