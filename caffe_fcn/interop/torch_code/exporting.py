"""A deploy net and its weights as a Python file that needs torch alone, and a file of weights.

    made = write_torch("deploy.prototxt", "fcn8s.caffemodel", "fcn8s")
    made.files                           # fcn8s/model.py, fcn8s/weights.safetensors, fcn8s/model.json

``model.py`` has a class named after the net, whose members are named after the layers and whose ``forward`` has a line
for each layer, and a function ``load`` that reads the weights beside it. The names in the state dict are those of the
class: ``conv1_1.weight``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.files import PathLike, atomic_write, make_folder, write_text, write_together
from caffe_fcn.interop.choices import chooses
from caffe_fcn.interop.delivered_files import open_delivered
from caffe_fcn.interop.torch_code import dense, detections, forks, pointwise, recurrent, regions, shaping, windowed
from caffe_fcn.interop.torch_code.layout import write_statement
from caffe_fcn.interop.torch_code.names import TAKEN, Names, make_class_name, write_string
from caffe_fcn.interop.torch_code.place import ModuleCode, Place, Writer
from caffe_fcn.net.graph import Graph, Node
from caffe_fcn.net.layer_types import Origin, Shape, Site, origin_of
from caffe_fcn.net.shapes import infer_graph
from caffe_fcn.proto import NetParameter
from caffe_fcn.weights import safetensors
from caffe_fcn.weights.output_file import OutputFile
from caffe_fcn.weights.tensors import Tensor

CODE, WEIGHTS = "model.py", "weights.safetensors"
"""The names of the files in the folder."""

WRITERS: dict[str, Writer] = {
    **dense.WRITERS,
    **detections.WRITERS,
    **forks.WRITERS,
    **pointwise.WRITERS,
    **recurrent.WRITERS,
    **regions.WRITERS,
    **shaping.WRITERS,
    **windowed.WRITERS,
}
"""What writes the layers of each type."""

_BLOCKS = Path(__file__).with_name("blocks.py")


@dataclass(frozen=True)
class TorchModel:
    """What `write_torch` wrote: the ``files``, the code first; the class; the shapes of ``inputs`` and ``outputs``.

    ``arguments`` are the names of the inputs in ``forward``. ``net`` computes the same. ``choices`` has the members
    that choose by values, each with the names of the blobs that it reads and makes.
    """

    files: Sequence[Path]
    class_name: str
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    arguments: Sequence[str]
    net: NetParameter
    notes: Sequence[str] = ()
    choices: Mapping[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)


def write_torch(
    net: PathLike,
    weights: PathLike,
    output: PathLike,
    *,
    size: tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
) -> TorchModel:
    """Write a deploy net with its weights as a folder of code, weights and ``model.json``.

    ``size`` (H, W) is that of the images, by default the net's: some layers, such as Interp, are written for one size.
    ``mean``, of the images, is written into ``model.json``.
    The files appear together or not at all; weights are copied from file to file. Raises `NetError` for a layer that
    has no equivalent, `WeightsError` for weights that are not this net's.
    """
    source, folder = Path(net), Path(output)
    with open_delivered(source, weights, size, mean) as delivered:
        delivered.convert("")
        walk = _Walk(delivered.net, delivered.tensors)
        walk.write_layers()
        name = make_class_name(delivered.net.name or source.parent.resolve().name, read_blocks())
        text = _write_file(name, walk)
        with make_folder(folder), write_together():
            write_text(folder / CODE, text)
            _write_weights(folder / WEIGHTS, walk.code.arrays)
            delivered.model.write(folder)
    files = [folder / CODE, folder / WEIGHTS, folder / "model.json"]
    return TorchModel(
        files, name, walk.inputs, walk.outputs, walk.arguments, delivered.net, delivered.notes, walk.choices
    )


def _write_weights(path: Path, arrays: Mapping[str, Tensor]) -> None:
    with atomic_write(path, wait=False) as file:
        output = OutputFile(file.fileno())
        safetensors.write_arrays(output, path, list(arrays.items()), {"format": "pt"})
        output.flush()
        for source in {each for tensor in arrays.values() for each in tensor.files}:
            source.check_unchanged()


class _Walk:
    """The walk over a net that collects the lines of its class."""

    def __init__(self, net: NetParameter, parameters: Mapping[str, Sequence[Tensor]]) -> None:
        self._blocks = read_blocks()
        self.code = ModuleCode(names=Names(TAKEN | self._blocks.keys()))
        self._net, self._parameters = Graph(net), parameters
        self.choices: dict[str, tuple[list[str], list[str]]] = {}
        self._shapes = infer_graph(self._net)
        variables = Names(TAKEN | self._blocks.keys())
        self._variables = {name: variables.choose(name, "blob") for name in self._net.blobs}

    @property
    def inputs(self) -> dict[str, Shape]:
        """The shapes of the blobs that the module takes."""
        nodes = [node for node in self._net.nodes if origin_of(node.layer) is Origin.INPUT]
        return {blob.name: self._shapes.blobs[blob.name] for node in nodes for blob in node.tops}

    @property
    def outputs(self) -> dict[str, Shape]:
        """The shapes of the blobs that nothing reads."""
        return {blob.name: self._shapes.blobs[blob.name] for blob in self._net.outputs()}

    @property
    def arguments(self) -> list[str]:
        """The arguments of ``forward``."""
        return [self._variables[name] for name in self.inputs]

    @property
    def result(self) -> str:
        """What ``forward`` returns: a blob, or a dict of blobs by their names."""
        names = list(self.outputs)
        if len(names) == 1:
            return self._variables[names[0]]
        return "{" + ", ".join(f"{write_string(name)}: {self._variables[name]}" for name in names) + "}"

    @property
    def finished_steps(self) -> list[str]:
        """The lines of ``forward``, with its result returned by the last one."""
        *steps, last = ["", *self.code.steps]
        name, _, expression = last.partition(" = ")
        if name == self.result:
            return [*steps[1:], f"return {expression}"]
        return [*self.code.steps, f"return {self.result}"]

    @property
    def blocks(self) -> list[str]:
        """The blocks that the layers call, and those that these call."""
        needed, waiting = set(), [*self.code.blocks]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += _find_names(self._blocks[name]) & self._blocks.keys()
        return [text for name, text in self._blocks.items() if name in needed]

    def write_layers(self) -> None:
        """Write every layer, in order; raises `NetError` for one that cannot be written."""
        for node in self._net.nodes:
            if origin_of(node.layer) is not Origin.INPUT:
                self._write_layer(node)

    def _write_layer(self, node: Node) -> None:
        write = WRITERS.get(node.type)
        if write is None:
            raise NetError(node, "cannot be written as a torch module", nearest(node.type, WRITERS))
        shapes = [self._shapes.blobs[blob.name] for blob in node.bottoms]
        place = Place(
            Site(node.layer, [blob.name for blob in node.bottoms], shapes),
            [self._variables[blob.name] for blob in node.bottoms],
            [self._shapes.blobs[blob.name] for blob in node.tops],
            self._parameters.get(node.layer.name, ()),
            self.code,
        )
        known = len(self.code.modules)
        expressions = write(place)
        if chooses(node.layer) and len(self.code.modules) > known:
            read, made = ([blob.name for blob in blobs] for blobs in (node.bottoms, node.tops))
            self.choices[self.code.modules[-1]] = read, made
        for blob, expression in zip(node.tops, expressions, strict=True):
            variable = self._variables[blob.name]
            if variable != expression:
                self.code.steps.append(f"{variable} = {expression}")


def read_blocks() -> dict[str, str]:
    """Return the source text of each block, by its name."""
    text = _BLOCKS.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _find_names(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _write_file(name: str, walk: _Walk) -> str:
    """Return the text of the Python file."""
    blocks = walk.blocks
    result = "Tensor" if len(walk.outputs) == 1 else "dict[str, Tensor]"
    members = walk.code.members
    arguments = ", ".join(f"{each}: Tensor" for each in walk.arguments)
    shapes = ", ".join("x".join(map(str, shape)) for shape in walk.inputs.values())
    lines = [
        f'"""The net {name}, of images {shapes}, as a module that needs torch alone.' if shapes else f'"""{name}.',
        "",
        f"`load` reads the weights from {WEIGHTS} beside this file:",
        "",
        "    from model import load",
        "",
        "    net = load()",
        f"    {'scores' if result == 'Tensor' else 'blobs'} = net({', '.join(walk.arguments)})",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "import json",
        *["from collections.abc import Sequence"] * any("Sequence[" in each for each in blocks),
        "from pathlib import Path",
        "",
        "import torch",
        *["import torch.nn.functional as F"] * any("F." in each for each in blocks),
        "from torch import Tensor, nn",
        "",
        "",
    ]
    for block in blocks:
        lines += [*block.splitlines(), "", ""]
    lines.append(f"class {name}(nn.Module):")
    lines += ["    def __init__(self) -> None:", "        super().__init__()"]
    for member in members:
        lines += write_statement(member, 8)
    lines += ["", *write_statement(f"def forward(self{arguments and ', '}{arguments}) -> {result}:", 4)]
    for step in walk.finished_steps:
        lines += write_statement(step, 8)
    return "\n".join(lines) + _LOADER.replace("CLASS", name).replace("FILE", WEIGHTS)


_LOADER = '''


WEIGHTS = Path(__file__).with_name("FILE")


def load(path: str | Path = WEIGHTS) -> CLASS:
    """Return the net in eval mode, with the weights of a safetensors file."""
    data = bytearray(Path(path).stat().st_size)
    with Path(path).open("rb") as file:
        file.readinto(data)
    begin = 8 + int.from_bytes(data[:8], "little")
    state = {}
    for name, entry in json.loads(data[8:begin]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            values = torch.frombuffer(data, dtype=torch.float32, count=(end - first) // 4, offset=begin + first)
            state[name] = values.reshape(entry["shape"])
    with torch.device("meta"):
        net = CLASS()
    net.load_state_dict(state, assign=True)
    return net.eval()
'''
