"""Prototxt in: protobuf's text format, read with errors that a person can act on.

The grammar is that of protobuf's C++ parser, which Caffe uses: ``name: value``, ``name { ... }`` or
``name < ... >``, lists in brackets for repeated fields, neighbouring strings joined, ``#`` comments,
commas and semicolons between fields. As there, a singular field given twice is an error. What is our own
is the telling: file, line and column, every unknown field by name, with the nearest known spelling.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from caffe_fcn.errors import PrototxtError, nearest

_DEPTH = 64  # nets nest four deep; a bound keeps a hostile file from exhausting the stack

_TOKEN = re.compile(
    r"""(?P<skip>(?:[ \t\r\n\f\v]+|\#[^\n]*)+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?))(?![A-Za-z0-9_.])
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<mark>[][{}<>:,;/.-])""",
    re.VERBOSE | re.DOTALL,
)
_CLOSER = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class UnknownField:
    """A field that the schema does not have: where it stands (FILE:LINE:COLUMN), its message and name."""

    where: str
    message: str
    name: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} has no field '{self.name}'"


def parse(text: str, message: Message, source: str = "<text>", allow_unknown: bool = False) -> list[UnknownField]:
    """Fill ``message`` from prototxt; returns the unknown fields that were passed over.

    Raises `PrototxtError` at the first thing that does not parse and, unless ``allow_unknown``, for
    unknown fields, all of which it names.
    """
    parser = _Parser(text, source)
    parser.message(message, "", 0)
    if parser.unknown and not allow_unknown:
        first, *others = parser.unknown
        known = message_fields(parser.first_unknown_in)
        more = f", and {len(others)} more: {_listed(others)}" if others else ""
        raise PrototxtError(
            first.where,
            f"{first.message} has no field '{first.name}'{more}",
            nearest(first.name, known) or "--allow-unknown passes over such fields",
        )
    if missing := message.FindInitializationErrors():
        raise PrototxtError(source, f"required field {missing[0]} is missing", f"set {missing[0]}")
    return parser.unknown


def message_fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """The fields of a message by name."""
    if descriptor.full_name not in _FIELDS:
        _FIELDS[descriptor.full_name] = dict(descriptor.fields_by_name.items())
    return _FIELDS[descriptor.full_name]


_FIELDS: dict[str, dict[str, FieldDescriptor]] = {}


def _listed(unknown: list[UnknownField], most: int = 5) -> str:
    names = [f"'{field.name}' at {':'.join(field.where.rsplit(':', 2)[1:])}" for field in unknown[:most]]
    return ", ".join(names) + (" ..." if len(unknown) > most else "")


class _Parser:
    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.unknown: list[UnknownField] = []
        self.first_unknown_in: Descriptor | None = None
        self.end = 0
        self.advance()

    # The token in hand: its kind ("name", "number", "string", "mark", or "" at the end), text and start.

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match and match.lastgroup == "skip":
            self.end = match.end()
            match = _TOKEN.match(self.text, self.end)
        self.start = self.end
        if match:
            self.kind, self.token, self.end = str(match.lastgroup), match.group(), match.end()
        elif self.end == len(self.text):
            self.kind, self.token = "", ""
        else:
            rest = self.text[self.end : self.end + 20].split("\n")[0]
            self.fail("the string is not closed" if rest[0] in "\"'" else f"cannot read {rest!r}")

    def take(self, mark: str) -> bool:
        if self.token == mark and self.kind == "mark":
            self.advance()
            return True
        return False

    def at(self, position: int) -> str:
        line_start = self.text.rfind("\n", 0, position) + 1
        return f"{self.source}:{self.text.count(chr(10), 0, position) + 1}:{position - line_start + 1}"

    def fail(self, what: str, mend: str = "", position: int | None = None) -> NoReturn:
        raise PrototxtError(self.at(self.start if position is None else position), what, mend)

    def unexpected(self, wanted: str) -> NoReturn:
        self.fail(f"expected {wanted}, found {self.token!r}" if self.kind else f"the file ends, {wanted} is missing")

    # The grammar.

    def message(self, message: Message, closer: str, depth: int, opened: int = 0) -> None:
        if depth > _DEPTH:
            self.fail(f"nested deeper than {_DEPTH} messages")
        descriptor = message.DESCRIPTOR
        fields = message_fields(descriptor)
        seen: set[str] = set()
        while not (self.take(closer) if closer else not self.kind):
            if not self.kind:
                self.fail(f"'{closer}' of {descriptor.name} is missing", "close the message", opened)
            start, name = self.start, self.token
            if self.kind != "name":
                self.unexpected("a field name")
            self.advance()
            if name not in fields:
                self.first_unknown_in = self.first_unknown_in or descriptor
                self.unknown.append(UnknownField(self.at(start), descriptor.name, name))
                self.skip_field(depth)
            else:
                field = fields[name]
                if not _is_repeated(field):
                    if name in seen:
                        self.fail(f"'{name}' is given twice in {descriptor.name}", "keep one of them", start)
                    seen.add(name)
                self.field(message, field, depth)
            if self.kind == "mark" and self.token in ",;":
                self.advance()

    def field(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        colon = self.take(":")
        is_message = field.message_type is not None
        if not (colon or is_message):
            self.unexpected(f"':' after {field.name}")
        if not (_is_repeated(field) and self.take("[")):
            self.value(message, field, is_message, depth)
            return
        while not self.take("]"):
            self.value(message, field, is_message, depth)
            if not self.take(",") and self.token != "]":
                self.unexpected("',' or ']'")

    def value(self, message: Message, field: FieldDescriptor, is_message: bool, depth: int) -> None:
        if is_message:
            closer = _CLOSER.get(self.token, "") if self.kind == "mark" else ""
            if not closer:
                self.unexpected(f"'{{' after {field.name}")
            opened = self.start
            self.advance()
            holder = getattr(message, field.name)
            if _is_repeated(field):
                holder = holder.add()
            else:
                holder.SetInParent()
            self.message(holder, closer, depth + 1, opened)
            return
        start = self.start
        value = _READERS[field.cpp_type](self, field)
        try:
            if _is_repeated(field):
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
        except (ValueError, TypeError) as error:
            self.fail(f"{field.name}: {error}", position=start)

    def skip_field(self, depth: int) -> None:
        if not (self.take(":") or self.token in _CLOSER):
            self.unexpected("':' or '{'")
        if self.take("["):
            while not self.take("]"):
                self.skip_value(depth)
                if not self.take(",") and self.token != "]":
                    self.unexpected("',' or ']'")
        else:
            self.skip_value(depth)

    def skip_value(self, depth: int) -> None:
        closer = _CLOSER.get(self.token, "") if self.kind == "mark" else ""
        if not closer:
            self.scalar_token()
            return
        opened = self.start
        if depth > _DEPTH:
            self.fail(f"nested deeper than {_DEPTH} messages")
        self.advance()
        while not self.take(closer):
            if not self.kind:
                self.fail(f"'{closer}' is missing", "close the message", opened)
            if self.kind != "name":
                self.unexpected("a field name")
            self.advance()
            self.skip_field(depth + 1)
            if self.kind == "mark" and self.token in ",;":
                self.advance()

    def scalar_token(self) -> str:
        """One scalar's text; neighbouring strings stay apart, a lone '-' joins the name behind it (-inf)."""
        token = self.token
        if self.kind == "string":
            while self.kind == "string":
                self.advance()
        elif self.take("-"):
            token += self.token
            self.advance()
        elif self.kind in ("name", "number"):
            self.advance()
        else:
            self.unexpected("a value")
        return token

    # Scalars.

    def integer(self, field: FieldDescriptor) -> int:
        start, token = self.start, self.scalar_token()
        try:
            octal = re.fullmatch(r"[-+]?0[0-7]+", token)
            value = int(token, 8 if octal else 0)
        except ValueError:
            self.fail(f"{field.name} takes a whole number, not {token!r}", position=start)
        low, high = _RANGE[field.cpp_type]
        if not low <= value <= high:
            self.fail(f"{field.name}: {token} is out of range", position=start)
        return value

    def double(self, field: FieldDescriptor) -> float:
        start, token = self.start, self.scalar_token()
        text = token.lower()
        try:
            if text.lstrip("-+").startswith("0x"):
                return float(int(text, 16))
            return float(text if text.lstrip("-+") in _NOT_FINITE else text.rstrip("f"))
        except (ValueError, OverflowError):
            self.fail(f"{field.name} takes a number, not {token!r}", position=start)

    def single(self, field: FieldDescriptor) -> float:
        value = self.double(field)
        # a float32 field beyond its range is infinite in C++, while Python's protobuf may refuse it
        return math.copysign(math.inf, value) if abs(value) > _LARGEST_FLOAT32 else value

    def boolean(self, field: FieldDescriptor) -> bool:
        start, token = self.start, self.scalar_token()
        if token not in _BOOLEANS:
            self.fail(f"{field.name} takes true or false, not {token!r}", position=start)
        return _BOOLEANS[token]

    def enum(self, field: FieldDescriptor) -> int:
        start, kind, token = self.start, self.kind, self.scalar_token()
        values = field.enum_type.values_by_name
        if kind == "name" and token in values:
            return int(values[token].number)
        if kind == "number" and re.fullmatch(r"-?\d+", token) and int(token) in field.enum_type.values_by_number:
            return int(token)
        known = list(values.keys())
        mend = nearest(token.upper(), known) or f"one of {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}"
        return self.fail(f"{field.name} has no value {token!r}", mend, start)

    def string(self, field: FieldDescriptor) -> str | bytes:
        start = self.start
        if self.kind != "string":
            self.fail(f"{field.name} takes a string in quotes, not {self.token!r}", position=start)
        value = b""
        while self.kind == "string":
            value += self.unescaped(self.token[1:-1])
            self.advance()
        if field.type == FieldDescriptor.TYPE_BYTES:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            self.fail(f"{field.name} is not UTF-8 text", position=start)

    def unescaped(self, text: str) -> bytes:
        if "\\" not in text:
            return text.encode()
        value, end = b"", 0
        for match in _ESCAPE.finditer(text):
            value += text[end : match.start()].encode()
            end = match.end()
            octal, hexadecimal, short, long, simple = match.groups()
            if octal:
                value += bytes([int(octal, 8) & 255])
            elif hexadecimal:
                value += bytes([int(hexadecimal, 16)])
            elif (code := short or long) and int(code, 16) < 0x110000 and not 0xD800 <= int(code, 16) < 0xE000:
                value += chr(int(code, 16)).encode()
            elif simple in _SIMPLE_ESCAPES:
                value += _SIMPLE_ESCAPES[simple]
            else:
                self.fail(f"unknown escape {match.group()!r} in a string")
        return value + text[end:].encode()


def _is_repeated(field: FieldDescriptor) -> bool:
    # protobuf 7 has no `label`, protobuf 4 has no `is_repeated`
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if repeated is None else repeated)


_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE_ESCAPES = {
    "a": b"\a",
    "b": b"\b",
    "f": b"\f",
    "n": b"\n",
    "r": b"\r",
    "t": b"\t",
    "v": b"\v",
    "?": b"?",
    "\\": b"\\",
    "'": b"'",
    '"': b'"',
}
_BOOLEANS = {
    "true": True,
    "True": True,
    "t": True,
    "1": True,
    "false": False,
    "False": False,
    "f": False,
    "0": False,
}
_NOT_FINITE = {"inf", "infinity", "nan"}
_LARGEST_FLOAT32 = 3.4028235677973366e38  # the first value that rounds to infinity
_RANGE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_READERS: dict[int, Callable[[_Parser, FieldDescriptor], Any]] = {
    **dict.fromkeys(_RANGE, _Parser.integer),
    FieldDescriptor.CPPTYPE_FLOAT: _Parser.single,
    FieldDescriptor.CPPTYPE_DOUBLE: _Parser.double,
    FieldDescriptor.CPPTYPE_BOOL: _Parser.boolean,
    FieldDescriptor.CPPTYPE_ENUM: _Parser.enum,
    FieldDescriptor.CPPTYPE_STRING: _Parser.string,
}
