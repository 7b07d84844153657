"""FCN141 to FCN146: nets that run on new images, and BatchNorm."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.checks.example_nets import conv, image, label, loss, pointwise
from caffe_fcn.checks.forms import on_forms
from caffe_fcn.checks.net_file import Form, is_training_loss
from caffe_fcn.checks.rule import HERE, Example, Level, Problem, Rule
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.net.graph import Blob, Node
from caffe_fcn.net.layer_types import Kind, Origin, layer_type, origin_of
from caffe_fcn.net.layer_types.pointwise import learns_by_batch


def find_training_layers(form: Form) -> Iterator[Problem]:
    """Data layers, losses and measures in a net that is to be deployed."""
    for node in form.nodes:
        origin = origin_of(node.layer)
        row = layer_type(node.type)
        if origin not in (None, Origin.INPUT, Origin.FILLERS):
            yield form.report(node, "reads files, which a deployed net does not", "put an Input layer in its place")
        elif is_training_loss(node.layer) or (row.reads_scores and len(node.bottoms) > 1):
            yield form.report(node, "needs labels, which a deployed net does not have", "take it out")


def find_batch_statistics(form: Form) -> Iterator[Problem]:
    """Layers that normalize by the statistics of the images at hand in a deployed net."""
    what = "normalizes by the images at hand and not by what it learned"
    for node in form.nodes:
        row = layer_type(node.type)
        if learns_by_batch(node.layer):
            mend = "set bn_mode: INFERENCE, and fold the statistics into the weights: surgery fold-statistics"
            yield form.report(node, what, mend, "bn_param.bn_mode")
        elif row.frozen_by and row.affine and not row.affine.applies(node.layer):
            yield form.report(node, what, "set use_global_stats: true", f"{row.param_name}.use_global_stats")


def find_statistics_of_one_image(form: Form) -> Iterator[Problem]:
    """Layers that learn the statistics of batches of one image."""
    if form.shapes is None or not any(map(is_training_loss, (node.layer for node in form.nodes))):
        return
    for node in form.nodes:
        row = layer_type(node.type)
        if not row.frozen_by:
            continue
        param = getattr(node.layer, row.param_name)
        frozen = all(param.HasField(name) and getattr(param, name) == value for name, value in row.frozen_by.items())
        shape = form.shapes.blobs.get(node.bottoms[0].name, ()) if node.bottoms else ()
        if not frozen and shape[:1] == (1,):
            fields = " ".join(f"{name}: {str(value).lower()}" for name, value in row.frozen_by.items())
            what = "learns the statistics of batches of one image"
            yield form.report(node, what, f"use larger batches, or keep its statistics: {fields}")


def find_missing_softmax(form: Form) -> Iterator[Problem]:
    """Outputs that model.json says are probabilities, and that are scores."""
    model = form.file.model
    for output in model.outputs if model and form.graph else ():
        blob = form.graph.blobs.get(output.blob) if form.graph else None
        if output.kind == "probabilities" and blob is not None and _are_scores(blob):
            what = f"makes scores of any size, and {form.file.model_path} says that '{blob.name}' has probabilities"
            yield form.report(blob.maker, what, 'add a Softmax, or write "kind": "scores"')


def find_unknown_outputs(form: Form) -> Iterator[Problem]:
    """Blobs that model.json names and the net does not have."""
    model = form.file.model
    if model is None or form.graph is None:
        return
    for kind, names in (
        ("input", [each.blob for each in model.inputs]),
        ("output", [each.blob for each in model.outputs]),
    ):
        for name in names:
            if name not in form.graph.blobs:
                what = f"{form.file.model_path} names the {kind} '{name}', which the net does not have"
                yield Problem(form.file.locate("name"), what, "name a blob of the net")


def _are_scores(blob: Blob) -> bool:
    """Whether a layer that multiplies and adds makes the blob, and nothing but what enlarges, cuts or sums follows."""
    node: Node = blob.maker
    while node.bottoms and _keeps_range(node):
        node = node.bottoms[0].maker
    return layer_type(node.type).kind in (Kind.CONVOLUTION, Kind.INNER_PRODUCT)


def _keeps_range(node: Node) -> bool:
    row = layer_type(node.type)
    return row.kind in (Kind.CROP, Kind.RESHAPING, Kind.DECONVOLUTION) or row.role == "joining"


_NORMALIZED = conv("features", "data", "num_output: 4 kernel_size: 1")
_MODEL = (
    '{"inputs": [{"blob": "data", "channels": 3, "order": "BGR"}],\n'
    f' "outputs": [{{"blob": "score", "kind": "{HERE}"}}]}}\n'
)

RULES = (
    Rule(
        "FCN141",
        "training-layers",
        Level.WARNING,
        "a deployed net has layers for training",
        "A net that runs on new images has no labels and no databases. Caffe asks for them nevertheless, and "
        "converters stop at such layers.",
        on_forms(find_training_layers, lambda form: form.deploys),
        Example(
            {
                DEPLOY_FILE: image()
                + label()
                + conv("score", "data", "num_output: 5 kernel_size: 1")
                + pointwise('type: "Softmax"', "score", "probability")
                + loss("score", HERE)
            },
            "",
            "include { phase: TRAIN }",
        ),
    ),
    Rule(
        "FCN142",
        "batch-statistics",
        Level.WARNING,
        "a deployed net normalizes by the images at hand",
        "With use_global_stats: false a BatchNorm layer ignores what it learned, and its result depends on the other "
        "images of the batch. Without the field, Caffe does the right thing in each phase. SegNet's BN keeps nothing "
        "in its mode LEARN: caffe-fcn surgery fold-statistics puts the statistics of the training images into its "
        "scale and shift, and a deployed net has it in the mode INFERENCE.",
        on_forms(find_batch_statistics, lambda form: form.deploys),
        Example(
            {
                DEPLOY_FILE: image()
                + _NORMALIZED
                + pointwise('type: "BatchNorm"', "features", "normal", f"batch_norm_param {{ {HERE} }}")
            },
            "use_global_stats: false",
            "",
        ),
    ),
    Rule(
        "FCN143",
        "statistics-of-one-image",
        Level.WARNING,
        "a BatchNorm learns from batches of one image",
        "In training BatchNorm normalizes by the mean and variance of the batch. Those of one image are far from "
        "those of all, which are used later: the net is trained on other numbers than it is run on. FCNs, whose "
        "batches are of one image, keep the statistics of the classifier.",
        on_forms(find_statistics_of_one_image, lambda form: form.trains),
        Example(
            {
                "train.prototxt": image()
                + label()
                + _NORMALIZED
                + pointwise('type: "BatchNorm"', "features", "normal", f"batch_norm_param {{ {HERE} }}")
                + loss("normal")
            },
            "",
            "use_global_stats: true",
        ),
    ),
    Rule(
        "FCN144",
        "missing-softmax",
        Level.ERROR,
        "model.json promises probabilities, and the net makes scores",
        "Probabilities lie between 0 and 1 and add up to 1, and a Softmax makes them. Thresholds and percentages that "
        "are taken from scores mean nothing.",
        on_forms(find_missing_softmax, lambda form: form.deploys),
        Example(
            {DEPLOY_FILE: image() + conv("score", "data", "num_output: 5 kernel_size: 1"), "model.json": _MODEL},
            "probabilities",
            "scores",
        ),
    ),
    Rule(
        "FCN145",
        "blobs-of-the-model",
        Level.ERROR,
        "model.json names a blob that the net does not have",
        "What runs the net puts the image into the blob that model.json names, and takes the answer from the other.",
        on_forms(find_unknown_outputs, lambda form: form.deploys),
        Example(
            {
                DEPLOY_FILE: image() + conv(HERE, "data", "num_output: 5 kernel_size: 1"),
                "model.json": _MODEL.replace(HERE, "scores"),
            },
            "scores",
            "score",
        ),
    ),
)
