"""What depends on constants alone is computed when a model is imported: shapes, sizes, prepared weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.source import describe

if TYPE_CHECKING:
    from onnx import NodeProto

    from caffe_fcn.interop.onnx.importing.source import Array

_NAMES = """
    Abs Add Cast Ceil Concat ConstantOfShape Div Equal Exp Expand Flatten Floor Gather Greater Identity Less Log Max
    Min Mod Mul Neg Not Pow Range Reciprocal ReduceMax ReduceMin ReduceProd ReduceSum Reshape Shape Slice Split Sqrt
    Squeeze Sub Transpose Unsqueeze Where
"""

FOLDED = frozenset(_NAMES.split())
"""Operators whose results are computed where their inputs are known."""

_MOST = 1 << 26  # values of a result


def fold(node: NodeProto, opset: int, inputs: Sequence[Array | None]) -> Sequence[Array]:
    """Return the outputs of a node of known inputs; raises `NetError` where ONNX cannot compute it."""
    import numpy as np
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    if _count_values(node, inputs) > _MOST:
        raise NetError(describe(node), f"makes more than {_MOST} values of constants", "simplify the model first")
    given = {name: np.asarray(value) for name, value in zip(node.input, inputs, strict=True) if value is not None}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in given.items()
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    graph = helper.make_graph([node], "node", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        found = ReferenceEvaluator(model).run(None, given)
    except (ArithmeticError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        what = f"its constants cannot be computed: {' '.join(str(error).split())}"
        raise NetError(describe(node), what, "simplify the model first") from error
    return [np.asarray(each) for each in found]


def _count_values(node: NodeProto, inputs: Sequence[Array | None]) -> float:
    """At most how many values a node makes: of few operators more than it is given."""
    given = [each for each in inputs if each is not None]
    if node.op_type in ("ConstantOfShape", "Expand"):
        own = [each.size for each in given[:-1]]
        return math.prod(max(float(side), 1.0) for side in given[-1].ravel()) * math.prod([1, *own])
    if node.op_type == "Range":
        start, limit, step = (float(each) for each in given)
        return abs((limit - start) / step) if step else math.inf
    if node.op_type == "Gather":
        return math.prod(each.size for each in given)
    if node.op_type in ("Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "Mod", "Equal", "Greater", "Less"):
        return math.prod(max([1, *sides]) for sides in _align([each.shape for each in given]))
    return sum(each.size for each in given)


def _align(shapes: Sequence[tuple[int, ...]]) -> Sequence[Sequence[int]]:
    """The sides of each axis, counted from the last."""
    longest = max(map(len, shapes), default=0)
    return [[shape[-back] for shape in shapes if len(shape) >= back] for back in range(1, longest + 1)]
