"""The deploy form of an all-in-one net, as a net of its own that any engine runs.

DIGITS removes the data layers from such a net and feeds the blobs that they made, or the blob named data. Real Caffe
cannot run the net like that: stages alone leave the data layers in, and it refuses a blob that no layer makes.
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
from caffe_fcn.net.graph import Blob, Graph, is_all_in_one, select_phase
from caffe_fcn.net.layer_types import Kind
from caffe_fcn.net.shapes import assume_size, find_shapeless_inputs, infer, row_of
from caffe_fcn.proto import NetParameter, UnknownField, read_net, to_text
from caffe_fcn.weights import open_weights


@contextmanager
def resolve_net_file(path: PathLike, weights: PathLike | None, deploy: bool) -> Iterator[tuple[PathLike, str]]:
    """Yield the file to load and a note for the user: a temporary one, and what it assumes, if a deploy form is wanted
    and the net has one; otherwise ``path`` and "".
    """
    made, note = make_deploy_form(path, weights) if deploy and str(path) != "-" else (None, "")
    if made is None:
        yield path, note
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        file.write_text(to_text(made))
        yield file, note


def make_deploy_form(path: PathLike, weights: PathLike | None) -> tuple[NetParameter | None, str]:
    """Return the net in the file as DIGITS deploys it, and a note on what takes the image; None if it is no such net.

    Its Input layers have as many channels as the weights read, or else as the data layers give. Their height and
    width are only the first ones: an engine reshapes the net to every image.
    """
    ignored: list[UnknownField] = []
    try:
        net = read_net(path, allow_unknown=True, notes=ignored)
    except CaffeFcnError:  # the engine cannot read it either, and says so in its own words
        return None, ""
    if ignored or not is_all_in_one(net):
        return None, ""
    made = select_phase(net, "deploy")
    graph = Graph(made)
    shapeless = find_shapeless_inputs(graph)
    if not shapeless:
        return None, ""
    size = assume_size(net, data_shapes=read_record_shapes)
    shapes = infer(net, "deploy", size=size, data_shapes=read_record_shapes)
    channels = _count_channels(graph, weights) if weights else {}
    for node in shapeless:
        name = node.layer.top[0]
        shape = list(shapes.blobs[name])
        shape[1:2] = [channels.get(name, shape[1])]
        layer = next(layer for layer in made.layer if layer.name == node.name)
        layer.input_param.shape.add(dim=shape)
    names = ", ".join(f"'{node.layer.top[0]}'" for node in shapeless)
    return made, f"{path} is deployed as DIGITS deploys it: {names} takes the image"


def _count_channels(graph: Graph, weights: PathLike) -> dict[str, int]:
    """Return, for each input, how many channels the first convolution behind it has weights for."""
    inputs: dict[Blob, str] = {top: top.name for node in graph.nodes if not node.bottoms for top in node.tops}
    found: dict[str, int] = {}
    with open_weights(weights) as opened:
        shapes = {layer.name: layer.tensors[0].shape for layer in opened.layers if layer.tensors}
    for node in graph.nodes:
        name = inputs.get(node.bottoms[0]) if node.bottoms else None
        if name is None:
            continue
        row = row_of(node)
        if row.kind is Kind.CONVOLUTION and len(shapes.get(node.name, ())) > 1:
            found.setdefault(name, shapes[node.name][1] * node.layer.convolution_param.group)
        elif row.coords(node.layer) == POINTWISE and len(node.bottoms) == 1:
            inputs.update((top, name) for top in node.tops)
    return found
