"""What a training takes: an estimate from shapes alone."""

from __future__ import annotations

import math

from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.net.shapes import Shapes
from caffe_fcn.proto import SolverParameter
from caffe_fcn.proto.solver_facts import count_histories

_FLOAT = 4


def state_bytes(shapes: Shapes, solver: SolverParameter | None) -> int:
    """What a solver keeps beside the weights."""
    return count_histories(solver) * shapes.parameter_bytes


def estimate_training_bytes(shapes: Shapes, solver: SolverParameter | None = None) -> int:
    """Blobs and parameters with their gradients, the solver's state, and the largest buffer of a convolution.

    Caffe unrolls one image at a time into a buffer of kernel x channels values for each position of the output
    (BaseConvolutionLayer::col_buffer_shape_).
    """
    return 2 * shapes.activation_bytes + 2 * shapes.parameter_bytes + state_bytes(shapes, solver) + _buffer(shapes)


def _buffer(shapes: Shapes) -> int:
    largest = 0
    for node in shapes.graph.nodes:
        kind = layer_type(node.type).kind
        if kind not in (Kind.CONVOLUTION, Kind.DECONVOLUTION) or not shapes.params[node.name]:
            continue
        weights = shapes.params[node.name][0]
        blob = node.tops[0] if kind is Kind.CONVOLUTION else node.bottoms[0]
        positions = math.prod(shapes.blobs[blob.name][2:])
        columns = math.prod(weights[1:]) * (node.layer.convolution_param.group if kind is Kind.CONVOLUTION else 1)
        largest = max(largest, positions * columns)
    return _FLOAT * largest
