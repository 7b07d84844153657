"""The table of layer types: one row a type, with every fact that anything in the package needs to know of it.

    LAYER_TYPES["Convolution"].coords(layer)          # the coordinate map of a layer

What a row can say stands in `row`. Rules are functions of a `Site` (the layer and the shapes of its bottoms) or of
the layer alone. They follow the Reshape and LayerSetUp methods of BVLC Caffe 1.0 (src/caffe/layers/*.cpp), or those of
the ``fork`` that a row names.

A new type is one new row in its family, a module of this package; and, for the embedded engine, one class.
"""

from __future__ import annotations

from caffe_fcn.net.layer_types import data, dense, losses, pointwise, recurrent, regions, resampling, shaping
from caffe_fcn.net.layer_types import windows as windowed
from caffe_fcn.net.layer_types.data import lacks_shapes, origin_of
from caffe_fcn.net.layer_types.losses import is_loss
from caffe_fcn.net.layer_types.row import ANY, LAYER_TYPES, Kind, LayerType, Origin, Role, Rule, layer_type
from caffe_fcn.net.layer_types.site import DataShapes, Shape, Site
from caffe_fcn.net.layer_types.windows import pooling_windows, windows

__all__ = [
    "ANY",
    "LAYER_TYPES",
    "DataShapes",
    "Kind",
    "LayerType",
    "Origin",
    "Role",
    "Rule",
    "Shape",
    "Site",
    "is_loss",
    "lacks_shapes",
    "layer_type",
    "origin_of",
    "pooling_windows",
    "windows",
]

for family in (data, windowed, resampling, pointwise, shaping, dense, losses, recurrent, regions):
    LAYER_TYPES.update(family.TYPES)
