"""FCN121 to FCN128: what a net learns from."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.checks.example_nets import SCORE, conv, image, label, loss, pointwise
from caffe_fcn.checks.forms import claim_failures, on_forms
from caffe_fcn.checks.net_file import Form, is_training_loss
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.scored_classes import scored_classes
from caffe_fcn.checks.subject import Subject
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.net.graph import Blob, Node
from caffe_fcn.net.layer_types import LAYER_TYPES, Kind, Origin, layer_type


def find_label_sizes(form: Form) -> Iterator[Problem]:
    """Labels that are not one for each prediction."""
    return claim_failures(form, lambda failure: failure.node is not None and compares_labels(failure.node))


def find_ignored_classes(form: Form) -> Iterator[Problem]:
    """Losses that ignore a label which is one of the classes."""
    for node, classes in scored_classes(form):
        ignored = node.layer.loss_param
        if ignored.HasField("ignore_label") and 0 <= ignored.ignore_label < classes:
            what = f"ignores label {ignored.ignore_label}, which is one of its {classes} classes"
            yield form.report(
                node, what, "ignore a label outside of the classes, such as 255", "loss_param.ignore_label"
            )


def find_measures_that_count_ignored(form: Form) -> Iterator[Problem]:
    """Measures that count the pixels which the loss ignores."""
    ignored = {
        node.bottoms[1].name: node.layer.loss_param.ignore_label
        for node in form.nodes
        if is_training_loss(node.layer) and len(node.bottoms) > 1 and node.layer.loss_param.HasField("ignore_label")
    }
    for node in form.nodes:
        row = layer_type(node.type)
        measures = row.reads_scores and not row.loss and len(node.bottoms) > 1
        if measures and node.bottoms[1].name in ignored:
            param = getattr(node.layer, row.param_name, None)
            if param is not None and "ignore_label" not in {field.name for field, _ in param.ListFields()}:
                value = ignored[node.bottoms[1].name]
                what = f"counts label {value}, which the loss ignores"
                mend = f"set {row.param_name} {{ ignore_label: {value} }}"
                yield form.report_with_fix(node, what, mend, "", (f"{row.param_name}.ignore_label", str(value)))


def find_missing_losses(form: Form) -> Iterator[Problem]:
    """Nets that are to be trained and have nothing to learn."""
    if form.nodes and not form.has_loss and not any(_may_be_a_loss(node) for node in form.nodes):
        place = Place(form.file.path, None)
        yield Problem(place, f"the {form.phase} net has no loss, so that nothing is learned", "add a loss")


def find_clipped_scores(form: Form) -> Iterator[Problem]:
    """Scores that a ReLU has made zero where they were negative."""
    seen = set()
    for node in form.nodes:
        if layer_type(node.type).param_name != "softmax_param":
            continue
        waiting = node.bottoms[:1]
        while waiting:
            maker = waiting.pop().maker
            row = layer_type(maker.type)
            if row.clips_negatives(maker.layer) and maker.name not in seen:
                seen.add(maker.name)
                what = f"makes negative scores zero before {node} compares them"
                yield form.report(maker, what, "take it out: scores may be negative")
            elif not _makes_scores(form, maker):
                waiting += maker.bottoms[: min(row.follows, len(maker.bottoms))]


def _makes_scores(form: Form, node: Node) -> bool:
    """Whether a layer multiplies and adds channels; a Deconvolution of as many scores as it reads enlarges them."""
    kind = layer_type(node.type).kind
    if kind is Kind.DECONVOLUTION and form.shapes is not None and node.bottoms:
        read = form.shapes.blobs.get(node.bottoms[0].name, ())
        return read[1:2] != (node.layer.convolution_param.num_output,)
    return kind in (Kind.CONVOLUTION, Kind.INNER_PRODUCT)


def find_layers_behind_the_loss(form: Form) -> Iterator[Problem]:
    """Layers that read a loss."""
    for node in form.nodes:
        readers = [reader for top in node.tops[:1] for reader in top.readers if reader.tops]
        if is_training_loss(node.layer) and readers:
            yield form.report(
                readers[0], f"reads the loss '{node.tops[0].name}'", "it belongs before the loss", "bottom"
            )


def find_dead_branches(form: Form) -> Iterator[Problem]:
    """Layers with parameters from which no path leads to a loss or a measure."""
    alive: set[int] = set()
    for node in reversed(form.nodes):
        ends = is_training_loss(node.layer) or layer_type(node.type).reads_scores or not node.tops
        if ends or any(reader.index in alive for top in node.tops for reader in top.readers):
            alive.add(node.index)
    if not form.shapes:
        return
    dead = [node for node in form.nodes if node.index not in alive and form.shapes.params.get(node.name)]
    for node in dead:
        if not any(reader in dead for top in node.tops for reader in top.readers):
            yield form.report(
                node, "leads to no loss, so that it learns nothing", "take it out, or let something read it"
            )


def find_other_class_counts(subject: Subject) -> Iterator[Problem]:
    """Scores for another number of classes than the data set has."""
    about = subject.dataset.about if subject.dataset else None
    if about is None or not about.classes or about.labels != "classes":
        return
    for form in subject.forms:
        for node, classes in scored_classes(form):
            if classes != len(about.classes):
                what = f"gets scores of {classes} classes, and the data set '{about.name}' has {len(about.classes)}"
                maker = _find_maker(node.bottoms[0])
                yield form.report(node, what, f"set num_output of '{maker.name}'", "bottom")


def find_other_class_names(form: Form) -> Iterator[Problem]:
    """Outputs that model.json names other classes of than the net has."""
    model = form.file.model
    if model is None or form.shapes is None:
        return
    for output in model.outputs:
        shape = form.shapes.blobs.get(output.blob)
        if output.classes and output.kind != "grey" and shape and len(shape) > 1 and shape[1] != len(output.classes):
            what = f"'{output.blob}' has {shape[1]} channels, and {form.file.model_path} names "
            what += f"{len(output.classes)} classes"
            maker = form.graph.blobs[output.blob].maker.name if form.graph else ""
            yield Problem(form.locate(maker), what, "name all classes, or set num_output")


def compares_labels(node: Node) -> bool:
    """Whether a layer compares scores with labels."""
    return layer_type(node.type).reads_scores and len(node.bottoms) > 1


def _may_be_a_loss(node: Node) -> bool:
    """Whether a layer is of a type that may be a loss without saying so: one of a fork, or code."""
    known = node.type in LAYER_TYPES
    return not known or (layer_type(node.type).origin is Origin.CODE and bool(node.bottoms))


def _find_maker(blob: Blob) -> Node:
    """The layer whose num_output is the number of a blob's channels."""
    node = blob.maker
    while layer_type(node.type).kind not in (Kind.CONVOLUTION, Kind.DECONVOLUTION, Kind.INNER_PRODUCT) and node.bottoms:
        node = node.bottoms[0].maker
    return node


_SCORES = image() + label() + conv("score", "data", "num_output: 5 kernel_size: 1")

RULES = (
    Rule(
        "FCN121",
        "label-size",
        Level.ERROR,
        "labels are not one for each prediction",
        "A loss needs a label for every position of the scores, so both have one height and width. Where the scores "
        "are larger, a Crop to the image is missing; where they are smaller, the upscore has another stride than the "
        "net, or the labels of the data set were made at another size.",
        on_forms(find_label_sizes),
        Example({"train.prototxt": image() + label(f"1 1 36 {HERE}") + SCORE + loss("score")}, "64", "36"),
    ),
    Rule(
        "FCN122",
        "ignored-class",
        Level.WARNING,
        "the loss ignores a label that is one of the classes",
        "Pixels with the ignored label give no loss, so the class of that number is never learned. The usual value is "
        "255, which no class has. It is right only where a class stands for everything that is not labelled.",
        on_forms(find_ignored_classes, lambda form: form.has_loss),
        Example({"train.prototxt": _SCORES + loss("score", f"loss_param {{ ignore_label: {HERE} }}")}, "0", "255"),
    ),
    Rule(
        "FCN123",
        "measure-of-ignored",
        Level.WARNING,
        "an accuracy counts the pixels that the loss ignores",
        "The ignored label has no class, so a prediction there is never right: the accuracy is too low, and Caffe "
        "reads beyond its table of classes where it counts them one by one.",
        on_forms(find_measures_that_count_ignored),
        Example(
            {
                "val.prototxt": _SCORES
                + loss("score", "loss_param { ignore_label: 255 }")
                + 'layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" '
                + HERE
                + " }"
            },
            "",
            "accuracy_param { ignore_label: 255 }",
        ),
    ),
    Rule(
        "FCN124",
        "no-loss",
        Level.ERROR,
        "a net that is to be trained has no loss",
        "Caffe trains such a net without a word, and its weights stay as they are. Often the loss has a rule "
        "(include, exclude) that leaves it out of the TRAIN phase.",
        on_forms(find_missing_losses, lambda form: form.trains),
        Example({"train.prototxt": _SCORES + loss("score", f"include {{ phase: {HERE} }}")}, "TEST", "TRAIN"),
    ),
    Rule(
        "FCN125",
        "clipped-scores",
        Level.WARNING,
        "a ReLU makes negative scores zero",
        "The last layer before a softmax needs no activation: its scores say no by being negative. Behind a ReLU all "
        "classes that are negative look alike, give no gradient, and a pixel in which all are zero is class 0.",
        on_forms(find_clipped_scores),
        Example(
            {"train.prototxt": _SCORES + pointwise(HERE, "score", "active") + loss("active")},
            'type: "ReLU"',
            'type: "Dropout"',
        ),
    ),
    Rule(
        "FCN126",
        "behind-the-loss",
        Level.WARNING,
        "a layer reads a loss",
        "A loss is a number. What reads it is seldom meant to, and often belongs to the blob before it.",
        on_forms(find_layers_behind_the_loss),
        Example(
            {
                "train.prototxt": _SCORES
                + loss("score")
                + pointwise('type: "Softmax"', HERE, "probability", "softmax_param { axis: 0 }")
            },
            "loss",
            "score",
        ),
    ),
    Rule(
        "FCN127",
        "dead-branch",
        Level.WARNING,
        "a layer with parameters leads to no loss",
        "Caffe computes it in every iteration and never changes its weights. Either it is left over, or a later layer "
        "names the wrong blob.",
        on_forms(find_dead_branches, lambda form: form.trains and form.has_loss),
        Example(
            {"train.prototxt": _SCORES + conv("better", "score", "num_output: 5 kernel_size: 1") + loss(HERE)},
            "score",
            "better",
        ),
    ),
    Rule(
        "FCN128",
        "classes-of-the-data",
        Level.WARNING,
        "the net has another number of classes than the data set",
        "With too few, labels lie outside of the scores; with too many, some classes are never learned. The number of "
        "classes is the num_output of the score layer and of every upscore behind it.",
        find_other_class_counts,
        Example(
            {
                "train.prototxt": image()
                + label()
                + conv("score", "data", f"num_output: {HERE} kernel_size: 1")
                + loss("score"),
                "data": "classes a b c\n0 1 2",
            },
            "5",
            "3",
        ),
    ),
    Rule(
        "FCN129",
        "classes-of-the-model",
        Level.ERROR,
        "model.json names another number of classes than the net has",
        "Names, colours and scores of classes come from model.json beside the net. With another number of names, "
        "predictions are shown and scored as the wrong classes.",
        on_forms(find_other_class_names, lambda form: form.deploys),
        Example(
            {
                DEPLOY_FILE: image() + conv("score", "data", "num_output: 3 kernel_size: 1"),
                "model.json": '{"inputs": [{"blob": "data", "channels": 3, "order": "BGR"}],\n'
                + f' "outputs": [{{"blob": "score", "kind": "scores", "classes": [{HERE}]}}]}}\n',
            },
            '"cat", "dog"',
            '"cat", "dog", "tree"',
        ),
    ),
)
