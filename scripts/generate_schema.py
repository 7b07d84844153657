#!/usr/bin/env python3
"""Writes what is generated from ``caffe.proto`` and from the tables of ``dialects/``; run it after a change of these.

    scripts/generate_schema.py

``caffe.desc`` is the schema as protoc compiles it (protoc comes with grpcio-tools, of the extra ``test``), with the
fields that forks of Caffe add: the message classes are made from it at run time. ``schema.pyi`` declares these classes
to type checkers.

The fields of forks have numbers of our own (100,000,000 and above), because the forks give one number to different
fields; ``caffe_fcn/proto/dialects`` translates. Every message also has ``kept_fields``: see ``proto/kept_fields.py``.

The stub declares the base class of messages and the repeated fields itself, because protobuf comes without types: a
class that inherits from an unknown base accepts every attribute.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

PROTO = Path(__file__).resolve().parent.parent / "caffe_fcn/proto"


def compile_schema(source: Path) -> bytes:
    """The serialized FileDescriptorSet of a .proto file. Raises `subprocess.CalledProcessError` if it has errors."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{source.parent}", "--descriptor_set_out=/dev/stdout"]
    return subprocess.run([*protoc, source], check=True, stdout=subprocess.PIPE).stdout


def add_dialects(descriptor_set: bytes, tables: Path) -> bytes:
    """The descriptor set with the fields of forks, as ``fields.tsv`` and ``enums.tsv`` of a folder declare them."""
    (file,) = (files := FileDescriptorSet.FromString(descriptor_set)).file
    messages = {message.name: message for message in file.message_type}
    fields = [row for row in _read_table(tables / "fields.tsv") if row["type"]]
    for name in dict.fromkeys(row["message"] for row in fields):
        if name not in messages:
            messages[name] = file.message_type.add(name=name)
    for row in _read_table(tables / "enums.tsv"):
        values = (pair.split("=") for pair in row["values"].split())
        enum = EnumDescriptorProto(name=row["enum"])
        for name, number in values:
            enum.value.add(name=name, number=int(number))
        messages[row["message"]].enum_type.append(enum)
    for row in fields:
        messages[row["message"]].field.append(_make_field(row, messages, file))
    for message in file.message_type:
        message.field.add(
            name="kept_fields",
            number=KEPT,
            label=FieldDescriptorProto.LABEL_REPEATED,
            type=FieldDescriptorProto.TYPE_STRING,
        )
    return files.SerializeToString(deterministic=True)


KEPT = 200_000_000  # behind all fields of forks, so that they are written in this order


def _read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _make_field(
    row: dict[str, str], messages: dict[str, DescriptorProto], file: FileDescriptorProto
) -> FieldDescriptorProto:
    labels = {"optional": FieldDescriptorProto.LABEL_OPTIONAL, "repeated": FieldDescriptorProto.LABEL_REPEATED}
    field = FieldDescriptorProto(name=row["field"], number=int(row["number"]), label=labels[row["label"]])
    kind = row["type"]
    if kind in _TYPES:
        field.type = _TYPES[kind]
    elif kind in messages:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{file.package}.{kind}"
    else:
        field.type = FieldDescriptorProto.TYPE_ENUM
        field.type_name = f".{file.package}.{row['message']}.{kind}"
    if row["default"] and row["label"] == "optional":
        field.default_value = row["default"]
    return field


def make_stub(descriptor_set: bytes) -> str:
    """The text of ``schema.pyi``."""
    (file,) = FileDescriptorSet.FromString(descriptor_set).file
    messages = sorted(file.message_type, key=lambda message: message.name)
    repeated = {_type_name(field) for message in messages for field in message.field if _is_repeated(field)}
    classes = [_HEAD]
    for message in messages:
        classes += ["\n".join(_fields_class(message)), "\n".join(_message_class(message))]
        if message.name in repeated:
            classes.append("\n".join(_repeated_class(message.name)))
    return "\n\n".join(classes) + "\n"


_HEAD = '''\
# Made by scripts/generate_schema.py from caffe.proto and dialects/: run it again after a change there.
"""Caffe's messages, with the fields that forks of Caffe add.

A repeated field, and a field that holds a message, cannot be assigned to: it is `Final` and is changed in place.
A value of an enum is a number. A constructor takes its name, too; a field for which it gets None stays unset.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, ClassVar, Final, Literal, SupportsIndex, TypeVar, final, overload

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from typing_extensions import Self, TypedDict, Unpack

_Scalar = TypeVar("_Scalar", int, float, bool, str, bytes)
_Message = TypeVar("_Message", bound=Message)

def message(name: str) -> type[Message]:
    """The class of a message by a name that is known only at run time. Raises `KeyError` for an unknown name."""

class Message:
    """The base class of all messages: google.protobuf.message.Message."""

    DESCRIPTOR: ClassVar[Descriptor]
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @classmethod
    def FromString(cls, data: bytes, /) -> Self: ...
    def ByteSize(self) -> int: ...
    def Clear(self) -> None: ...
    def ClearField(self, name: Any, /) -> None: ...
    def CopyFrom(self, other: Self, /) -> None: ...
    def DiscardUnknownFields(self) -> None: ...
    def FindInitializationErrors(self) -> list[str]: ...
    def HasField(self, name: Any, /) -> bool: ...
    def IsInitialized(self) -> bool: ...
    def ListFields(self) -> list[tuple[FieldDescriptor, Any]]: ...
    def MergeFrom(self, other: Self, /) -> None: ...
    def MergeFromString(self, data: bytes, /) -> int: ...
    def ParseFromString(self, data: bytes, /) -> int: ...
    def SerializePartialToString(self, *, deterministic: bool = ...) -> bytes: ...
    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...
    def SetInParent(self) -> None: ...

class _Enum:
    DESCRIPTOR: EnumDescriptor
    def Name(self, number: int) -> str: ...
    def Value(self, name: str) -> int: ...
    def keys(self) -> list[str]: ...
    def values(self) -> list[int]: ...
    def items(self) -> list[tuple[str, int]]: ...

class _Scalars(MutableSequence[_Scalar]):
    """A repeated field of numbers, strings or bytes."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _Scalar: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_Scalar]: ...
    @overload
    def __setitem__(self, index: SupportsIndex, value: _Scalar, /) -> None: ...
    @overload
    def __setitem__(self, index: slice, value: Iterable[_Scalar], /) -> None: ...
    def __delitem__(self, index: SupportsIndex | slice, /) -> None: ...
    def insert(self, index: int, value: _Scalar, /) -> None: ...
    def sort(self) -> None: ...
    def MergeFrom(self, other: _Scalars[_Scalar], /) -> None: ...

class _Messages(Sequence[_Message]):
    """A repeated field of messages; those that are appended are copied."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _Message: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[_Message]: ...
    def __delitem__(self, index: SupportsIndex | slice, /) -> None: ...
    def append(self, value: _Message, /) -> None: ...
    def extend(self, values: Iterable[_Message], /) -> None: ...
    def insert(self, index: int, value: _Message, /) -> None: ...
    def pop(self, index: int = -1, /) -> _Message: ...
    def remove(self, value: _Message, /) -> None: ...
    def reverse(self) -> None: ...
    def MergeFrom(self, other: _Messages[_Message], /) -> None: ...\
'''


def _fields_class(message: DescriptorProto) -> Iterator[str]:
    """What the constructor takes. It stands apart because the ``add`` of a repeated field takes the same."""
    yield f"class _{message.name}Fields(TypedDict, total=False):"
    for field in message.field:
        kind = _value_type(message, field)
        yield f"    {field.name}: {f'Iterable[{kind}]' if _is_repeated(field) else f'{kind} | None'}"


def _message_class(message: DescriptorProto) -> Iterator[str]:
    yield "@final"
    yield f"class {message.name}(Message):"
    for enum in message.enum_type:
        yield f"    {enum.name}: ClassVar[_Enum]"
        yield from (f"    {value.name}: ClassVar[int]" for value in enum.value)
    for field in message.field:
        yield f"    {field.name}: {_attribute_type(field)}"
    yield f"    def __init__(self, **fields: Unpack[_{message.name}Fields]) -> None: ..."
    singular = [field.name for field in message.field if not _is_repeated(field)]
    if singular:
        yield from _method("HasField", singular, "bool")
    yield from _method("ClearField", [field.name for field in message.field], "None")


def _repeated_class(name: str) -> Iterator[str]:
    yield f"class _{name}s(_Messages[{name}]):"
    yield f"    def add(self, **fields: Unpack[_{name}Fields]) -> {name}: ..."


def _method(name: str, fields: list[str], result: str) -> Iterator[str]:
    """A method that takes the name of a field, on one line if the line is short enough."""
    line = f"    def {name}(self, name: Literal[{', '.join(map(_quote, fields))}], /) -> {result}: ..."
    if len(line) <= _LINE:
        yield line
        return
    yield f"    def {name}("
    yield "        self,"
    yield "        name: Literal["
    yield from (f"            {_quote(field)}," for field in fields)
    yield "        ],"
    yield "        /,"
    yield f"    ) -> {result}: ..."


def _attribute_type(field: FieldDescriptorProto) -> str:
    is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
    name = _type_name(field) if is_message else _SCALARS[field.type]
    if _is_repeated(field):
        return f"Final[_{name}s]" if is_message else f"Final[_Scalars[{name}]]"
    return f"Final[{name}]" if is_message else name


def _value_type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    """What a constructor takes for a field, or for one value of a repeated field."""
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        return f"{_type_name(field)} | _{_type_name(field)}Fields"
    return "int | str" if field.type == FieldDescriptorProto.TYPE_ENUM else _SCALARS[field.type]


def _type_name(field: FieldDescriptorProto) -> str:
    return field.type_name.rpartition(".")[2]


def _is_repeated(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REPEATED


def _quote(text: str) -> str:
    return f'"{text}"'


_LINE = 120
_SCALARS = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_ENUM: "int",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_INT32: "int",
    FieldDescriptorProto.TYPE_INT64: "int",
    FieldDescriptorProto.TYPE_STRING: "str",
    FieldDescriptorProto.TYPE_UINT32: "int",
    FieldDescriptorProto.TYPE_UINT64: "int",
}
_TYPES = {FieldDescriptorProto.Type.Name(number)[5:].lower(): number for number in _SCALARS}


if __name__ == "__main__":
    compiled = add_dialects(compile_schema(PROTO / "caffe.proto"), PROTO / "dialects")
    (PROTO / "caffe.desc").write_bytes(compiled)
    (PROTO / "schema.pyi").write_text(make_stub(compiled))
