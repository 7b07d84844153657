"""FCN111 to FCN113: Deconvolutions that bring scores to a larger size, before there are weights."""

from __future__ import annotations

from collections.abc import Iterator

from caffe_fcn.checks.example_nets import SCORE, crop, image, label, loss, upscore
from caffe_fcn.checks.forms import lr_mult, on_forms
from caffe_fcn.checks.net_file import Form
from caffe_fcn.checks.rule import HERE, Example, Level, Problem, Rule
from caffe_fcn.checks.subject import Subject
from caffe_fcn.net.graph import Node
from caffe_fcn.net.layer_types import Kind, layer_type


def find_zero_upscores(subject: Subject) -> Iterator[Problem]:
    """Upscores that start at zero and never learn, where no weights say otherwise."""
    for form in subject.forms:
        for node in _upscores(form):
            param = node.layer.convolution_param
            unfilled = not param.HasField("weight_filler") and node.name not in subject.layers
            if form.trains and unfilled and not lr_mult(node.layer):
                what = "starts at zero and does not learn: the scores stay zero unless weights fill it"
                yield form.report(node, what, 'start from a transplant, or set weight_filler { type: "bilinear" }')


def find_random_upscores(form: Form) -> Iterator[Problem]:
    """Upscores that start at random and never learn."""
    for node in _upscores(form):
        filler = node.layer.convolution_param.weight_filler.type
        if not lr_mult(node.layer) and filler not in ("bilinear", "constant"):
            what = f"starts as its filler '{filler}' says and does not learn (lr_mult 0)"
            yield form.report(node, what, "set lr_mult: 1, or a bilinear filler", "param")


def find_mixing_upscores(form: Form) -> Iterator[Problem]:
    """Bilinear upscores without groups, which add all classes up."""
    for node in _upscores(form):
        param = node.layer.convolution_param
        bilinear = param.weight_filler.type == "bilinear"
        if bilinear and param.group == 1 and param.num_output > 1 and not lr_mult(node.layer):
            what = "fills every pair of channels bilinearly, so that each class gets the sum of all"
            mend = f"set group: {param.num_output}, or start from a transplant without this filler"
            yield form.report_with_fix(
                node, what, mend, "convolution_param.weight_filler", ("convolution_param.group", str(param.num_output))
            )


def _upscores(form: Form) -> Iterator[Node]:
    return (node for node in form.nodes if layer_type(node.type).kind is Kind.DECONVOLUTION)


_FILLED = "num_output: 5 group: 5 kernel_size: 5 stride: 2 bias_term: false"


def _make_trained_net(param: str, more: str = "param { lr_mult: 0 }") -> dict[str, str]:
    layers = image() + label() + SCORE + upscore(param, more=more) + crop("axis: 2 offset: 6") + loss("cropped")
    return {"train.prototxt": layers}


RULES = (
    Rule(
        "FCN111",
        "zero-upscore",
        Level.WARNING,
        "a frozen Deconvolution without a filler is zero",
        "A parameter without a filler starts at zero. With lr_mult 0 it stays there, and so does every score behind "
        "it: the loss stays at the logarithm of the number of classes, and the net predicts class 0 everywhere. It is "
        "the best-known way to fail with an FCN. The reference's nets are so, because their surgery writes the "
        "interpolation into the weights; a training that starts without such weights learns nothing.",
        find_zero_upscores,
        Example(_make_trained_net(f"{_FILLED} {HERE}"), "", 'weight_filler { type: "bilinear" }'),
    ),
    Rule(
        "FCN112",
        "random-upscore",
        Level.WARNING,
        "a Deconvolution is filled at random and does not learn",
        "An upscore interpolates, or learns to. One that starts at random with lr_mult 0 scatters the scores for ever.",
        on_forms(find_random_upscores, lambda form: form.trains),
        Example(_make_trained_net(f'{_FILLED} weight_filler {{ type: "{HERE}" }}'), "gaussian", "bilinear"),
    ),
    Rule(
        "FCN113",
        "upscore-without-groups",
        Level.ERROR,
        "a bilinear filler without groups adds all classes up",
        "Caffe's bilinear filler writes the same kernel for every pair of channels. Without groups, each class gets "
        "the sum of all classes, so that all have the same score everywhere; with lr_mult 0 it stays so. As many "
        "groups as classes keep them apart.",
        on_forms(find_mixing_upscores, lambda form: form.trains or form.has_loss),
        Example(
            _make_trained_net(f'num_output: 5 {HERE} kernel_size: 5 stride: 2 weight_filler {{ type: "bilinear" }}'),
            "",
            "group: 5",
        ),
    ),
)
