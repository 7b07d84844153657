"""Fit the usual solver of a net to the data set at hand and to what the caller asks for.

    settings = make_settings(plan)              # a `Setting` for each field of the SolverParameter
    settings["max_iter"]                        # Setting(value=22240, origin="20 epochs, as given, of 1112 iterations")

A net that is built for no data set and with no option of the solver keeps its usual solver. Otherwise an option says
what a field is, then the data set, and last the usual solver; `Setting.origin` says which of them did.

An epoch has as many iterations as it takes to see every training image once: images / (batch x iter_size). A test comes
after each epoch, or after more where there are many, and ten snapshots lie on tests. Where ``epochs`` is a multiple of
``val_every``, the training ends with a test, and is longer by less than one interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.catalogue import catalogue
from caffe_fcn.netspec.design import BuildPlan, NetDesign
from caffe_fcn.netspec.learning_rates import LR_POLICIES
from caffe_fcn.netspec.optimizers import FIELDS, OPTIMIZERS
from caffe_fcn.netspec.solver_settings import SNAPSHOT

_EPOCHS = 30
_LEAST_ITERATIONS = 1000  # for a small data set: with fewer updates no rate of the table gets far
_MOST_TESTS, _SNAPSHOTS, _LOG_LINES = 100, 10, 10
_INT_MAX = 2**31 - 1  # Caffe counts in int
_GIVEN = "as given"


class Setting(NamedTuple):
    """The value of a field of a solver, and what says it."""

    value: Any
    origin: str


Settings = dict[str, Setting]


def make_settings(plan: BuildPlan) -> Settings:
    """Return the fields of the net's solver; raises `NetError` for an option that does not apply to the net."""
    usual = plan.variant.solver
    origin = usual.origin.format(plan.net.name)
    settings = {name: Setting(value, origin) for name, value in usual.fields.items()}
    if plan.net.dataset.databases is not None or plan.options.given:
        settings = _fit_update(plan, settings)
        settings |= _fit_tests(plan)
        settings |= _fit_length(plan, settings)
        settings |= _fit_policy(plan, settings["max_iter"].value)
        origin = "beside this file"
    settings |= {name: Setting(value, origin) for name, value in _name_nets(plan).items()}
    if plan.net.dataset.validates:
        return settings
    return {name: setting for name, setting in settings.items() if not name.startswith("test_")}


def list_notes(net: NetDesign, options: Mapping[str, Any]) -> list[str]:
    """What somebody should know who trains this net, with these options, on a data set of their own."""
    if not net.continues or options.get("base_lr") is not None or options.get("optimizer") is not None:
        return []
    rate = f"the learning rate of {net.name}, {net.solver.fields['base_lr']:g}"
    at_once = f"{net.name}-atonce"
    other = f"from a classifier's weights train {at_once}" if at_once in catalogue() else "train that one first"
    return [f"{rate}, is for going on from the trained weights of {net.continues}: {other}"]


def _name_nets(plan: BuildPlan) -> dict[str, Any]:
    if plan.net.digits_form:
        return {"net": "all.prototxt", "test_state": [{"stage": ["val"]}]}
    train, val = (f"{split}.prototxt" for split in plan.net.dataset.splits)
    return {"train_net": train, "test_net": [val]}


def _fit_update(plan: BuildPlan, usual: Settings) -> Settings:
    """The settings with the type of solver, the rates and the iter_size that are asked for."""
    options = plan.options
    own = usual["type"].value if "type" in usual else "SGD"
    kind = options.optimizer or own
    settings = usual
    if kind != own:
        settings = {name: setting for name, setting in usual.items() if name not in FIELDS}
        settings |= _take_rates(plan, kind)
    if options.optimizer:
        settings = {**settings, "type": Setting(kind, _GIVEN)}
    if options.momentum is not None and not OPTIMIZERS[kind].has_momentum:
        others = ", ".join(name for name, row in OPTIMIZERS.items() if row.has_momentum)
        raise NetError("`momentum`", f"{kind} has none", f"leave it out, or take {others}")
    for name in ("base_lr", "momentum", "iter_size"):
        value = getattr(options, name)
        if value is not None:
            settings = {**settings, name: Setting(value, _GIVEN)}
    return settings


def _take_rates(plan: BuildPlan, kind: str) -> Settings:
    """The rates of a type of solver, from its row of the table."""
    row = OPTIMIZERS[kind]
    if not plan.variant.takes_classes and not row.adaptive and plan.options.base_lr is None:
        raise NetError(plan.net.name, f"has no known rate for {kind} and grey values", "give `base_lr`")
    is_averaged = plan.net.normalize or plan.digits_form
    fields = row.averaged if is_averaged else row.summed
    return {name: Setting(value, f"{kind}: {row.origin}") for name, value in fields.items()}


def _fit_tests(plan: BuildPlan) -> Settings:
    """As many batches as hold all validation images."""
    images = _count_images(plan)[1]
    if not images:
        return {}
    origin = f"{_count(images, 'validation image')} / batch {plan.batch}"
    return {"test_iter": Setting([-(-images // plan.batch)], origin)}


def _fit_length(plan: BuildPlan, settings: Settings) -> Settings:
    """The length of the training, and how often it tests, takes a snapshot and logs."""
    options, images = plan.options, _count_images(plan)[0]
    if options.val_every is not None and not plan.net.dataset.validates:
        what = f"{plan.net.dataset.name} has no validation part to test on"
        raise NetError("`val_every`", what, "leave it out, or build the data set with one")
    if not images:
        if options.epochs is not None or options.val_every is not None:
            what = "nothing says how many images an epoch has"
            name = "epochs" if options.epochs is not None else "val_every"
            raise NetError(f"`{name}`", what, "give `source` a data set that is there, with its counts")
        return {}
    iter_size = settings["iter_size"].value if "iter_size" in settings else 1
    epoch = Fraction(images, plan.batch * iter_size)
    wanted, why = _choose_length(plan, epoch, settings["max_iter"])
    every = options.val_every or max(1, math.ceil(wanted / epoch / _MOST_TESTS))
    interval = min(math.ceil(every * epoch), wanted)
    total = wanted
    if options.epochs is None and settings["max_iter"].value == wanted:
        total = wanted // interval * interval
    elif options.epochs is None or options.epochs % every == 0:
        total = -(-wanted // interval) * interval
    if total > _INT_MAX:
        raise NetError("`epochs`", f"are {total} iterations, more than Caffe can count", "give fewer")
    snapshots = max(1, round(total / interval / _SNAPSHOTS))
    size = f"{_count(images, 'image')} / batch {plan.batch}" + (f" / iter_size {iter_size}" if iter_size > 1 else "")
    apart = f"{_count(every, 'epoch')}{f' ({_GIVEN})' if options.val_every else ''}: {size}"
    return {
        "max_iter": Setting(total, why),
        "test_interval": Setting(interval, apart if interval >= every * epoch else f"at the end, before {apart}"),
        "snapshot": Setting(interval * snapshots, f"every {_count(snapshots, 'test') if snapshots > 1 else 'test'}"),
        "snapshot_prefix": settings.get("snapshot_prefix", Setting(SNAPSHOT["snapshot_prefix"], "usual")),
        **_fit_display(settings["display"].value, total),
    }


def _fit_display(usual: int, iterations: int) -> Settings:
    """More lines of the log for a training that has few."""
    most = max(1, iterations // _LOG_LINES)
    return {} if most >= usual else {"display": Setting(most, f"{_LOG_LINES} lines of the log at least")}


def _choose_length(plan: BuildPlan, epoch: Fraction, usual: Setting) -> tuple[int, str]:
    """How many iterations are wanted, and why."""
    if plan.options.epochs is not None:
        count, why = plan.options.epochs, _GIVEN
    else:
        own = plan.variant.solver.epochs
        count, why = Fraction(own or _EPOCHS), usual.origin if own else "DIGITS' default"
    iterations = math.ceil(count * epoch)
    text = f"{_count(count, 'epoch')} ({why}) of {_describe_number(epoch)} iterations"
    if plan.options.epochs is not None:
        return iterations, text
    if plan.variant.solver.epochs is None and iterations > usual.value:
        return usual.value, f"{usual.origin}; {text} are more"
    least = min(_LEAST_ITERATIONS, usual.value)
    return (iterations, text) if iterations >= least else (least, f"the least for a small data set; {text} are fewer")


def _fit_policy(plan: BuildPlan, iterations: int) -> Settings:
    """The policy that is asked for, with figures for so many iterations."""
    name = plan.options.lr_policy
    if name is None:
        return {}
    policy = LR_POLICIES[name]
    figures = {field: Setting(value, policy.origin) for field, value in policy.make_fields(iterations).items()}
    return {"lr_policy": Setting(name, _GIVEN), **figures}


def _count_images(plan: BuildPlan) -> tuple[int | None, int | None]:
    """The images to train and to validate on, as far as they are known.

    Where no data set is at hand they are those of the data set that the net's solver is for, unless the net is built
    for another.
    """
    dataset = plan.net.dataset
    if dataset.databases is not None:
        return dataset.counts or (None, None)
    counts = plan.variant.solver.counts if plan.source is None or plan.data == "python" else None
    return counts or (None, None)


def _count(number: Fraction | int, noun: str) -> str:
    return f"{_describe_number(Fraction(number))} {noun}{'' if number == 1 else 's'}"


def _describe_number(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.6g}"
