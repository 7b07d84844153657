"""The shapes that ONNX's own shape inference gives the outputs of a node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.onnx_file import Constant, load
from caffe_fcn.interop.onnx.importing.source import Shape, describe

if TYPE_CHECKING:
    from onnx import NodeProto

_FEW = 1 << 10  # values of a constant whose numbers may say a shape


def infer_outputs(
    node: NodeProto, opset: int, shapes: Mapping[str, Shape], constants: Mapping[str, Constant]
) -> Sequence[Shape]:
    """Return the shape of each output of a node, whose inputs are blobs of these shapes, or constants.

    Raises `NetError` where ONNX refuses the node, or where the shape depends on the values of blobs.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    initializers = []
    for name, values in constants.items():
        if math.prod(values.shape) <= _FEW:
            initializers.append(numpy_helper.from_array(load(values), name))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(values.dtype).newbyteorder("="))
        inputs.append(helper.make_tensor_value_info(name, kind, values.shape))
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        found = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
    except shape_inference.InferenceError as error:
        reason = " ".join(str(error).split())
        raise NetError(describe(node), f"ONNX refuses it: {reason}", "see onnx.checker") from error
    result = []
    for each in found:
        sides = each.type.tensor_type.shape.dim
        if not each.type.tensor_type.HasField("shape") or not all(side.HasField("dim_value") for side in sides):
            raise NetError(describe(node), f"the shape of '{each.name}' depends on values", "Caffe's shapes do not")
        result.append(tuple(side.dim_value for side in sides))
    return result
