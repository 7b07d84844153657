"""A prediction and its image at one size, for nets whose output is smaller or larger than their input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from caffe_fcn import offsets, proto
from caffe_fcn.engines import Engine
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.evaluation.predict import Prediction
from caffe_fcn.evaluation.resampling import Size, resample, stretch
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims


@dataclass(frozen=True)
class Placement:
    """Where an output of ``size`` lies on its image: from the pixel ``start`` on, or stretched to it where it is None.

    ``note`` says it to the user; it is empty where both have the same size.
    """

    size: Size
    start: Size | None
    note: str = ""

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the part of an image or a label (its last two axes) that the output is for."""
        if self.start is None:
            return pixels
        (top, left), (height, width) = self.start, self.size
        return pixels[..., top : top + height, left : left + width]


def match_sizes(found: Prediction, engine: Engine, net: PathLike, image: str, blob: str = "") -> tuple[Prediction, str]:
    """Give image and label of a prediction one size; returns also a note on how, or "" if they had one already.

    If the net's coordinates map every pixel of the output to a pixel of the image, the image is cropped to that part.
    Otherwise the label is stretched to the image. ``image`` is the input that took it.
    """
    height, width = found.image.shape[1:]
    placement = find_placement(found.pixels.shape, (height, width), engine, net, image, blob)
    return place(found, placement), placement.note


def place(found: Prediction, placement: Placement) -> Prediction:
    """Return a prediction whose image and label have one size."""
    height, width = found.image.shape[1:]
    if placement.start is not None:
        return replace(found, image=placement.cut(found.image))
    probabilities = None if found.probabilities is None else resample(found.probabilities, (height, width))
    masks = None if found.masks is None else {k: stretch(each, (height, width)) for k, each in found.masks.items()}
    return replace(found, pixels=stretch(found.pixels, (height, width)), probabilities=probabilities, masks=masks)


def find_placement(
    output: tuple[int, ...], size: Size, engine: Engine, net: PathLike, image: str, blob: str = ""
) -> Placement:
    """Find where an output (H, W) lies on an image of ``size``, which the input ``image`` took."""
    rows, columns = output
    if (rows, columns) == size:
        return Placement(size, (0, 0))
    note = f"the net answers {dims((rows, columns))} for an image of {dims(size)}"
    start = _find_corner(engine, net, image, blob)
    if start and start[0] + rows <= size[0] and start[1] + columns <= size[1]:
        return Placement(
            (rows, columns), start, f"{note}: label and overlay show that part, from pixel {dims(start)} on"
        )
    return Placement((rows, columns), None, f"{note}: the label is stretched to the image")


def _find_corner(engine: Engine, net: PathLike, image: str, blob: str) -> tuple[int, int] | None:
    """Return the pixel of the image that the output's first one lies on; None unless each lies on one of its own."""
    try:
        definition = proto.read_net(net)
        maps = offsets.coord_map_between(definition, blob or engine.outputs[-1], image, "deploy").maps
    except CaffeFcnError:  # an engine runs nets whose coordinates are unknown, with layers of a fork for example
        return None
    shifts = [each.shift for each in (maps * 2)[:2]]
    if any(each.scale != 1 for each in maps) or any(each.denominator != 1 or each < 0 for each in shifts):
        return None
    return int(shifts[0]), int(shifts[1])
