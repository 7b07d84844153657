"""The fields that forms of nets share: what a net is built for, and its solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caffe_fcn.augmentation import parse_transforms
from caffe_fcn.errors import NetError
from caffe_fcn.workspace.forms.arguments import require_pattern
from caffe_fcn.workspace.forms.fields import Choice, Field, FormError, Kind

SHAPE, LEARNING = "Shape and data", "Solver"
NAME = Field("name", "Name", required=True, hint="The folder in nets/ that is made.", most_signs=100)

_NUMBER = r"-?\d+(\.\d+)?"
NUMBERS = rf"{_NUMBER}(,\s*{_NUMBER})*"
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
        Field("epochs", "Epochs", Kind.NUMBER, least=0, hint="How often the training sees every image.", **_FOLDED),
        Field("base_lr", "Learning rate", Kind.NUMBER, least=0, **_FOLDED),
        Field("lr_policy", "How it falls", Kind.CHOICE, default="", choices=_offer(rates), **_FOLDED),
        Field("momentum", "Momentum", Kind.NUMBER, least=0, most=0.999999, **_FOLDED),
        Field("iter_size", "Batches for one update", Kind.INTEGER, least=1, most=10_000, **_FOLDED),
        Field("val_every", "Epochs between two tests", Kind.NUMBER, least=0, **_FOLDED),
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
    require_pattern(values, "classes", r"\d{1,5}(,\d{1,5})*", "Give a number such as 21, or 33,3 for two labellings.")
    require_pattern(values, "mean", NUMBERS, "Give numbers such as 104.007,116.669,122.679.")
    require_pattern(values, "pad", r"\d{1,4}|auto", "Give a number, or auto.")
    if values.get("augment"):
        try:
            parse_transforms(values["augment"])
        except NetError as error:
            raise FormError({"augment": f"This {error.what} ({error.mend})."}) from None


def _offer(names: Any) -> tuple[Choice, ...]:
    return (_UNSAID, *(Choice(each) for each in names))
