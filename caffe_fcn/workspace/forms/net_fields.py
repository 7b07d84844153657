"""The fields that forms of nets share: what a net is built for, and its solver."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from caffe_fcn.augmentation import parse_transforms
from caffe_fcn.errors import CaffeFcnError, NetError, OffsetError
from caffe_fcn.workspace import places
from caffe_fcn.workspace.forms.arguments import require_pattern
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind
from caffe_fcn.workspace.settings import Settings

SHAPE, LEARNING = "Shape and data", "Solver"
NAME = Field("name", "Name", required=True, hint="The folder in nets/ that is made.", most_signs=100)

_NUMBER = r"-?\d+(\.\d+)?"
NUMBERS = rf"{_NUMBER}(,\s*{_NUMBER})*"
OF_IMAGES = rf"{_NUMBER}(,\s*{_NUMBER}){{2}}|{_NUMBER}"
OF_CHANNELS = rf"{_NUMBER}(,\s*{_NUMBER}){{2}}"
_UNSAID = Choice("", "as usual")


def offer_datasets(names: list[str]) -> tuple[Choice, ...]:
    """Return the data sets of the workspace as choices, after that of none."""
    return (Choice("", "none yet"), *(Choice(each) for each in names))


def list_data_fields(datasets: list[str]) -> tuple[Field, ...]:
    """List the fields on what the net is built for."""
    return (
        Field(
            "source",
            "Data set",
            Kind.CHOICE,
            default="",
            choices=offer_datasets(datasets),
            hint="The net reads its databases, learns its classes, subtracts its mean and ignores its ignored label.",
            group=SHAPE,
        ),
        Field(
            "classes",
            "Classes",
            hint="How many the net learns, where it is not what the data set says; 33,3 for two labellings.",
            group=SHAPE,
        ),
        Field("size", "Size of images", Kind.SIZE, hint="Height x width that the deploy net takes.", group=SHAPE),
        Field("batch", "Images at a time", Kind.INTEGER, least=1, most=4096, group=SHAPE),
        Field("mean", "Mean", hint="What is subtracted from blue, green, red: 104.007,116.669,122.679.", group=SHAPE),
        Field(
            "pad",
            "Padding of the first layer",
            hint="A number, or auto: the least for images of this size and larger.",
            group=SHAPE,
        ),
        Field(
            "augment",
            "Augmentation",
            hint="How training images change with their labels: default, or flip,scale=0.75:1.25,crop=320x320.",
            group=SHAPE,
        ),
    )


def list_solver_fields() -> tuple[Field, ...]:
    """List the fields on the training that the solver describes."""
    from caffe_fcn.netspec.class_weights import BALANCES
    from caffe_fcn.netspec.optimizers import OPTIMIZERS

    rates = ("fixed", "step", "multistep", "poly")
    return (
        Field("epochs", "Epochs", Kind.NUMBER, hint="How often the training sees every image.", **_FOLDED),
        Field("base_lr", "Learning rate", Kind.NUMBER, **_FOLDED),
        Field("lr_policy", "How it falls", Kind.CHOICE, default="", choices=_offer(rates), **_FOLDED),
        Field("momentum", "Momentum", Kind.NUMBER, **_FOLDED),
        Field("iter_size", "Batches for one update", Kind.INTEGER, least=1, most=10_000, **_FOLDED),
        Field("val_every", "Epochs between two tests", Kind.NUMBER, **_FOLDED),
        Field("optimizer", "Optimizer", Kind.CHOICE, default="", choices=_offer(OPTIMIZERS), **_FOLDED),
        Field(
            "balance",
            "Weights of classes",
            Kind.CHOICE,
            default="",
            choices=_offer(BALANCES),
            hint="By how frequent the classes are in the data set.",
            **_FOLDED,
        ),
    )


_FOLDED: dict[str, Any] = {"group": LEARNING, "folded": True}

OPTIONS = {
    "source": "--source",
    "classes": "--classes",
    "data": "--data",
    "mean": "--mean",
    "size": "--size",
    "batch": "--batch",
    "pad": "--pad",
    "augment": "--augment",
    "loss": "--loss",
    "spelling": "--spelling",
    "variant": "--variant",
    "stride": "--stride",
    "epochs": "--epochs",
    "base_lr": "--base-lr",
    "lr_policy": "--lr-policy",
    "momentum": "--momentum",
    "iter_size": "--iter-size",
    "val_every": "--val-every",
    "optimizer": "--optimizer",
    "balance": "--balance",
}
"""The option of ``net build`` and ``net from-classifier`` for each field."""


def check_texts(values: Mapping[str, Any]) -> None:
    """Raise `FormError` for texts that their commands would not take."""
    counts = r"\d{1,5}(,\d{1,5})*"
    if isinstance(values.get("classes"), str):
        require_pattern(values, "classes", counts, "Give a number such as 21, or 33,3 for two labellings.")
    require_pattern(values, "mean", NUMBERS, "Give numbers such as 104.007,116.669,122.679.")
    require_pattern(values, "pad", r"\d{1,4}|auto", "Give a number, or auto.")
    if values.get("augment"):
        try:
            parse_transforms(values["augment"])
        except NetError as error:
            raise FormError({"augment": f"This {error.what} ({error.mend})."}) from None


def read_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fields give as options of `netspec.build`; raises `FormError` for texts that are none."""
    check_texts(values)
    given = {name: value for name, value in values.items() if name in OPTIONS and value not in (None, "")}
    given.pop("source", None)
    if isinstance(given.get("classes"), str):
        given["classes"] = tuple(map(int, given["classes"].split(",")))
    if "mean" in given:
        given["mean"] = tuple(map(float, given["mean"].split(",")))
    if given.get("pad", "auto") != "auto":
        given["pad"] = int(given["pad"])
    return given


def describe_data(settings: Settings, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `netspec.build` that the chosen data set gives; raises `FormError` where it is damaged."""
    from caffe_fcn.datasets.records import opening

    if not values.get("source"):
        return {}
    path = places.resolve(settings, values["source"])
    try:
        about = opening.describe(path)
    except CaffeFcnError as error:
        raise FormError({"source": f"Its {PurePath(error.where).name} {error.what}."}) from error
    return {"source": str(path), "dataset": about, "data": values.get("data") or "lmdb"}


def check_values(values: Mapping[str, Any]) -> None:
    """Raise `FormError` for values that `netspec` takes of no net."""
    from caffe_fcn.netspec.options import check_option

    _check_each(read_options(values), check_option)


def check_design(values: Mapping[str, Any], design: str, data: Mapping[str, Any] | None = None) -> None:
    """Raise `FormError` for values that a net of the catalogue does not take, each by itself and all together.

    ``data`` are the options that describe its data set. Weights of classes are left out where there is one, since the
    command measures frequencies that are not known.
    """
    from caffe_fcn import netspec
    from caffe_fcn.netspec.class_weights import NO_BALANCE
    from caffe_fcn.netspec.losses import INFOGAIN

    options, known = read_options(values), dict(data or {})
    try:
        netspec.solver(design, **known)
    except NetError as error:
        raise FormError({"source": _say(error)}) from error
    if data and (options.get("loss") == INFOGAIN or options.get("balance", NO_BALANCE) != NO_BALANCE):
        options = {name: value for name, value in options.items() if name not in ("loss", "balance")}
    _check_each(options, lambda name, value: netspec.solver(design, **{**known, name: value}))
    try:
        netspec.solver(design, **{**known, **options})
    except NetError as error:
        name = error.where.strip("`")
        raise FormError({name if name in options else "net": _say(error)}) from error
    for name, phase in (("pad", "deploy"), ("data", "train")):
        if name in options:
            try:
                netspec.build(design, phase, **{**known, **options})
            except (NetError, OffsetError) as error:
                raise FormError({name: _say(error)}) from error


def _check_each(options: Mapping[str, Any], check: Callable[[str, Any], object]) -> None:
    """Raise `FormError` with what is wrong with each option by itself."""
    errors = {}
    for name, value in options.items():
        try:
            check(name, value)
        except NetError as error:
            errors[name] = _say(error)
    if errors:
        raise FormError(errors)


def _say(error: CaffeFcnError) -> str:
    """Return an error as the sentence beside its field, with the labels of other fields that it names."""
    labels = {each.name: each.label for each in (*list_data_fields([]), *list_solver_fields())}
    where = "" if error.where.strip("`") in OPTIONS else f"{error.where} "
    text = f"{where}{error.what}" + (f": {error.mend}." if error.mend else ".")
    text = re.sub("`([a-z_]+)`", lambda found: f"'{labels.get(found[1], found[1])}'", text)
    return text if where else text[:1].upper() + text[1:]


def _offer(names: Any) -> tuple[Choice, ...]:
    return (_UNSAID, *(Choice(each) for each in names))
