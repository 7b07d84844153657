"""An answer and its image at one size, where the net answers for another size than it is shown."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from caffe_fcn import offsets, proto
from caffe_fcn.engines import Engine
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.evaluation.predict import Prediction, input_of
from caffe_fcn.net.geometry import dims


def fit(found: Prediction, engine: Engine, net: str | os.PathLike[str], blob: str = "") -> tuple[Prediction, str]:
    """Image and label at one size, and what to tell of it; the prediction itself and "" where they have one.

    An answer for every pixel of a part of the image, as the net's coordinates say, stays with that part. Any other
    is stretched to the image.
    """
    (rows, columns), (height, width) = found.pixels.shape, found.image.shape[1:]
    if (rows, columns) == (height, width):
        return found, ""
    note = f"the net answers {dims((rows, columns))} for an image of {dims((height, width))}"
    start = _corner(engine, net, blob)
    if start and start[0] + rows <= height and start[1] + columns <= width:
        part = found.image[:, start[0] : start[0] + rows, start[1] : start[1] + columns]
        return replace(found, image=part), f"{note}: label and overlay show that part, from pixel {dims(start)} on"
    wide = found.pixels[np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)]
    return replace(found, pixels=wide), f"{note}: the label is stretched to the image"


def _corner(engine: Engine, net: str | os.PathLike[str], blob: str) -> tuple[int, int] | None:
    """The pixel of the image on which the first of the answer lies; None where not each lies on a pixel of its own."""
    try:
        definition = proto.read_net(net)
        maps = offsets.coord_map_between(definition, blob or engine.outputs[-1], input_of(engine)[0], "deploy").maps
    except CaffeFcnError:  # what an engine runs need not be traceable: behind a layer of a fork, say
        return None
    shifts = [each.shift for each in (maps * 2)[:2]]
    if any(each.scale != 1 for each in maps) or any(each.denominator != 1 or each < 0 for each in shifts):
        return None
    return int(shifts[0]), int(shifts[1])
