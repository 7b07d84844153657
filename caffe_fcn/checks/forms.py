"""Rules about a form of a net as rules about all that is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from caffe_fcn.checks.net_file import Failure, Form
from caffe_fcn.checks.rule import Problem
from caffe_fcn.checks.subject import Subject
from caffe_fcn.net.layer_types import layer_type


def on_forms(
    check: Callable[[Form], Iterable[Problem]], applies: Callable[[Form], bool] = lambda form: True
) -> Callable[[Subject], Iterator[Problem]]:
    """The rule that looks at every form for which it ``applies``."""

    def check_all(subject: Subject) -> Iterator[Problem]:
        for form in subject.forms:
            if applies(form):
                yield from check(form)

    return check_all


def claim_failures(form: Form, belongs: Callable[[Failure], bool]) -> Iterator[Problem]:
    """The failures of a form's graph and shapes that belong to a rule."""
    _ = form.shapes  # which finds them
    for error, node in filter(belongs, form.failures):
        if node is None:
            yield Problem(form.locate(_name_in(error.where)), f"{error.where}: {error.what}", error.mend)
        else:
            yield form.report(node, error.what, error.mend)


def _name_in(where: str) -> str:
    """The layer's name in ``layer 'conv1' (Convolution)``."""
    parts = where.split("'")
    return parts[1] if len(parts) > 2 else ""


def lr_mult(layer: object, index: int = 0) -> float:
    """The learning rate of a parameter, as a factor of the solver's."""
    specs = getattr(layer, "param", ())
    return float(specs[index].lr_mult) if index < len(specs) else 1.0


def reads_scores(type_name: str) -> bool:
    """Whether a type takes one score for each class along the axis of channels."""
    row = layer_type(type_name)
    return row.reads_scores or row.normalizes_scores
