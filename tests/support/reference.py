"""The published figures that tests compare with: ``tests/reference`` as nets, solvers and tables.

A net of the reference is a table of its layers' figures, ``tests/reference/nets/NAME.csv``: which of the published
files a layer is in (train, val, deploy, ...), its name, type, bottoms and tops, its learning rates and decays, and the
settings of its own message. From them `net` makes the message that the published prototxt says.
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from caffe_fcn import proto

FOLDER = Path(__file__).resolve().parents[1] / "reference"


def rows(table: str) -> list[dict[str, str]]:
    """The rows of ``tests/reference/TABLE``, each with its comments left out."""
    with (FOLDER / table).open(newline="") as file:
        return list(csv.DictReader(file))


def files() -> Iterator[tuple[str, str]]:
    """The published nets: their folder and the name of the file, such as ("voc-fcn8s", "train")."""
    for path in sorted((FOLDER / "nets").glob("*.csv")):
        for name in _names(path.stem):
            yield path.stem, name


def net(folder: str, file: str) -> proto.NetParameter:
    """A published net by its folder and file, such as ``net("voc-fcn8s", "train")``."""
    message = proto.NetParameter()
    for row in rows(f"nets/{folder}.csv"):
        if file in row["files"].split():
            _fill(message.layer.add(), row)
    return message


def solver(folder: str) -> proto.SolverParameter:
    """The published solver of a net."""
    (figures,) = (row for row in rows("solvers.csv") if row["net"] == folder)
    message = proto.SolverParameter()
    for field, value in figures.items():
        if field != "net" and value:
            _set(message, field, [value])
    return message


def names(file: str) -> list[str]:
    """The lines of ``tests/reference/FILE``."""
    return (FOLDER / file).read_text().splitlines()


# where the settings of a type stand, if their path does not say so
_MESSAGES = {
    "Concat": "concat_param",
    "Convolution": "convolution_param",
    "Crop": "crop_param",
    "Deconvolution": "convolution_param",
    "Dropout": "dropout_param",
    "Eltwise": "eltwise_param",
    "InnerProduct": "inner_product_param",
    "LRN": "lrn_param",
    "Pooling": "pooling_param",
    "Python": "python_param",
    "Scale": "scale_param",
    "SoftmaxWithLoss": "loss_param",
}


def _names(folder: str) -> list[str]:
    return list(dict.fromkeys(name for row in rows(f"nets/{folder}.csv") for name in row["files"].split()))


def _fill(layer: Any, row: dict[str, str]) -> None:
    layer.name, layer.type = row["layer"], row["type"]
    layer.bottom[:], layer.top[:] = row["bottoms"].split(), row["tops"].split()
    for name in ("lr_mult", "decay_mult"):
        for i, value in enumerate(row[f"{name}s"].split()):
            _set(layer.param[i] if i < len(layer.param) else layer.param.add(), name, [value])
    for setting in shlex.split(row["settings"]):
        path, _, values = setting.partition("=")
        if not path.split(".")[0].endswith(("_param", "include")):
            path = f"{_MESSAGES[layer.type]}.{path}"
        _set(layer, path, [values] if path.endswith("param_str") else values.split(","))


def _set(message: Any, path: str, values: list[str]) -> None:
    """Set a field below ``message``, entering messages on the way; of repeated ones the first."""
    *outer, name = path.split(".")
    for each in outer:
        message = getattr(message, each)
        if not hasattr(message, "DESCRIPTOR"):
            message = message[0] if len(message) else message.add()
    field = message.DESCRIPTOR.fields_by_name[name]
    read = field.enum_type.values_by_name if field.enum_type else None
    numbers = {field.CPPTYPE_FLOAT: float, field.CPPTYPE_INT32: int, field.CPPTYPE_INT64: int}
    numbers |= {field.CPPTYPE_UINT32: int, field.CPPTYPE_STRING: str, field.CPPTYPE_BOOL: "true".__eq__}
    made = [read[value].number if read else numbers[field.cpp_type](value) for value in values]
    if isinstance(getattr(message, name), (str, int, float)):
        setattr(message, name, made[0])
    else:
        getattr(message, name).extend(made)
