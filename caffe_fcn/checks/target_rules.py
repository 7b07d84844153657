"""FCN501 to FCN505: nets for a program or device that takes Caffe's nets and refuses some of them.

The rules read the tables of `caffe_fcn.interop.targets`. They look at the forms that are deployed, and at all forms
where none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from caffe_fcn.checks.example_nets import conv, crop, image, pointwise
from caffe_fcn.checks.net_file import Form
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.subject import Subject
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.interop.targets.table import Otherwise, Target

if TYPE_CHECKING:
    from caffe_fcn.interop.targets.misfits import Misfit

_REWRITTEN = "caffe-fcn export bundle with this target writes it so that it fits, where that computes the same"


def find_old_formats(subject: Subject) -> Iterator[Problem]:
    """Files in a form that the target does not read."""
    if subject.target is None:
        return
    from caffe_fcn.interop.targets.misfits import find_net_misfits

    for net in subject.nets:
        for misfit in find_net_misfits(subject.target, net.original):
            places = [net.locate(name) for name in ("layers", "input")]
            place = next((each for each in places if each.line is not None), Place(net.path))
            yield Problem(place, f"the net {misfit.what}: {subject.target.name} refuses it", _REWRITTEN)


def on_misfits(*consequences: Otherwise, of_types: bool = False) -> Callable[[Subject], Iterator[Problem]]:
    """The rule that reports layers whose types, or whose figures, have one of these consequences."""

    def check(subject: Subject) -> Iterator[Problem]:
        if subject.target is None:
            return
        for form, misfit in _find_all(subject, subject.target):
            if misfit.otherwise in consequences and (misfit.bound is None) == of_types and misfit.node is not None:
                yield form.report(misfit.node, _describe(misfit, subject.target), _mend(misfit, subject.target))

    return check


def _find_all(subject: Subject, target: Target) -> Iterator[tuple[Form, Misfit]]:
    from caffe_fcn.interop.targets.misfits import find_misfits  # needed where there is a target alone

    forms = list(subject.forms)
    for form in [form for form in forms if form.deploys] or forms:
        if form.shapes is not None:
            yield from ((form, misfit) for misfit in find_misfits(target, form.shapes))


def _describe(misfit: Misfit, target: Target) -> str:
    if misfit.bound is None:
        return misfit.what
    consequence = _CONSEQUENCES[misfit.otherwise].format(target.name)
    return f"{misfit.what}: {consequence}" + (f"; {misfit.taken}" if misfit.taken else "")


def _mend(misfit: Misfit, target: Target) -> str:
    from caffe_fcn.interop.bundle_target import may_fit  # which imports all that builds nets

    said = f"source: {misfit.source.where}" if misfit.source else ""
    return "; ".join(filter(None, (_REWRITTEN if may_fit(misfit, target) else "", said)))


_CONSEQUENCES = {
    Otherwise.REFUSED: "{} refuses it",
    Otherwise.WRONG: "{} takes it and computes something else",
    Otherwise.PROCESSOR: "{} runs it on the processor",
    Otherwise.UNQUANTIZED: "{} does not quantize it",
}

_SCORE = conv("score", "data", "num_output: 5 kernel_size: 3")

RULES = (
    Rule(
        "FCN501",
        "type-for-the-target",
        Level.ERROR,
        "the target does not take a layer's type",
        "A converter knows a list of layer types and stops at others, or leaves them out without a word. A type that "
        "the target lacks may have a form that it takes: Interp is a Deconvolution, BatchNorm goes into the "
        "convolution before it.",
        on_misfits(Otherwise.REFUSED, of_types=True),
        Example(
            {DEPLOY_FILE: image() + _SCORE + pointwise(f'type: "{HERE}"', "score", "out")},
            "Swish",
            "Sigmoid",
            {"target": "mnn"},
        ),
    ),
    Rule(
        "FCN502",
        "bound-of-the-target",
        Level.ERROR,
        "a layer is beyond what the target takes",
        "Devices bound kernels, strides, paddings and the sides of blobs, and their converters stop beyond.",
        on_misfits(Otherwise.REFUSED),
        Example(
            {DEPLOY_FILE: image() + conv("score", "data", f"num_output: 5 kernel_size: 3 pad: {HERE}")},
            "100",
            "1",
            {"target": "ascend"},
        ),
    ),
    Rule(
        "FCN503",
        "other-result-of-the-target",
        Level.ERROR,
        "the target computes something else",
        "The converter takes the layer and reads it otherwise than Caffe: it loses a field, or treats it as another "
        "layer. Nothing is said, and the result is wrong.",
        on_misfits(Otherwise.WRONG),
        Example(
            {
                DEPLOY_FILE: image()
                + conv("score", "data", f"num_output: {HERE} kernel_size: 1 pad: 2")
                + crop("axis: 2 offset: 2", ("score", "data"))
            },
            "5",
            "3",
            {"target": "ncnn"},
        ),
    ),
    Rule(
        "FCN504",
        "slow-on-the-target",
        Level.WARNING,
        "the target runs a layer on its processor, or does not quantize it",
        "What the device does not do itself runs on its processor, or in floating point, which may take longer than "
        "all the rest.",
        on_misfits(Otherwise.PROCESSOR, Otherwise.UNQUANTIZED),
        Example(
            {DEPLOY_FILE: image() + conv("score", "data", f"num_output: 5 kernel_size: {HERE}")},
            "11",
            "7",
            {"target": "horizon"},
        ),
    ),
    Rule(
        "FCN505",
        "format-for-the-target",
        Level.ERROR,
        "the target does not read the file's form",
        "Many converters read the format of 2015 and later only, in which every layer is a layer { } and inputs are "
        "layers. From an older file they make a net without layers, or stop.",
        find_old_formats,
        Example(
            {
                DEPLOY_FILE: 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
                f'{HERE} bottom: "data" top: "out" }}\n'
            },
            'layers { name: "out" type: SIGMOID',
            'layer { name: "out" type: "Sigmoid"',
            {"target": "rockchip"},
        ),
    ),
)
