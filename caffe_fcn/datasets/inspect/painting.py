"""Labels in the colours of their classes, alone or laid over their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from caffe_fcn.datasets.records import palette
from caffe_fcn.description.dataset_json import Description

if TYPE_CHECKING:
    from PIL.Image import Image

OPACITY = 0.55
"""That of a label over its image."""


def has_transparent_black(about: Description | None) -> bool:
    """Whether black stands for nothing: not where a label is itself a picture."""
    return about is None or about.labels == "classes"


def paint(
    label: NDArray[np.uint8], size: tuple[int, int], colours: Sequence[palette.Colour], transparent_black: bool
) -> Image:
    """Paint a label H x W at ``size`` (width, height), with a palette of 256 ``colours``."""
    from PIL import Image

    # One byte for each pixel: noisy labels compress ten times faster than their colours would.
    painted = Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
    painted.putpalette(bytes(value for colour in colours for value in colour))
    painted.info["transparency"] = bytes(255 * (any(colour) or not transparent_black) for colour in colours)
    return painted


def choose_colours(about: Description | None) -> Sequence[palette.Colour]:
    """Return a colour for each of 256 values."""
    if about is not None and about.labels == "grey":
        return [(value, value, value) for value in range(256)]
    given = [(r, g, b) for r, g, b in about.palette] if about is not None and about.palette else []
    return [*given, *palette.make_voc_palette()[len(given) :]]


def draw_overlay(image: Image, label: Image | None) -> Image:
    """Lay a painted label over its image."""
    if label is None:
        return image
    overlay, colours = image.copy(), label.convert("RGBA")
    overlay.paste(colours.convert("RGB"), mask=colours.getchannel("A").point(lambda alpha: alpha * OPACITY))
    return overlay
