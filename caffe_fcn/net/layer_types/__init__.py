"""The table of layer types: for each, what Caffe makes of shapes, and what happens to coordinates.

A row says how many bottoms and tops a layer takes, the shapes of its tops and parameters, its
multiply-accumulates, its coordinate map and which of its bottoms carry coordinates. Everything else in
the package reads this table; a new type is one new row in its family.

Rules are functions of a `Site`: the layer and the shapes of its bottoms. They follow the Reshape and
LayerSetUp methods of BVLC Caffe 1.0 (src/caffe/layers/*.cpp).
"""

from __future__ import annotations

from caffe_fcn.net.layer_types import data, dense, losses, pointwise, recurrent, shaping
from caffe_fcn.net.layer_types import windows as windowed
from caffe_fcn.net.layer_types.site import ANY, LAYER_TYPES, LayerType, Rule, Shape, Site
from caffe_fcn.net.layer_types.windows import pooling_windows, windows

__all__ = ["ANY", "LAYER_TYPES", "LayerType", "Rule", "Shape", "Site", "pooling_windows", "windows"]

for family in (data, windowed, pointwise, shaping, dense, losses, recurrent):
    LAYER_TYPES.update(family.TYPES)
