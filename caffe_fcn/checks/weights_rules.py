"""FCN201 to FCN214: weights, and the net that gets them. Headers tell most; numbers are read in parts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from caffe_fcn.checks.example_nets import SCORE, UPSCORE, conv, crop, image, label, loss, pointwise, upscore
from caffe_fcn.checks.forms import lr_mult
from caffe_fcn.checks.net_file import Form
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.subject import Subject
from caffe_fcn.errors import nearest
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.net.geometry import dims
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Kind, layer_type
from caffe_fcn.weights import interpolation
from caffe_fcn.weights.tensors import Shape, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_HALF = 65504.0
_NEAR = 1e-4  # of a kernel's taps, which are written in single precision
_MULTIPLY = (Kind.CONVOLUTION, Kind.INNER_PRODUCT)


def find_swapped_files(subject: Subject) -> Iterator[Problem]:
    """A net where weights belong, and weights where a net does."""
    if subject.swapped and subject.weights:
        what = f"is a net, and {subject.weights.path} has weights: they are swapped"
        yield Problem(Place(subject.nets[0].path), what, "name the net first")


def find_strangers(subject: Subject) -> Iterator[Problem]:
    """Weights that have no layer in common with a net."""
    for form in subject.forms:
        names = [node.name for node in form.nodes if form.shapes and form.shapes.params.get(node.name)]
        if subject.weights and names and not subject.layers.keys() & names:
            theirs = ", ".join(islice(subject.layers, 3)) or "none"
            what = f"has no layer in common with {form.file.path} ({', '.join(names[:3])}, ...): it has {theirs}"
            yield Problem(Place(str(subject.weights.path)), what, "name the weights of this net, or rename its layers")


def find_other_shapes(subject: Subject) -> Iterator[Problem]:
    """Parameters of another shape than the net's."""
    for form, node, wanted, found in _misfits(subject):
        if _is_fully_connected(node, wanted, found):
            continue
        theirs, ours = (", ".join(map(dims, shapes)) for shapes in (found, wanted))
        what = f"has parameters {ours}, and the weights {theirs}"
        yield form.report(node, what, "give the layer another name, or other classes by caffe-fcn surgery transplant")


def find_fully_connected(subject: Subject) -> Iterator[Problem]:
    """Convolutions whose weights are still those of a fully connected layer."""
    for form, node, wanted, found in _misfits(subject):
        if _is_fully_connected(node, wanted, found):
            what = (
                f"is a convolution {dims(wanted[0])}, and its weights {dims(found[0])} are of a fully connected layer"
            )
            yield form.report(node, what, "caffe-fcn surgery transplant reshapes them")


def _misfits(subject: Subject) -> Iterator[tuple[Form, Node, list[Shape], list[Shape]]]:
    for form, node, layer in subject.matched_layers():
        wanted = form.shapes.params.get(node.name, []) if form.shapes else []
        found = [tensor.shape for tensor in layer.tensors]
        if wanted and list(map(_pad, wanted)) != list(map(_pad, found)):
            yield form, node, wanted, found


def _pad(shape: Shape) -> Shape:
    """A shape as the old formats write it, which Caffe takes for the same (Blob::ShapeEquals)."""
    return (1,) * (4 - len(shape)) + shape


def _is_fully_connected(node: Node, wanted: list[Shape], found: list[Shape]) -> bool:
    if layer_type(node.type).kind is not Kind.CONVOLUTION or len(found) != len(wanted):
        return False
    matrix = _pad(found[0])
    return matrix[:2] == (1, 1) and math.prod(matrix) == math.prod(wanted[0]) and matrix[2] == wanted[0][0]


def find_untrained_layers(subject: Subject) -> Iterator[Problem]:
    """Layers of a deployed net that the weights have nothing for."""
    for form in subject.forms:
        if not subject.layers or not form.deploys or form.shapes is None:
            continue
        names = [node.name for node in form.nodes if form.shapes.params.get(node.name)]
        for node in form.nodes:
            if node.name in subject.layers or node.name not in names:
                continue
            if subject.layers.keys() & set(names) and not _is_filled(form, node, subject):
                mend = nearest(node.name, subject.layers.keys() - set(names)) or "name the weights of this net"
                yield form.report(node, "is not in the weights: it runs as its filler makes it", mend)


def _is_filled(form: Form, node: Node, subject: Subject) -> bool:
    """Whether a layer needs no weights: its filler interpolates, or it shares those of another layer."""
    interpolates = layer_type(node.type).kind is Kind.DECONVOLUTION
    if interpolates and node.layer.convolution_param.weight_filler.type == "bilinear":
        return True
    owners = form.shapes.sharing.owners if form.shapes else {}
    return all(owner[0] in subject.layers for (name, _), owner in owners.items() if name == node.name)


def find_numbers_that_are_none(subject: Subject) -> Iterator[Problem]:
    """Parameters with values that are not finite."""
    import numpy as np

    for name, index, tensor in subject.weights or ():
        if any(not np.isfinite(values).all() for values in _numbers(subject, tensor)):
            what = f"parameter {index} of layer '{name}' has values that are not finite"
            yield Problem(_weights_place(subject, name), what, "take an earlier snapshot, and a lower rate")


def find_zero_upscores(subject: Subject) -> Iterator[Problem]:
    """Upscores whose weights are all zero and stay so."""
    for form, node, tensor in _upscores(subject):
        if (form.deploys or not lr_mult(node.layer)) and _is_constant(tensor) == 0:
            what = "has weights of zero: every score behind it is zero"
            yield form.report(node, what, "caffe-fcn surgery interp fills it")


def find_other_kernels(subject: Subject) -> Iterator[Problem]:
    """Frozen upscores that do not interpolate."""
    import numpy as np

    for form, node, tensor in _upscores(subject):
        outputs = node.layer.convolution_param.num_output
        if form.deploys or lr_mult(node.layer) or interpolation.explain_misfit(tensor.shape, outputs):
            continue
        if tensor.nbytes <= _SMALL and _is_constant(tensor) != 0:
            ours = interpolation.make_weights(tensor.shape).load()
            if not np.allclose(tensor.load(), ours, atol=_NEAR):
                what = "does not learn, and its weights are not an interpolation of each class"
                yield form.report(node, what, "caffe-fcn surgery interp fills it")


_SMALL = 64 << 20  # bytes of an upscore that is compared; that of 21 classes and stride 32 has 7 MB


def _upscores(subject: Subject) -> Iterator[tuple[Form, Node, Tensor]]:
    for form, node, layer in subject.matched_layers():
        if layer_type(node.type).kind is Kind.DECONVOLUTION:
            yield form, node, layer.tensors[0]


def find_constant_weights(subject: Subject) -> Iterator[Problem]:
    """Layers of a deployed net that see the same in everything."""
    for form, node, layer in subject.matched_layers():
        if form.deploys and layer_type(node.type).kind in _MULTIPLY and layer.tensors[0].count > 1:
            value = _is_constant(layer.tensors[0])
            if value is not None:
                yield form.report(node, f"has {value:g} for all its weights", "it was not trained, or not transplanted")


def find_empty_statistics(subject: Subject) -> Iterator[Problem]:
    """Normalizing layers that have seen no images."""
    for form, node, layer in subject.matched_layers():
        counted = layer_type(node.type).frozen_by and len(layer.tensors) == 3 and layer.tensors[2].count == 1
        if form.deploys and counted and not layer.tensors[2].load().any():
            what = "has 0 as its third parameter, by which mean and variance are divided: Caffe takes both as 0"
            yield form.report(node, what, "train it, or write 1")


def find_half_precision(subject: Subject) -> Iterator[Problem]:
    """Weights that BVLC's Caffe does not read."""
    half = [name for name, _, tensor in subject.weights or () if tensor.dtype == "float16"]
    if half and subject.weights:
        what = f"has parameters in half precision (layer '{half[0]}'), which BVLC's Caffe does not read"
        yield Problem(_weights_place(subject, half[0]), what, "caffe-fcn weights convert")


def find_too_large_for_half(subject: Subject) -> Iterator[Problem]:
    """Values that become infinite in half precision."""
    import numpy as np

    for name, index, tensor in subject.weights or ():
        largest = max((float(np.abs(values).max()) for values in _numbers(subject, tensor) if values.size), default=0.0)
        if _LARGEST_HALF < largest < math.inf:
            what = f"parameter {index} of layer '{name}' has {largest:g}, which is infinite in half precision"
            yield Problem(_weights_place(subject, name), what, "scale it before it is converted for a device")


def find_unused_weights(subject: Subject) -> Iterator[Problem]:
    """Layers of the weights that no net has."""
    ours = {node.name for form in subject.forms for node in form.nodes}
    unused = [name for name in subject.layers if name not in ours]
    if unused and ours & subject.layers.keys() and subject.weights:
        shown = ", ".join(unused[:5]) + (", ..." if len(unused) > 5 else "")
        what = f"has {len(unused)} layers that the net does not have: {shown}"
        yield Problem(_weights_place(subject, unused[0]), what, "give them the names of the net's layers")


def _weights_place(subject: Subject, layer: str) -> Place:
    return Place(str(subject.weights.path) if subject.weights else "", None, layer)


def _numbers(subject: Subject, tensor: Tensor) -> Iterator[NDArray[Any]]:
    """The values of a parameter, in parts: the first, or all in a thorough check."""
    return tensor.numbers() if subject.thorough else islice(tensor.numbers(), 1)


def _is_constant(tensor: Tensor) -> float | None:
    """The value that all values of a parameter have; None where they differ. Reads on while they do not."""
    first: float | None = None
    for values in tensor.numbers():
        if not values.size:
            continue
        first = float(values[0]) if first is None else first
        if not (values == first).all():
            return None
    return first


_NET = image() + SCORE
_WEIGHTS = "score 5x3x3x3 random\nscore 5 0\n"
_FROZEN = image() + label() + SCORE + upscore(UPSCORE) + crop("axis: 2 offset: 6") + loss("cropped")
_NORMAL = image() + SCORE + pointwise('type: "BatchNorm"', "score", "normal")

RULES = (
    Rule(
        "FCN201",
        "swapped",
        Level.ERROR,
        "net and weights are swapped",
        "Both are messages of one kind, and a caffemodel holds a net: programs that get them the wrong way round "
        "complain of bytes that are not text, or run with weights of zero.",
        find_swapped_files,
        Example({"net.prototxt": _NET, "weights": _WEIGHTS}, "", "", {"swap": True}),
    ),
    Rule(
        "FCN202",
        "no-common-layer",
        Level.ERROR,
        "the weights have no layer of the net",
        "Caffe copies weights by the names of layers and says nothing of layers that it does not find. With none in "
        "common, everything starts from its filler.",
        find_strangers,
        Example({"net.prototxt": _NET, "weights": _WEIGHTS.replace("score", HERE)}, "conv1", "score"),
    ),
    Rule(
        "FCN203",
        "other-shapes",
        Level.ERROR,
        "a parameter has another shape than in the net",
        'Caffe stops: "Cannot copy param 0 weights from layer ...; shape mismatch". A layer for other classes needs '
        "another name, so that it starts anew, or weights that were changed for them.",
        find_other_shapes,
        Example({"net.prototxt": _NET, "weights": f"score {HERE}x3x3x3 random\nscore {HERE} 0\n"}, "21", "5"),
    ),
    Rule(
        "FCN204",
        "fully-connected",
        Level.ERROR,
        "a convolution gets the weights of a fully connected layer",
        "A classifier's fc6 has a matrix, the FCN's a kernel with the same values in another shape, and Caffe does "
        "not reshape. The transplant does.",
        find_fully_connected,
        Example(
            {
                "net.prototxt": image() + conv("fc6", "data", "num_output: 8 kernel_size: 4"),
                "weights": f"fc6 {HERE} random\nfc6 8 0\n",
            },
            "8x48",
            "8x3x4x4",
        ),
    ),
    Rule(
        "FCN205",
        "untrained-layer",
        Level.ERROR,
        "a deployed net has a layer that the weights do not",
        "The layer runs with what its filler gives: zeros, or noise. Most often it was renamed.",
        find_untrained_layers,
        Example(
            {
                DEPLOY_FILE: image() + SCORE + conv("better", "score", "num_output: 5 kernel_size: 1"),
                "weights": f"{_WEIGHTS}{HERE} 5x5x1x1 random\n{HERE} 5 0\n",
            },
            "beter",
            "better",
        ),
    ),
    Rule(
        "FCN206",
        "not-finite",
        Level.ERROR,
        "weights are not finite",
        "A training that diverged wrote them. Everything that they touch is not a number.",
        find_numbers_that_are_none,
        Example({"net.prototxt": _NET, "weights": f"score 5x3x3x3 {HERE}\nscore 5 0\n"}, "nan", "random"),
        cheap=False,
    ),
    Rule(
        "FCN207",
        "upscore-of-zero",
        Level.ERROR,
        "an upscore's weights are zero",
        "The scores behind it are zero everywhere, whatever the image: class 0 in every pixel. A surgery that did not "
        "fill the upscore leaves it so, and with lr_mult 0 no training changes it.",
        find_zero_upscores,
        Example({"train.prototxt": _FROZEN, "weights": f"{_WEIGHTS}upscore 5x1x5x5 {HERE}\n"}, "0", "bilinear"),
    ),
    Rule(
        "FCN208",
        "not-an-interpolation",
        Level.WARNING,
        "a frozen upscore does not interpolate",
        "An upscore with lr_mult 0 is meant to interpolate each class by itself. Its weights do something else.",
        find_other_kernels,
        Example({"train.prototxt": _FROZEN, "weights": f"{_WEIGHTS}upscore 5x1x5x5 {HERE}\n"}, "random", "bilinear"),
    ),
    Rule(
        "FCN209",
        "constant-weights",
        Level.WARNING,
        "all weights of a layer are the same",
        "Such a layer gives the same score to every class. A head that was never trained has zeros.",
        find_constant_weights,
        Example({DEPLOY_FILE: _NET, "weights": f"score 5x3x3x3 {HERE}\nscore 5 0\n"}, "0", "random"),
    ),
    Rule(
        "FCN211",
        "empty-statistics",
        Level.ERROR,
        "a BatchNorm has seen no images",
        "BatchNorm has three parameters: sums of means and of variances, and the number by which both are divided. "
        "Where that is 0, as in weights that another program wrote, Caffe takes both as 0, and multiplies by hundreds.",
        find_empty_statistics,
        Example(
            {DEPLOY_FILE: _NORMAL, "weights": f"{_WEIGHTS}normal 5 random\nnormal 5 1\nnormal 1 {HERE}\n"},
            "0",
            "1",
        ),
    ),
    Rule(
        "FCN212",
        "half-precision",
        Level.ERROR,
        "weights are in half precision",
        "NVIDIA's Caffe writes float16, in a field that BVLC's Caffe does not know: it finds no values there.",
        find_half_precision,
        Example({"net.prototxt": _NET, "weights": f"score 5x3x3x3 random {HERE}\nscore 5 0\n"}, "float16", "float32"),
    ),
    Rule(
        "FCN213",
        "too-large-for-half",
        Level.HINT,
        "a value becomes infinite in half precision",
        "Devices that compute in half precision know numbers up to 65,504.",
        find_too_large_for_half,
        Example({"net.prototxt": _NET, "weights": f"score 5x3x3x3 {HERE}\nscore 5 0\n"}, "70000", "random"),
        cheap=False,
    ),
    Rule(
        "FCN214",
        "unused-weights",
        Level.HINT,
        "the weights have layers that the net does not",
        "Caffe passes over them without a word. Where a layer was renamed, its weights are among them.",
        find_unused_weights,
        Example({"net.prototxt": _NET, "weights": f"{_WEIGHTS}{HERE} 5 0\n"}, "other", "score"),
    ),
)
