"""Fit the usual solver of a net to the data set at hand and to what the caller asks for.

    settings = make_settings(plan)              # a `Setting` for each field of the SolverParameter
    settings["max_iter"]                        # Setting(value=22240, origin="20 epochs (as given) of 1112 iterations")

A net that is built for no data set and with no option of the solver keeps its usual solver. Otherwise an option says
what a field is, then the data set, and last the usual solver; `Setting.origin` says which of them did. How long the
training is, and how often it tests, is the part of `solver_lengths`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.errors import NetError
from caffe_fcn.netspec.catalogue import catalogue
from caffe_fcn.netspec.design import BuildPlan, NetDesign, Setting, Settings
from caffe_fcn.netspec.learning_rates import LR_POLICIES
from caffe_fcn.netspec.optimizers import FIELDS, OPTIMIZERS
from caffe_fcn.netspec.solver_lengths import count_images, plan_lengths
from caffe_fcn.netspec.solver_settings import SNAPSHOT
from caffe_fcn.proto.solver_facts import SOLVER_TYPES

_LEAST_UPDATES = 50  # of an epoch: a usual iter_size above 1 is lowered for a small data set
_LOG_LINES = 10
_GIVEN = "as given"


def make_settings(plan: BuildPlan) -> Settings:
    """Return the fields of the net's solver; raises `NetError` for an option that does not apply to the net."""
    usual = plan.variant.solver
    origin = usual.origin.format(plan.net.name)
    settings = {name: Setting(value, origin) for name, value in usual.fields.items()}
    if plan.net.dataset.databases is not None or plan.options.has_any:
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
    settings = usual | _fit_iter_size(plan, usual)
    if plan.net.continues:
        rate = usual["base_lr"]
        settings["base_lr"] = Setting(rate.value, f"{rate.origin}, which goes on from {plan.net.continues}")
    if kind != own:
        settings = {name: setting for name, setting in settings.items() if name not in FIELDS}
        settings |= _take_rates(plan, kind)
    if options.optimizer:
        settings["type"] = Setting(kind, _GIVEN)
    if options.momentum is not None and not SOLVER_TYPES[kind].has_momentum:
        others = ", ".join(name for name in OPTIMIZERS if SOLVER_TYPES[name].has_momentum)
        raise NetError("`momentum`", f"{kind} has none", f"leave it out, or take {others}")
    given = {name: getattr(options, name) for name in ("base_lr", "momentum", "iter_size")}
    return settings | {name: Setting(value, _GIVEN) for name, value in given.items() if value is not None}


def _fit_iter_size(plan: BuildPlan, usual: Settings) -> Settings:
    """A smaller iter_size for a data set that has few batches, so that an epoch has more than a few updates."""
    images = count_images(plan)[0]
    own = usual["iter_size"].value if "iter_size" in usual else 1
    most = max(1, images // plan.batch // _LEAST_UPDATES) if images else own
    if own <= most:
        return {}
    return {"iter_size": Setting(most, f"with the usual {own} an epoch has fewer than {_LEAST_UPDATES} updates")}


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
    images = count_images(plan)[1]
    if not images:
        return {}
    noun = "validation image" if images == 1 else "validation images"
    return {"test_iter": Setting([-(-images // plan.batch)], f"{images} {noun} / batch {plan.batch}")}


def _fit_length(plan: BuildPlan, settings: Settings) -> Settings:
    """The length of the training, and how often it tests, takes a snapshot and logs."""
    fitted = plan_lengths(plan, settings["iter_size"].value if "iter_size" in settings else 1)
    if not fitted:
        return {}
    if "snapshot_prefix" not in settings:
        fitted["snapshot_prefix"] = Setting(SNAPSHOT["snapshot_prefix"], "usual")
    most = max(1, fitted["max_iter"].value // _LOG_LINES)
    if most < settings["display"].value:
        fitted["display"] = Setting(most, f"{_LOG_LINES} lines of the log at least")
    return fitted


def _fit_policy(plan: BuildPlan, iterations: int) -> Settings:
    """The policy that is asked for, with figures for so many iterations."""
    name = plan.options.lr_policy
    if name is None:
        return {}
    policy = LR_POLICIES[name]
    figures = {field: Setting(value, policy.origin) for field, value in policy.make_fields(iterations).items()}
    return {"lr_policy": Setting(name, _GIVEN), **figures}
