"""Caffe's messages, and files of them: nets and solvers as text or binary.

    net = read_net("train_val.prototxt")     # a NetParameter
    net.layer[0].name
    write(net, "copy.prototxt")

Reading looks at the content, not at the file's name: text and binary both work everywhere. Of a binary
net (a ``.caffemodel`` is one) the weights are passed over, not loaded. Old formats are upgraded on the way,
as Caffe does.

Each name comes from the module below, imported when it is asked for: protobuf takes longer to import than most
files take to be looked at.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caffe_fcn.proto.reading import read, read_net, read_net_or_solver, read_solver, to_text, write
    from caffe_fcn.proto.schema import (
        BlobProto,
        BlobShape,
        Datum,
        FillerParameter,
        LayerParameter,
        NetParameter,
        NetState,
        SolverParameter,
        SolverState,
        V1LayerParameter,
        message,
    )
    from caffe_fcn.proto.text import UnknownField, parse
    from caffe_fcn.proto.upgrade import upgrade as upgrade_message
    from caffe_fcn.proto.upgrade import upgrade_net, upgrade_solver
    from caffe_fcn.proto.wire import is_binary

__all__ = [
    "TEST",
    "TRAIN",
    "BlobProto",
    "BlobShape",
    "Datum",
    "FillerParameter",
    "LayerParameter",
    "NetParameter",
    "NetState",
    "SolverParameter",
    "SolverState",
    "UnknownField",
    "V1LayerParameter",
    "is_binary",
    "message",
    "parse",
    "read",
    "read_net",
    "read_net_or_solver",
    "read_solver",
    "to_text",
    "upgrade_message",
    "upgrade_net",
    "upgrade_solver",
    "write",
]

TRAIN, TEST = 0, 1  # the values of the enum Phase

_MESSAGES = ["BlobProto", "BlobShape", "Datum", "FillerParameter", "LayerParameter", "NetParameter", "NetState"]
_MESSAGES += ["SolverParameter", "SolverState", "V1LayerParameter"]
_MODULES = {
    "reading": ["read", "read_net", "read_net_or_solver", "read_solver", "to_text", "write"],
    "schema": ["message", *_MESSAGES],
    "text": ["UnknownField", "parse"],
    "upgrade": ["upgrade_net", "upgrade_solver"],
    "wire": ["is_binary"],
}
# name -> the module that has it, and what it is called there
_HOMES = {name: (module, name) for module, names in _MODULES.items() for name in names}
_HOMES["upgrade_message"] = ("upgrade", "upgrade")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'caffe_fcn.proto' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = globals()[name] = getattr(importlib.import_module(f"caffe_fcn.proto.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
