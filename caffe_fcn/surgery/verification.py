"""Whether a convolutional net computes what its classifier computes: both are run and compared.

At the classifier's own input size both must give the same. On a larger image the FCN has one value for each
window, which the classifier sees as a crop of the image. Where no layer pads they agree there, too; where one
does, the crop has zeros where the larger image has neighbours. So each window is computed in three ways, which
splits the difference in two:

    classifier(crop) - fcn(crop)     what the surgery changed
    fcn(crop) - fcn(image)           what padding inside the net makes of neighbours

Where a layer of the FCN takes in the whole image (an InnerProduct, a global Pooling), or the compared blob has several
places in the classifier itself, there are no such windows: the two are compared at the classifier's size alone.
In this way a folded classifier is verified, too.

The FCN is run with the classifier's padding of the first convolution. Its own padding, 100 pixels around the image,
serves the output's size and not its values.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from caffe_fcn import proto
from caffe_fcn.datasets.source_shapes import read_record_shapes
from caffe_fcn.errors import NetError
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Graph, input_layer, select_phase
from caffe_fcn.net.layer_types import Kind, layer_type, origin_of
from caffe_fcn.net.shapes import infer, row_of
from caffe_fcn.offsets import coord_map_between
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.weights.tensors import Shape

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray

_IMAGE = "image"  # the name of both nets' input layer while they are compared


class Runner(Protocol):
    """A net with its weights, ready to run."""

    def forward(self, **inputs: Array) -> dict[str, Array]:
        """The net's outputs for its inputs, of any size."""


Loader = Callable[[Path], AbstractContextManager[Runner]]


@dataclass(frozen=True)
class Verification:
    """The largest differences in ``blob``, relative to ``largest``, its largest value.

    ``at_size`` is at the classifier's input size, the others over ``windows`` windows of the larger image:
    ``total`` between classifier and FCN, ``surgery`` and ``padding`` its two parts. ``padded`` are the layers
    whose windows reach beyond the image. ``no_windows`` is why the nets were compared at the classifier's size
    alone, as one window; it is empty where they were compared on windows, too.
    """

    blob: str
    input: Shape
    image: Shape
    windows: int
    largest: float
    at_size: float
    total: float
    surgery: float
    padding: float
    padded: tuple[str, ...]
    tolerance: float
    no_windows: str = ""

    @property
    def ok(self) -> bool:
        """Whether the FCN computes what the classifier computes."""
        return max(self.at_size, self.surgery) <= self.tolerance and (bool(self.padded) or self.total <= self.tolerance)


def verify(
    classifier: NetParameter,
    run_classifier: Loader,
    fcn: NetParameter,
    run_fcn: Loader,
    *,
    blob: str | None = None,
    fcn_blob: str | None = None,
    steps: int = 2,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> Verification:
    """Compare ``blob`` of the classifier with ``fcn_blob`` of the FCN on random images.

    ``run_classifier`` and ``run_fcn`` load a prototxt with the weights of that net. ``blob`` is by default the last
    one of a convolution or an InnerProduct that both nets have, ``fcn_blob`` the one of the same name. The larger image
    has ``steps`` windows more along each axis; where there are no windows it has the classifier's size. Raises
    `NetError` where the nets cannot be compared.
    """
    import numpy as np

    whole_classifier, whole_fcn = _ComparedNet(classifier, "classifier"), _ComparedNet(fcn, "FCN")
    blob = blob or _find_common_blob(whole_classifier.graph, whole_fcn.graph)
    fcn_blob = fcn_blob or blob
    classifier, fcn = whole_classifier.cut_at(blob), whole_fcn.cut_at(fcn_blob)
    _set_padding(_find_first_convolution(fcn), _find_first_convolution(classifier))
    shape = whole_classifier.input_shape()
    _, channels, height, width = shape
    no_windows = _explain_no_windows(classifier, blob, shape, fcn)
    stride, steps = (1, 0) if no_windows else (_find_stride(fcn, fcn_blob), steps)
    larger = (1, channels, height + steps * stride, width + steps * stride)
    image = np.random.default_rng(seed).uniform(-128, 128, larger).astype(np.float32)
    corners = [(y * stride, x * stride) for y in range(steps + 1) for x in range(steps + 1)]
    crops = np.concatenate([image[:, :, y : y + height, x : x + width] for y, x in corners])

    expected = _run(run_classifier, classifier, blob, [crops])[0]
    windows, *larger_output = _run(run_fcn, fcn, fcn_blob, [crops] if no_windows else [crops, image])
    expected = expected.reshape(len(crops), -1)
    if windows.size != expected.size or not (no_windows or windows.shape == (*expected.shape, 1, 1)):
        here = f"gives {dims(windows.shape[1:])} where the classifier gives {expected.shape[1]} values"
        raise NetError(f"blob '{fcn_blob}'", here, "it is not the classifier's convolutional form")
    windows = windows.reshape(expected.shape)
    whole = larger_output[0][0].reshape(expected.shape[1], -1).T if larger_output else windows
    largest = float(np.abs(expected).max())
    if not 0 < largest < np.inf:
        raise NetError(f"blob '{blob}'", "is zero or infinite, which proves nothing", "compare with trained weights")

    def gap(a: Array, b: Array) -> float:
        return float(np.abs(a - b).max()) / largest

    return Verification(
        blob=blob,
        input=shape,
        image=larger,
        windows=len(corners),
        largest=largest,
        at_size=gap(expected[0], windows[0]),
        total=gap(expected, whole),
        surgery=gap(expected, windows),
        padding=gap(windows, whole),
        padded=() if no_windows else tuple(_find_padding_layers(fcn, shape)),
        tolerance=tolerance,
        no_windows=no_windows,
    )


class _ComparedNet:
    """One of the two nets, in its TEST phase."""

    def __init__(self, net: NetParameter, role: str) -> None:
        self.net, self.role = select_phase(net), role
        self.graph = Graph(self.net)

    def input_shape(self) -> Shape:
        """1 x C x H x W of the image."""
        for node in self.graph.nodes:
            if origin_of(node.layer):
                shape = infer(self.net, data_shapes=read_record_shapes).blobs[node.tops[0].name]
                if len(shape) == 4:
                    return (1, *shape[1:])
        raise NetError(self.role, "has no input of 4 axes", "give its deploy prototxt")

    def cut_at(self, blob: str) -> NetParameter:
        """The layers that ``blob`` needs, reading an image of the classifier's size."""
        needed: set[str] = set()
        waiting = [self.graph.blob(blob).maker]
        sources = set()
        while waiting:
            node = waiting.pop()
            if origin_of(node.layer):
                sources.add(node.tops[0].name)
            elif node.name not in needed:
                needed.add(node.name)
                waiting += [bottom.maker for bottom in node.bottoms]
        if len(sources) != 1:
            raise NetError(self.role, f"blob '{blob}' needs {len(sources)} inputs", "one image can be compared")
        source = sources.pop()
        result = NetParameter(name=self.net.name)
        result.layer.append(input_layer(source, name=_IMAGE))
        result.layer.extend(node.layer for node in self.graph.nodes if node.name in needed)
        return result


def _find_common_blob(ours: Graph, theirs: Graph) -> str:
    names = [
        top.name
        for node in ours.nodes
        if layer_type(node.type).kind in (Kind.INNER_PRODUCT, Kind.CONVOLUTION)
        for top in node.tops
        if top.name in theirs.blobs
    ]
    if not names:
        raise NetError("nets", "have no blob in common", "name one of each")
    return names[-1]


def _find_first_convolution(net: NetParameter) -> LayerParameter:
    for layer in net.layer:
        if layer_type(layer.type).kind is Kind.CONVOLUTION:
            return layer
    raise NetError("net", "has no convolution", "name a blob behind one")


def _set_padding(layer: LayerParameter, model: LayerParameter) -> None:
    for name in ("pad", "pad_h", "pad_w"):
        layer.convolution_param.ClearField(name)
    layer.convolution_param.pad.extend(model.convolution_param.pad)
    for side in ("pad_h", "pad_w"):
        if model.convolution_param.HasField(side):
            setattr(layer.convolution_param, side, getattr(model.convolution_param, side))


def _explain_no_windows(classifier: NetParameter, blob: str, image: Shape, fcn: NetParameter) -> str:
    """Why no value of the FCN is that of the classifier on a part of the image; empty where each is."""
    for node in Graph(fcn).nodes:
        if node.bottoms and row_of(node).coords(node.layer) is None:
            return f"{node} takes in the whole image"
    places = infer(classifier, inputs={classifier.layer[0].top[0]: image}).blobs[blob][2:]
    return f"blob '{blob}' has {dims(places)} places in the classifier, too" if math.prod(places) > 1 else ""


def _find_stride(net: NetParameter, blob: str) -> int:
    """How far the image moves under the blob from one value to the next."""
    scales = {axis.scale for axis in coord_map_between(net, blob, net.layer[0].top[0]).maps}
    stride = scales.pop()
    if scales or stride.denominator != 1:
        raise NetError(f"blob '{blob}'", f"moves by {stride} pixels", "one whole stride for both axes can be compared")
    return int(stride)


def _find_padding_layers(net: NetParameter, image: Shape) -> Iterator[str]:
    """The layers whose windows reach beyond the image: those that pad, and poolings whose last window runs out."""
    shapes = infer(net, inputs={net.layer[0].top[0]: image})
    for node in shapes.graph.nodes:
        row = row_of(node)
        field = row.field
        windows = field(node.layer) if field else ()
        sizes = shapes.blobs[node.bottoms[0].name][2:] if node.bottoms else ()
        pairs = list(zip(sizes, windows * len(sizes) if len(windows) == 1 else windows, strict=False))
        last_runs_out = row.kind is Kind.POOLING and any((size - w.extent) % w.stride for size, w in pairs)
        if last_runs_out or any(window.pad for window in windows):
            yield node.name


def _run(load: Loader, net: NetParameter, blob: str, images: list[Array]) -> list[Array]:
    source = net.layer[0].top[0]
    net.layer[0].input_param.shape.add(dim=images[0].shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.prototxt"
        proto.write(net, path)
        with load(path) as runner:
            return [runner.forward(**{source: image})[blob] for image in images]
