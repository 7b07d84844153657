"""The deploy form of an all-in-one net, as a net of its own that any engine runs.

DIGITS takes the data layers out of such a net and feeds what they made, or the blob named data. Real Caffe cannot:
by stages alone it keeps the data layers, and refuses a blob that nobody makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.errors import CaffeFcnError
from caffe_fcn.files import PathLike
from caffe_fcn.net.geometry import POINTWISE
from caffe_fcn.net.graph import Blob, Graph, is_all_in_one, split
from caffe_fcn.net.layer_types import Kind
from caffe_fcn.net.shapes import infer, row_of, size_to_assume, untold_inputs
from caffe_fcn.proto import NetParameter, UnknownField, read_net, to_text
from caffe_fcn.weights import open_weights


@contextmanager
def file_to_load(path: PathLike, weights: PathLike | None, deploys: bool) -> Iterator[tuple[PathLike, str]]:
    """The file to load for the net in ``path``, and what to tell of it: another one where it has a deploy form."""
    made, note = deploy_form(path, weights) if deploys and str(path) != "-" else (None, "")
    if made is None:
        yield path, note
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        file.write_text(to_text(made))
        yield file, note


def deploy_form(path: PathLike, weights: PathLike | None) -> tuple[NetParameter | None, str]:
    """The net in the file as it is deployed, and what was assumed of its image; None for one that has no such form.

    Its Input layers have the channels that the weights read, and else those that the data layers tell. The size is
    only the first: an engine reshapes the net to every image.
    """
    passed_over: list[UnknownField] = []
    try:
        net = read_net(path, allow_unknown=True, notes=passed_over)
    except CaffeFcnError:  # the engine that cannot read it either says so in its own words
        return None, ""
    if passed_over or not is_all_in_one(net):
        return None, ""
    made = split(net, "deploy")
    graph = Graph(made)
    untold = untold_inputs(graph)
    if not untold:
        return None, ""
    size = size_to_assume(net, data_shapes=read_record_shapes)
    shapes = infer(net, "deploy", size=size, data_shapes=read_record_shapes)
    channels = _channels(graph, weights) if weights else {}
    for node in untold:
        name = node.layer.top[0]
        shape = list(shapes.blobs[name])
        shape[1:2] = [channels.get(name, shape[1])]
        layer = next(layer for layer in made.layer if layer.name == node.name)
        layer.input_param.shape.add(dim=shape)
    fed = ", ".join(f"'{node.layer.top[0]}'" for node in untold)
    return made, f"{path} is deployed as DIGITS deploys it: {fed} takes the image"


def _channels(graph: Graph, weights: PathLike) -> dict[str, int]:
    """How many channels the first convolutions behind each input have weights for."""
    image: dict[Blob, str] = {top: top.name for node in graph.nodes if not node.bottoms for top in node.tops}
    found: dict[str, int] = {}
    with open_weights(weights) as opened:
        shapes = {layer.name: layer.tensors[0].shape for layer in opened.layers if layer.tensors}
    for node in graph.nodes:
        name = image.get(node.bottoms[0]) if node.bottoms else None
        if name is None:
            continue
        row = row_of(node)
        if row.kind is Kind.CONVOLUTION and len(shapes.get(node.name, ())) > 1:
            found.setdefault(name, shapes[node.name][1] * node.layer.convolution_param.group)
        elif row.coords(node.layer) == POINTWISE and len(node.bottoms) == 1:
            image.update((top, name) for top in node.tops)
    return found
