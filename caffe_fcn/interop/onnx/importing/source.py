"""An ONNX model, read without trusting it: its nodes in order, its constants, and the shapes of its inputs.

Each node may read only what stands before it, so that there is no cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from caffe_fcn.errors import FileError, NetError
from caffe_fcn.files import PathLike
from caffe_fcn.interop.onnx.importing.onnx_file import Array, Constant, OnnxFile, open_onnx
from caffe_fcn.interop.onnx.installed import require_onnx

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

__all__ = ["OPSETS", "Array", "Constant", "Shape", "Source", "describe", "open_source"]

Shape: TypeAlias = tuple[int, ...]

OPSETS = range(7, 24)
"""The versions of ONNX's operator set that can be read."""

_IMAGE_AXES = 4
_DAMAGED = "the file is damaged"


@dataclass(frozen=True)
class Source:
    """A model: the ``nodes`` that its ``outputs`` need, in order, and what is known beforehand.

    ``inputs`` have their shapes. ``readers`` has the nodes that read a value. ``metadata`` are the file's properties.
    """

    file: OnnxFile
    name: str
    opset: int
    nodes: Sequence[NodeProto]
    inputs: Mapping[str, Shape]
    outputs: Sequence[str]
    constants: Mapping[str, Constant]
    readers: Mapping[str, Sequence[NodeProto]]
    metadata: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file's path."""
        return self.file.path


@contextmanager
def open_source(path: PathLike, size: tuple[int, int] | None = None) -> Iterator[Source]:
    """Open a model; ``size`` (H, W) is that of its images where the model leaves it open, and a batch is one image.

    The handles on its constants can be read inside the block. Raises `FileError` for what is no sound ONNX file,
    `NetError` for inputs that are not images of one size, `MissingExtraError` without onnx.
    """
    require_onnx()
    with open_onnx(Path(path)) as file:
        _check(file)
        yield _read_source(file, size)


def _read_source(file: OnnxFile, size: tuple[int, int] | None) -> Source:
    from onnx import IR_VERSION, TensorProto

    model, path = file.model, file.path
    graph = model.graph
    if model.ir_version > IR_VERSION:
        mend = f"the installed onnx knows those up to {IR_VERSION}: update it"
        raise FileError(path, f"is of version {model.ir_version} of ONNX's format", mend)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset not in OPSETS:
        raise FileError(path, f"has ONNX's operators of version {opset}", f"{OPSETS[0]} to {OPSETS[-1]} are known")
    if graph.sparse_initializer:
        raise FileError(path, "has sparse initializers", "make them dense")
    small = {each.name: file.read_tensor(each) for each in graph.initializer}
    made = {name for node in graph.node for name in node.output}
    constants = small | {name: each for name, each in file.constants.items() if name not in made}
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


def _check(file: OnnxFile) -> None:
    graph = file.model.graph
    if not graph.node or not graph.output:
        raise FileError(file.path, "is not an ONNX model, or an empty one", "name a file that ends with .onnx")
    told = [graph.name, *(each.name for each in (*graph.input, *graph.output))]
    told += [name for node in graph.node for name in (node.name, node.op_type, *node.input, *node.output)]
    told += [*(each.name for each in graph.initializer), *file.constants]
    if not all(isinstance(name, str) and name.isprintable() for name in told):  # bytes are what is not UTF-8
        raise FileError(file.path, "has a name that cannot be printed", _DAMAGED)


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
