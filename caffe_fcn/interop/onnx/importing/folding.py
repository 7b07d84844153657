"""What depends on constants alone is computed when a model is imported: shapes, sizes, prepared weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from caffe_fcn.errors import NetError
from caffe_fcn.interop.onnx.importing.node_shapes import infer_outputs
from caffe_fcn.interop.onnx.importing.onnx_file import DTYPES, SMALL, Array, Constant, load
from caffe_fcn.interop.onnx.importing.source import describe
from caffe_fcn.surgery.adaptation import transposed
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.tensors import CHUNK, ITEM_SIZES, GeneratedSegment, Tensor

if TYPE_CHECKING:
    from onnx import NodeProto

_NAMES = """
    Abs Add Cast Ceil Concat ConstantOfShape Div Equal Exp Expand Flatten Floor Gather Greater Identity Less Log Max
    Min Mod Mul Neg Not Pow Range Reciprocal ReduceMax ReduceMin ReduceProd ReduceSum Reshape Shape Slice Split Sqrt
    Squeeze Sub Transpose Unsqueeze Where
"""

FOLDED = frozenset(_NAMES.split())
"""Operators whose results are computed where their inputs are known."""

_MOST = 1 << 26  # values of a result


def fold(node: NodeProto, opset: int, inputs: Sequence[Constant | None]) -> Sequence[Constant]:
    """Return the outputs of a node of known inputs; raises `NetError` where ONNX cannot compute it.

    A large result is a handle, whose values are computed when they are read.
    """
    large = [each for each in inputs if isinstance(each, Tensor)]
    if node.op_type in _MOVES and len(large) == 1 and inputs[0] is large[0]:
        moved = _MOVES[node.op_type](node, opset, large[0], inputs)
        if moved is not None:
            return [moved]
    computed = _compute(node, opset, inputs)
    if not large:
        return computed
    return [_hold(node, opset, inputs, index, values) for index, values in enumerate(computed)]


def _hold(node: NodeProto, opset: int, inputs: Sequence[Constant | None], index: int, values: Array) -> Constant:
    """A handle that computes a large result again each time that it is read, so that it is not held meanwhile."""
    if values.dtype.name not in ITEM_SIZES or values.nbytes <= SMALL:
        return values
    shape, dtype = tuple(values.shape), values.dtype.name
    files = frozenset[InputFile]().union(*(each.files for each in inputs if isinstance(each, Tensor)))

    def generate() -> Iterator[bytes]:
        made = _compute(node, opset, inputs)[index].reshape(-1)
        step = CHUNK // made.itemsize
        for begin in range(0, made.size, step):
            yield made[begin : begin + step].tobytes()

    return Tensor(shape, dtype, (GeneratedSegment(values.nbytes, generate, files),))


def _reshape(node: NodeProto, opset: int, tensor: Tensor, inputs: Sequence[Constant | None]) -> Tensor | None:
    further = {name: each for name, each in zip(node.input, inputs, strict=True) if each is not None}
    shape = infer_outputs(node, opset, {}, further)[0]
    return tensor.reshaped(shape) if math.prod(shape) == tensor.count else None


def _transpose(node: NodeProto, opset: int, tensor: Tensor, inputs: Sequence[Constant | None]) -> Tensor | None:
    from onnx import helper

    rank = len(tensor.shape)
    order = next((helper.get_attribute_value(each) for each in node.attribute if each.name == "perm"), None)
    return transposed(tensor) if rank == len(("rows", "columns")) and order in (None, [1, 0]) else None


def _cast(node: NodeProto, opset: int, tensor: Tensor, inputs: Sequence[Constant | None]) -> Tensor | None:
    from onnx import helper

    to = next((helper.get_attribute_value(each) for each in node.attribute if each.name == "to"), 0)
    dtype = DTYPES.get(to)
    return tensor.cast(dtype, describe(node)) if dtype is not None else None


# Of one large tensor and small ones, the handle on the result that needs no computation, or None
_MOVES: dict[str, Callable[[NodeProto, int, Tensor, Sequence[Constant | None]], Tensor | None]] = {
    "Cast": _cast,
    "Flatten": _reshape,
    "Identity": lambda node, opset, tensor, inputs: tensor,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}


def _compute(node: NodeProto, opset: int, inputs: Sequence[Constant | None]) -> Sequence[Array]:
    import numpy as np
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    if _count_values(node, inputs) > _MOST:
        raise NetError(describe(node), f"makes more than {_MOST} values of constants", "simplify the model first")
    given = {name: np.asarray(load(each)) for name, each in zip(node.input, inputs, strict=True) if each is not None}
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


def _count_values(node: NodeProto, inputs: Sequence[Constant | None]) -> float:
    """At most how many values a node makes: of few operators more than it is given."""
    given = [each for each in inputs if each is not None]
    sizes: list[int] = [math.prod(each.shape) for each in given]
    if node.op_type in ("ConstantOfShape", "Expand"):
        sides = load(given[-1]).ravel()
        return float(math.prod(max(float(side), 1.0) for side in sides) * math.prod([1, *sizes[:-1]]))
    if node.op_type == "Range":
        start, limit, step = (float(load(each)) for each in given)
        return float(abs((limit - start) / step)) if step else math.inf
    if node.op_type == "Gather":
        return math.prod(sizes)
    if node.op_type in ("Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "Mod", "Equal", "Greater", "Less"):
        return math.prod(max([1, *sides]) for sides in _align([each.shape for each in given]))
    return sum(sizes)


def _align(shapes: Sequence[tuple[int, ...]]) -> Sequence[Sequence[int]]:
    """The sides of each axis, counted from the last."""
    longest = max(map(len, shapes), default=0)
    return [[shape[-back] for shape in shapes if len(shape) >= back] for back in range(1, longest + 1)]
