"""Changes to what a file means: to a protobuf message or a JSON document, which then is written whole again.

The result parses, so that it comes to what stands behind the parser: shapes, records, tensors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from random import Random
from typing import Any

from fuzz.mutations import NUMBERS, number_near
from google.protobuf.descriptor import FieldDescriptor

from caffe_fcn.proto.dialects.table import PRIVATE

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_REALS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 3e38, math.inf, -math.inf, math.nan]
_STRINGS = ["", "data", "label", "\u00e9", "a/b", "../x", "x" * 300, "\x1b[31mred", "a\nb", "\0", "AxB", " "]
_MOST = 40


def change_message(random: Random, message: Any) -> None:
    """Change one thing in a message, or in one of those inside it."""
    inside = list(_messages(message))
    target = random.choice(inside)
    draw = random.random()
    if draw < 0.15 and _splice(random, target, inside):
        return
    set_fields = [field for field, _ in target.ListFields()]
    if not set_fields or draw < 0.25:
        _set(random, target, random.choice([field for field in target.DESCRIPTOR.fields if field.number < PRIVATE]))
    elif draw < 0.35:
        target.ClearField(random.choice(set_fields).name)
    else:
        field = random.choice(set_fields)
        (_change_repeated if _is_repeated(field) else _set)(random, target, field)


def change_json(random: Random, document: Any) -> Any:
    """The document with one value, key or list changed."""
    document = copy.deepcopy(document)
    places = list(_places(document))
    if not places:
        return _json_value(random, document)
    holder, key = random.choice(places)
    draw = random.random()
    if draw < 0.2:
        del holder[key]
    elif draw < 0.3:
        other_holder, other = random.choice(places)
        holder[key] = copy.deepcopy(other_holder[other])
    elif draw < 0.4 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[key] = _json_value(random, holder[key])
    return document


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if _is_repeated(field) else [value]:
                yield from _messages(inner)


def _is_repeated(field: FieldDescriptor) -> bool:
    repeated = getattr(field, "is_repeated", None)  # protobuf 4 has it not
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if repeated is None else repeated)


def _splice(random: Random, target: Any, inside: list[Any]) -> bool:
    """Put a message of the same type in the place of this one."""
    others = [each for each in inside if each.DESCRIPTOR is target.DESCRIPTOR and each is not target]
    if others:
        source = copy.deepcopy(random.choice(others))
        target.CopyFrom(source)
    return bool(others)


def _set(random: Random, target: Any, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        inner = getattr(target, field.name)
        inner = inner.add() if _is_repeated(field) else inner
        if not _is_repeated(field):
            inner.SetInParent()
        if fields := [each for each in inner.DESCRIPTOR.fields if each.message_type is None]:
            _set(random, inner, random.choice(fields))
    elif _is_repeated(field):
        getattr(target, field.name).append(_value(random, field, 1))
    else:
        setattr(target, field.name, _value(random, field, getattr(target, field.name)))


def _change_repeated(random: Random, target: Any, field: FieldDescriptor) -> None:
    values = getattr(target, field.name)
    draw = random.randrange(6)
    one, other = random.randrange(len(values)), random.randrange(len(values))
    kept = [copy.deepcopy(value) if field.message_type else value for value in values]
    if draw == 0:
        del kept[one]
    elif draw == 1 and len(kept) < _MOST:
        kept.insert(other, copy.deepcopy(kept[one]))
    elif draw == 2:
        kept[one], kept[other] = kept[other], kept[one]
    elif draw == 3 and field.message_type is None and len(kept) < _MOST:
        kept += [kept[one]] * random.choice([1, 2, 3, 7, 33])
    elif field.message_type is None:
        kept[one] = _value(random, field, kept[one])
    else:
        change_message(random, kept[one])
    target.ClearField(field.name)
    getattr(target, field.name).extend(kept)


def _value(random: Random, field: FieldDescriptor, old: Any) -> Any:
    kind = field.cpp_type
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return min(max(number_near(random, int(old)), low), high)
    if kind in _FLOATS:
        return random.choice([*_REALS, float(random.randint(-9, 9)), float(old) * 2 if abs(old) < 1e30 else 0.0])
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return not old
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice(field.enum_type.values).number
    text = random.choice(_STRINGS)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = ()
    if isinstance(document, dict):
        keys = list(document)
    elif isinstance(document, list):
        keys = range(len(document))
    for key in keys:
        yield document, key
        yield from _places(document[key])


def _json_value(random: Random, old: Any) -> Any:
    if type(old) is int and random.random() < 0.5:
        return number_near(random, old)
    if isinstance(old, str) and random.random() < 0.5:
        return random.choice(_STRINGS)
    return random.choice([None, True, False, 0, -1, 4, 0.5, math.nan, math.inf, "x", "", [], {}, [old], {"x": old},
                          *NUMBERS[-6:], [[]], [1, "a"], {"images": "x"}])  # fmt: skip
