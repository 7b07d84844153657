"""Assign Python values to the fields of a layer, as pycaffe's ``assign_proto`` does, and report those that do not fit.

A dict becomes a message, a list a repeated field, a single value a repeated field with one element; an enum takes the
name of a value or its number. A parameter goes to the message of the layer's own type (``num_output`` of a Convolution
to ``convolution_param``) if that has such a field, else to the layer itself. Unlike pycaffe, this module also finds
the message of a type that shares it with another type, such as Deconvolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.errors import NetError, nearest
from caffe_fcn.net.layer_types import LAYER_TYPES
from caffe_fcn.proto import LayerParameter
from caffe_fcn.proto.dialects.table import PRIVATE
from caffe_fcn.proto.schema import Message
from caffe_fcn.proto.text import message_fields

# Messages that several layer types read beside their own.
_SHARED_MESSAGES = {"transform_param", "loss_param", "softmax_param"}


def check_type(type_name: str) -> None:
    """Raise `NetError` for a layer type that neither BVLC's Caffe nor NVIDIA's has."""
    if type_name not in LAYER_TYPES:
        mend = nearest(type_name, LAYER_TYPES) or "layers written in Python are L.Python(module=..., layer=...)"
        raise NetError(f"L.{type_name}", "Caffe has no such layer type", mend)


def assign_params(layer: LayerParameter, params: Mapping[str, Any]) -> None:
    """Assign a call's keyword arguments to the layer; raises `NetError` that names the type and its parameters."""
    where = f"L.{layer.type}"
    own = LAYER_TYPES[layer.type].param_name
    own_fields = message_fields(getattr(layer, own).DESCRIPTOR) if own else {}
    for name, value in params.items():
        if name in own_fields and not name.endswith("param"):
            _assign(getattr(layer, own), own_fields[name], value, where)
        elif name in _LAYER_FIELDS and not is_foreign(layer.type, name):
            _assign(layer, _LAYER_FIELDS[name], value, where)
        else:
            raise NetError(where, f"has no parameter '{name}'", _suggest_parameter(layer, name, own_fields))


_LAYER_FIELDS = message_fields(LayerParameter.DESCRIPTOR)


def is_foreign(type_name: str, name: str) -> bool:
    """Whether a field of a layer holds the parameters of another layer type, which this type ignores."""
    return name.endswith("_param") and name != LAYER_TYPES[type_name].param_name and name not in _SHARED_MESSAGES


def _suggest_parameter(layer: LayerParameter, name: str, own_fields: Mapping[str, FieldDescriptor]) -> str:
    message = LAYER_TYPES[layer.type].param_name
    general = [each for each in _LAYER_FIELDS if not each.endswith("_param")]
    known = [*own_fields, *([message] if message else []), *_SHARED_MESSAGES, *general]
    bvlcs = [each for each, field in own_fields.items() if field.number < PRIVATE]
    return nearest(name, known) or f"it has {', '.join(bvlcs or [message or 'none'])}"


def _assign(target: Message, field: FieldDescriptor, value: Any, where: str) -> None:
    current = getattr(target, field.name)
    if hasattr(current, "extend"):
        for each in value if isinstance(value, list | tuple) else [value]:
            if field.message_type:
                _assign_message(current.add(), field, each, where)
            else:
                _try_to_assign(current.append, field, each, where)
    elif field.message_type:
        _assign_message(current, field, value, where)
    else:
        _try_to_assign(lambda scalar: setattr(target, field.name, scalar), field, value, where)


def _assign_message(target: Message, field: FieldDescriptor, value: Any, where: str) -> None:
    fields = message_fields(field.message_type)
    if not isinstance(value, Mapping):
        raise NetError(where, f"{field.name} takes a dict, not {value!r}", f"such as dict({next(iter(fields))}=...)")
    for name, each in value.items():
        if name not in fields:
            mend = nearest(name, fields) or f"it has {', '.join(fields)}"
            raise NetError(where, f"{field.name} has no field '{name}'", mend)
        _assign(target, fields[name], each, where)


def _try_to_assign(setter: Callable[[Any], None], field: FieldDescriptor, value: Any, where: str) -> None:
    try:
        setter(value)
    except (TypeError, ValueError) as error:
        raise NetError(where, f"{field.name} cannot be {value!r}", _suggest_value(field, value)) from error


def _suggest_value(field: FieldDescriptor, value: Any) -> str:
    if not field.enum_type:
        return f"it takes {_TAKES[field.cpp_type]}"
    known = list(field.enum_type.values_by_name)
    return nearest(str(value), known) or f"one of {', '.join(known)}"


_TAKES = {
    FieldDescriptor.CPPTYPE_INT32: "a whole number",
    FieldDescriptor.CPPTYPE_INT64: "a whole number",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number from 0 on",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number from 0 on",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_BOOL: "True or False",
    FieldDescriptor.CPPTYPE_STRING: "a string",
}
