"""Whether a file is a net or a solver: the fields at its top tell it, whether all of it parses or not.

Nets and solvers share the name `debug_info`, and some numbers.
"""

from __future__ import annotations

from typing import TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.proto import wire
from caffe_fcn.proto.schema import NetParameter, SolverParameter
from caffe_fcn.proto.stripping import LAYER
from caffe_fcn.proto.text import message_fields, top_level_fields

NetOrSolver: TypeAlias = type[NetParameter] | type[SolverParameter]
_KINDS: tuple[NetOrSolver, NetOrSolver] = (NetParameter, SolverParameter)


def find_kind_of_text(text: str) -> NetOrSolver | None:
    """`NetParameter`, `SolverParameter`, or None where the names in the text do not tell.

    >>> find_kind_of_text("base_lr: 0.1") is SolverParameter
    True
    """
    names = set(top_level_fields(text))
    if names & {"layer", "layers"}:
        return NetParameter
    return _choose(*(len(names & message_fields(kind.DESCRIPTOR).keys()) for kind in _KINDS))


def find_kind_of_binary(data: wire.Buffer) -> NetOrSolver | None:
    """As `find_kind_of_text`, by the numbers of fields."""
    found = set()
    try:
        for field in wire.walk(data):
            if (field.number, field.kind) == (LAYER, wire.BYTES):
                return NetParameter
            if field.number < LAYER:  # no number of a net or solver is higher
                found.add((field.number, field.kind))
    except wire.WireError:
        pass  # whoever parses the message says what is wrong with it
    return _choose(*(len(found & _wire_fields(kind)) for kind in _KINDS))


def _choose(fields_of_net: int, fields_of_solver: int) -> NetOrSolver | None:
    if fields_of_net == fields_of_solver:
        return None
    return NetParameter if fields_of_net > fields_of_solver else SolverParameter


def _wire_fields(kind: NetOrSolver) -> set[tuple[int, int]]:
    return {(field.number, _WIRE_KINDS.get(field.cpp_type, wire.VARINT)) for field in kind.DESCRIPTOR.fields}


_WIRE_KINDS = {
    FieldDescriptor.CPPTYPE_FLOAT: wire.FIXED32,
    FieldDescriptor.CPPTYPE_DOUBLE: wire.FIXED64,
    FieldDescriptor.CPPTYPE_STRING: wire.BYTES,
    FieldDescriptor.CPPTYPE_MESSAGE: wire.BYTES,
}
