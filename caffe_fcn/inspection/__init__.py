"""Numbers inside a net: the statistics of its weights, of its blobs for an image, and its first filters.

for each in inspect_weights(weights):
    each.layer, each.statistics.mean, each.statistics.zeros, each.largest
"""

from __future__ import annotations

from caffe_fcn.inspection.activations import BlobNumbers, Look, look
from caffe_fcn.inspection.parameters import ParameterNumbers, inspect_weights
from caffe_fcn.inspection.statistics import Statistics, measure

__all__ = ["BlobNumbers", "Look", "ParameterNumbers", "Statistics", "inspect_weights", "look", "measure"]
