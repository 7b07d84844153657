"""The options of commands that write a solver: what the training is like, and what the loss weighs.

`caffe_fcn.netspec` has parameters of the same names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from caffe_fcn import netspec
from caffe_fcn.cli.printing import print_note
from caffe_fcn.cli.progress import show_progress
from caffe_fcn.description.dataset_json import Description
from caffe_fcn.netspec import solver_fitting
from caffe_fcn.netspec.catalogue import find_design
from caffe_fcn.netspec.class_weights import BALANCES, NO_BALANCE
from caffe_fcn.netspec.dataset_facts import find_splits
from caffe_fcn.netspec.design import NetDesign
from caffe_fcn.netspec.losses import INFOGAIN, LOSSES
from caffe_fcn.netspec.options import TRAINING_OPTIONS

_WEIGHED = tuple(name for name in BALANCES if name != NO_BALANCE)
_Function = TypeVar("_Function", bound=Callable[..., Any])

_SOLVER_OPTIONS = (
    click.option("--epochs", type=float, metavar="N", help="How often the training sees every image."),
    click.option("--base-lr", type=float, metavar="X", help="The learning rate that it begins with."),
    click.option(
        "--lr-policy",
        metavar="fixed|step|multistep|poly",
        help="How the rate falls; the figures follow from the number of iterations.",
    ),
    click.option("--momentum", type=float, metavar="X", help="The momentum, below 1."),
    click.option("--iter-size", type=int, metavar="N", help="The batches that make one update of the weights."),
    click.option("--val-every", type=float, metavar="N", help="The epochs from one test to the next, such as 0.5."),
    click.option(
        "--optimizer",
        metavar="SGD|Adam|...",
        help="The type of the solver: SGD, Nesterov, Adam, RMSProp, AdaGrad or AdaDelta, with its rates.",
    ),
    click.option(
        "--balance",
        metavar="none|median|infogain",
        help="Weights of the classes, by their frequencies in --source: median is median-frequency balancing, infogain "
        "is inverse frequency. The nets read them from infogain.binaryproto.",
    ),
)


def solver_options(function: _Function) -> _Function:
    """The options from ``--epochs`` to ``--balance``."""
    for option in reversed(_SOLVER_OPTIONS):
        function = option(function)
    return function


def loss_option(variants: Mapping[str, list[str]] | None = None, notes: str = "") -> Callable[[_Function], _Function]:
    """``--loss``; ``variants`` has the losses of each net that has others, and ``notes`` what to know of these."""
    others = variants or {}
    names = dict.fromkeys([*LOSSES, *(loss for losses in others.values() for loss in losses)])
    special = "".join(f" For {net}: {', '.join(losses)}{notes}." for net, losses in others.items())
    text = f"softmax, or infogain, which weighs the classes (as --balance says, else by median frequency).{special}"
    return click.option("--loss", type=click.Choice(list(names)), help=text)


def refuse_with_phase(options: Mapping[str, Any]) -> None:
    """Raise `click.UsageError` for an option whose files do not come with one net alone."""
    given = next((name for name in TRAINING_OPTIONS if options[name] is not None), None)
    if given:
        raise click.UsageError(f"--{given.replace('_', '-')} is for the solver: leave out --phase, or the option")
    if _is_weighed(options):
        raise click.UsageError("the weights of the classes are a file beside the nets: leave out --phase")


def _is_weighed(options: Mapping[str, Any]) -> bool:
    """Whether the options ask for a loss that weighs the classes."""
    return options["loss"] == INFOGAIN or options["balance"] in _WEIGHED


def measure_classes(source: str, about: Description | None, options: Mapping[str, Any]) -> None:
    """Measure the frequencies of the classes where the options ask for them and the data set does not say them."""
    if about is None or not about.splits or not _is_weighed(options):
        return
    from caffe_fcn.datasets.inspect import statistics

    train = find_splits(about)[0]
    with show_progress("records") as show:
        progress = (lambda done, total: show(f"measuring {train}", done, total)) if show else None
        statistics.complete_statistics(source, about, train, os.cpu_count() or 1, progress)


def print_solver_notes(name: str | NetDesign, options: Mapping[str, Any]) -> None:
    """Print what somebody should know who trains this net on a data set of their own."""
    net = find_design(name)
    if options.get("dataset") is not None or any(options[each] is not None for each in TRAINING_OPTIONS):
        for note in solver_fitting.list_notes(net, options):
            print_note(note)
    weights = netspec.weigh_classes(net, **{each: value for each, value in options.items() if each != "source"})
    if weights:
        about = options.get("dataset")
        names = (about.classes if about else None) or list(map(str, range(len(weights))))
        low, high = min(weights), max(weights)
        print_note(
            f"the loss weighs classes from {low:.3g} ({names[weights.index(low)]}) to {high:.3g} "
            f"({names[weights.index(high)]})"
        )
