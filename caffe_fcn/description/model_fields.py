"""The schema of ``model.json``: which fields it has, and what each of them may hold."""

from __future__ import annotations

from typing import Any

from caffe_fcn.description.dataset_fields import CLASSES, LABEL, MEAN, MOST_CHANNELS, PALETTE, file_name
from caffe_fcn.strict_json import (
    MOST,
    WrongField,
    flag,
    list_of,
    number,
    object_of,
    one_of,
    optional,
    text,
    whole_number,
)

ORDERS = ("BGR", "RGB", "grey", "planes")
KINDS = ("scores", "probabilities", "grey", "classes")


def check_model(content: Any) -> None:
    """Raise `strict_json.WrongField` unless ``content`` is the description of a net."""
    _MODEL(content, "")
    for index, each in enumerate(content["inputs"]):
        mean, channels = each.get("mean"), each["channels"]
        if mean is not None and len(mean) not in (1, channels):
            raise WrongField(f"inputs[{index}].mean has {len(mean)} values for {channels} channels")
        if mean is not None and each.get("mean_file") is not None:
            raise WrongField(f"inputs[{index}] has a mean and a mean_file")
        wanted = _CHANNELS.get(each.get("order", ""), channels)
        if channels != wanted:
            raise WrongField(f"inputs[{index}].channels must be {wanted} for {each['order']}, not {channels}")


_CHANNELS = {"BGR": 3, "RGB": 3, "grey": 1}

_INPUT = object_of(
    {
        "blob": text,
        "channels": whole_number(1, MOST_CHANNELS),
        "order": one_of(*ORDERS),
        "mean": optional(MEAN),
        "mean_file": optional(file_name),
        "scale": number,
        "database": optional(file_name),
        "logarithm": flag,
    },
    required=("blob", "channels", "order"),
)

_OUTPUT = object_of(
    {
        "blob": text,
        "kind": one_of(*KINDS),
        "classes": optional(CLASSES),
        "palette": optional(PALETTE),
        "ignore_label": optional(LABEL),
    },
    required=("blob", "kind"),
)

_MODEL = object_of(
    {
        "version": whole_number(1, MOST),
        "inputs": list_of(_INPUT, 1),
        "outputs": list_of(_OUTPUT, 1),
        "dataset": optional(text),
    },
    required=("inputs", "outputs"),
)
