"""An ONNX file, read without trusting it: its nodes in order, its constants, and the shapes of its inputs.

Sizes are checked before anything is read, external data must lie in the model's own folder, and each node may read only
what stands before it, so that there is no cycle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from caffe_fcn.errors import FileError, NetError
from caffe_fcn.files import PathLike, naming_errors, read_bytes
from caffe_fcn.interop.onnx.installed import require_onnx
from caffe_fcn.interop.onnx.model_file import LARGEST
from caffe_fcn.net.geometry import dims

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

Array: TypeAlias = "NDArray[Any]"
Shape: TypeAlias = tuple[int, ...]

OPSETS = range(7, 24)
"""The versions of ONNX's operator set that can be read."""

_IMAGE_AXES = 4


@dataclass(frozen=True)
class Source:
    """A model: the ``nodes`` that its ``outputs`` need, in order, and what is known beforehand.

    ``inputs`` have their shapes. ``readers`` has the nodes that read a value. ``metadata`` are the file's properties.
    """

    path: Path
    name: str
    opset: int
    nodes: Sequence[NodeProto]
    inputs: Mapping[str, Shape]
    outputs: Sequence[str]
    constants: Mapping[str, Array]
    readers: Mapping[str, Sequence[NodeProto]]
    metadata: Mapping[str, str]


def read_source(path: PathLike, size: tuple[int, int] | None = None) -> Source:
    """Read a model; ``size`` (H, W) is that of its images where the model leaves it open, and a batch is one image.

    Raises `FileError` for what is no sound ONNX file, `NetError` for inputs that are not images of one size,
    `MissingExtraError` without onnx.
    """
    require_onnx()
    from onnx import TensorProto

    file = Path(path)
    model = _parse(file)
    graph = model.graph
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset not in OPSETS:
        raise FileError(path, f"has ONNX's operators of version {opset}", f"{OPSETS[0]} to {OPSETS[-1]} are known")
    constants = {each.name: read_tensor(each, file) for each in graph.initializer}
    if graph.sparse_initializer:
        raise FileError(path, "has sparse initializers", "make them dense")
    inputs = {}
    for each in graph.input:
        if each.name not in constants:
            if each.type.tensor_type.elem_type != TensorProto.FLOAT:
                raise NetError(f"input '{each.name}'", "is not of float32", "Caffe's blobs are")
            inputs[each.name] = _find_shape(each, size)
    nodes = _order(graph.node, {*constants, *inputs}, [each.name for each in graph.output], path)
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = [each.name for each in graph.output]
    metadata = {each.key: each.value for each in model.metadata_props}
    return Source(file, graph.name, opset, nodes, inputs, outputs, constants, readers, metadata)


def _parse(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    with naming_errors(path):
        size = path.stat().st_size
    if size > LARGEST:
        raise FileError(path, f"has {size} bytes", "ONNX files have less than 2 GB, and the rest in a second file")
    try:
        model: ModelProto = ModelProto.FromString(read_bytes(path))
    except DecodeError as error:
        raise FileError(path, "is not an ONNX model", "name a file that ends with .onnx") from error
    if not model.graph.node or not model.graph.output:
        raise FileError(path, "is not an ONNX model, or an empty one", "name a file that ends with .onnx")
    told = [model.graph.name, *(each.name for each in (*model.graph.input, *model.graph.output))]
    told += [name for node in model.graph.node for name in (node.name, node.op_type, *node.input, *node.output)]
    told += [each.name for each in model.graph.initializer]
    if not all(isinstance(name, str) and name.isprintable() for name in told):  # bytes are what is not UTF-8
        raise FileError(path, "has a name that cannot be printed", "the file is damaged")
    return model


def read_tensor(tensor: TensorProto, path: Path) -> Array:
    """Return the values of a constant of the model in ``path``; those in a file beside it are mapped, not read.

    Raises `FileError` where shape and values do not fit.
    """
    from onnx import TensorProto, helper, numpy_helper

    where = f"{path}: constant '{tensor.name}'"
    if any(side < 0 for side in tensor.dims) or math.prod(tensor.dims) > LARGEST:
        raise FileError(where, f"is of {dims(tensor.dims)}", "the file is damaged")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _map_external(tensor, path, where)
    try:
        helper.tensor_dtype_to_np_dtype(tensor.data_type)
        return numpy_helper.to_array(tensor)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(where, "does not have the values of its shape and type", "the file is damaged") from error


def _map_external(tensor: TensorProto, path: Path, where: str) -> Array:
    import numpy as np
    from onnx import helper

    told = {each.key: each.value for each in tensor.external_data}
    folder = path.parent.resolve()
    data = (folder / told.get("location", "")).resolve()
    if folder not in data.parents:
        raise FileError(where, f"lies in {told.get('location')!r}, which is not in the model's folder", "move it there")
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
        begin = int(told.get("offset", 0))
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(where, "has no sound place in its file", "the file is damaged") from error
    size = math.prod(tensor.dims) * dtype.itemsize
    with naming_errors(data):
        there = data.stat().st_size
    if begin < 0 or begin + size > there:
        raise FileError(where, f"lies beyond the end of {data}", "the file is cut short")
    shape = tuple(tensor.dims)
    return np.memmap(data, dtype, "r", begin, shape) if size else np.zeros(shape, dtype)


def _find_shape(value: ValueInfoProto, size: tuple[int, int] | None) -> Shape:
    """The shape of an input: open axes are one image, and of the size given."""
    declared = [each.dim_value for each in value.type.tensor_type.shape.dim]
    shape = [each if each > 0 else None for each in declared]
    if shape and shape[0] is None:
        shape[0] = 1
    if len(shape) == _IMAGE_AXES and size is not None:
        for axis, side in zip((2, 3), size, strict=True):
            if shape[axis] not in (None, side):
                what = f"is of {shape[2]}x{shape[3]} pixels, and not of {size[0]}x{size[1]}"
                raise NetError(f"input '{value.name}'", what, "leave `size` out")
            shape[axis] = side
    found = tuple(each for each in shape if each is not None)
    if len(found) != len(shape) or not shape:
        mend = "give a `size`" if len(shape) == _IMAGE_AXES and size is None else "fix its shape in the model"
        raise NetError(f"input '{value.name}'", "leaves the size of its axes open", mend)
    return found


def _order(nodes: Sequence[NodeProto], known: set[str], outputs: Sequence[str], path: PathLike) -> Sequence[NodeProto]:
    """The nodes that the outputs need; each reads what is known before it."""
    known = {"", *known}
    for node in nodes:
        for name in node.input:
            if name not in known:
                what = f"reads '{name}', which nothing before it makes"
                raise NetError(describe(node), what, f"{path} is damaged: see onnx.checker")
        made = [name for name in node.output if name]
        if twice := known.intersection(made):
            raise NetError(describe(node), f"makes '{min(twice)}' a second time", f"{path} is damaged")
        known.update(made)
    if lost := set(outputs) - known:
        raise NetError(f"output '{min(lost)}'", "is made by no node", f"{path} is damaged")
    return list(_select_needed(nodes, outputs))[::-1]


def _select_needed(nodes: Sequence[NodeProto], outputs: Sequence[str]) -> Iterator[NodeProto]:
    needed = set(outputs)
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            yield node


def describe(node: NodeProto) -> str:
    """A node as messages name it: ``node 'up1' (Resize)``."""
    return f"node '{node.name or next(iter(node.output), '')}' ({node.op_type})"
