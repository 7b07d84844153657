"""A prediction and its image at one size, for nets whose output is smaller or larger than their input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from caffe_fcn import offsets, proto
from caffe_fcn.engines import Engine
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.evaluation.predict import Prediction
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import dims


def match_sizes(found: Prediction, engine: Engine, net: PathLike, image: str, blob: str = "") -> tuple[Prediction, str]:
    """Give image and label of a prediction one size; returns also a note on how, or "" if they had one already.

    If the net's coordinates map every pixel of the output to a pixel of the image, the image is cropped to that part.
    Otherwise the label is stretched to the image. ``image`` is the input that took it.
    """
    (rows, columns), (height, width) = found.pixels.shape, found.image.shape[1:]
    if (rows, columns) == (height, width):
        return found, ""
    note = f"the net answers {dims((rows, columns))} for an image of {dims((height, width))}"
    start = _find_corner(engine, net, image, blob)
    if start and start[0] + rows <= height and start[1] + columns <= width:
        part = found.image[:, start[0] : start[0] + rows, start[1] : start[1] + columns]
        return replace(found, image=part), f"{note}: label and overlay show that part, from pixel {dims(start)} on"
    stretched = found.pixels[np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)]
    return replace(found, pixels=stretched), f"{note}: the label is stretched to the image"


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
