from .phase import TEST, TRAIN
from .reading import read, read_net, read_net_or_solver, read_solver, write
from .schema import (
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
from .text import UnknownField, parse, to_text
from .upgrade import upgrade_message, upgrade_net, upgrade_solver
from .wire import is_binary

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
