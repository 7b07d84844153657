"""Caffe's types of solver, each with the rates that an FCN on trained weights begins with: one row a type.

A loss that is summed over the pixels has a gradient as many times larger as there are pixels. Plain gradient descent
needs a rate that is as much smaller; the adaptive types divide by the size of the gradient, and need no other rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """A type of solver: its fields where the loss is averaged over the pixels, and where it is summed over them.

    ``origin`` says where these come from. Of an ``adaptive`` type both are the same, and also for losses of another
    size, such as those of grey values.
    """

    averaged: Mapping[str, Any]
    summed: Mapping[str, Any]
    origin: str
    adaptive: bool = True


def _adaptive(origin: str, **fields: Any) -> Optimizer:
    return Optimizer(fields, fields, origin)


def _descent(origin: str) -> Optimizer:
    averaged, summed = {"base_lr": 1e-4, "momentum": 0.9}, {"base_lr": 1e-10, "momentum": 0.99}
    return Optimizer(averaged, summed, origin, adaptive=False)


_A_TENTH = "at a tenth of the rate for trained weights"

OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": _descent("the reference: voc-fcn-alexnet for an averaged loss, voc-fcn32s for a summed one"),
    "Nesterov": _descent("as for SGD"),
    "Adam": _adaptive(f"Kingma and Ba 2015, {_A_TENTH}", base_lr=1e-4, momentum=0.9, momentum2=0.999),
    "RMSProp": _adaptive("rate as for Adam, rms_decay is Caffe's default", base_lr=1e-4, rms_decay=0.99),
    "AdaGrad": _adaptive(f"Caffe's examples/mnist, {_A_TENTH}", base_lr=1e-3),
    "AdaDelta": _adaptive("Caffe's examples/mnist", base_lr=1.0, momentum=0.95, delta=1e-6),
}
FIELDS = sorted({name for each in OPTIMIZERS.values() for name in (*each.averaged, *each.summed)})
