"""Parsing prototxts, protobuf's text format, with errors that a person can act on.

The grammar is that of protobuf's C++ parser, which Caffe uses: ``name: value``, ``name { ... }`` or
``name < ... >``, lists in brackets for repeated fields, neighbouring strings joined, ``#`` comments,
a comma or semicolon between fields. As there, a singular field given twice is an error, a float takes no
octal or hexadecimal number, and a list does not end in a comma. The errors are our own: they name file, line and
column, and every unknown field with the nearest known spelling. Strings must be UTF-8, which C++ does
not demand of proto2; and a text that holds more than a million messages or unknown fields is refused.

Fields that forks of Caffe have are read by name (`proto.dialects`); those of which no more than the name is known, and
what a fork's own message or a layer of a fork's type holds, are kept as their text (`proto.kept_fields`). Other unknown
fields are errors, unless the caller allows them; then they are kept, too. An unknown value of an enum of BVLC's is an
error always, since the default would take its place, which is another type or another pooling; the one exception is
``engine``, which says who computes a layer, and not what. A field of a binary file that no schema has stands by its
number (`proto.numbered_fields`), and is an unknown field as any other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from caffe_fcn.errors import PrototxtError, nearest
from caffe_fcn.proto.comments import add_comments
from caffe_fcn.proto.dialects.numbering import OPAQUE
from caffe_fcn.proto.dialects.table import PRIVATE, current_type, is_bvlcs_type, is_known, v1_type
from caffe_fcn.proto.kept_fields import NAME as KEPT
from caffe_fcn.proto.kept_fields import keep_field, kept_name, write_out
from caffe_fcn.proto.schema import BlobProtoVector, Message
from caffe_fcn.proto.tokens import Tokens

_DEPTH = 64  # nets nest four deep; a bound keeps a hostile file from exhausting the stack
_MOST = 1_000_000  # messages, or unknown fields: each takes a hundred times the memory of its text
_CLOSER = {"{": "}", "<": ">"}
_HARMLESS_ENUMS = {"engine"}  # BVLC's DEFAULT, CAFFE and CUDNN; forks have their own
_FORK_ENGINES = {"MKL2017", "MKLDNN", "LIBDNN", "INTEL_SPATIAL"}  # of the forks intel and opencl
_Strange: TypeAlias = tuple[int, Descriptor, str, str]  # an unknown field: where, in what message, name, unknown value


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that the schema does not have: its position (FILE:LINE:COLUMN), its message and its name.

    ``value`` is set where the schema has the field, but not the value.
    """

    where: str
    message: str
    name: str
    value: str = ""

    def __str__(self) -> str:
        if self.value:
            return f"{self.where}: {self.message}'s {self.name} has no value '{self.value}'"
        return f"{self.where}: {self.message} has no field '{self.name}'"


def parse(text: str, message: Message, source: str = "<text>", allow_unknown: bool = False) -> list[UnknownField]:
    """Fill ``message`` from prototxt; returns the unknown fields, which it keeps as their text.

    >>> from caffe_fcn.proto import NetParameter
    >>> net = NetParameter()
    >>> [str(field) for field in parse('name: "tiny"  colour: 3', net, allow_unknown=True)]
    ["<text>:1:15: NetParameter has no field 'colour'"]
    >>> net.name
    'tiny'

    Raises `PrototxtError` at the first thing that does not parse and, unless ``allow_unknown``, for
    unknown fields, all of which it names.
    """
    parser = _Parser(text, source, allow_unknown)
    if "\0" in text:
        parser.fail("has a zero byte, which ends a text for Caffe", "remove it", text.index("\0"))
    parser.parse_message(message, "", 0)
    strange = sorted(parser.strange, key=lambda each: each[0])
    unknown = [
        UnknownField(parser.locate(start), descriptor.name, _shorten(name), _shorten(value))
        for start, descriptor, name, value in strange
    ]
    if unknown and not allow_unknown:
        first, *others = unknown
        more = f", and {len(others)} more: {_list_fields(others)}" if others else ""
        raise PrototxtError(
            first.where,
            f"{first.message} has no field '{first.name}'{more}",
            nearest(first.name, message_fields(strange[0][1])) or "`allow_unknown` keeps such fields",
        )
    if missing := message.FindInitializationErrors():
        raise PrototxtError(source, f"required field {missing[0]} is missing", f"set {missing[0]}")
    return unknown


def read_fields(text: str) -> Message:
    """A message, without a schema of its own, that keeps all fields of a prototxt as their text."""
    result = BlobProtoVector()
    parse(text, result, allow_unknown=True)
    return result


def to_text(message: Message, comments: Mapping[str, str] | None = None) -> str:
    """A message as prototxt; floats in the shortest form that reads back to the same float32.

    ``comments`` has a comment for each field of the message that gets one. It stands behind the field, or above all
    of them where every field has the same.

    >>> from caffe_fcn.proto import SolverParameter
    >>> print(to_text(SolverParameter(max_iter=20, display=5), {"max_iter": "two epochs"}), end="")
    display: 5
    max_iter: 20  # two epochs
    """
    from google.protobuf import text_format

    text = write_out(str(text_format.MessageToString(message)), _is_field)
    return add_comments(text, comments) if comments else text


def top_level_fields(text: str) -> Iterator[str]:
    """The names of the fields at the top of the text, as far as it can be read."""
    depth = 0
    try:
        tokens = Tokens(text, "")
        while tokens.kind:
            name = tokens.token if tokens.kind == "name" and depth == 0 else ""
            if tokens.kind == "mark":
                depth += _NESTING.get(tokens.token, 0)
            tokens.advance()
            if name and tokens.kind == "mark" and tokens.token in ":{<[":
                yield name
    except PrototxtError:  # whoever parses the text reports it
        return


_NESTING = {"{": 1, "<": 1, "[": 1, "}": -1, ">": -1, "]": -1}


def message_fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """The fields of a message by name."""
    if descriptor.full_name not in _FIELDS:
        fields = dict(descriptor.fields_by_name.items())
        fields.pop(KEPT, None)  # which no text may set
        _FIELDS[descriptor.full_name] = fields
    return _FIELDS[descriptor.full_name]


_FIELDS: dict[str, dict[str, FieldDescriptor]] = {}


def _is_field(text: str) -> bool:
    """Whether a text is one whole field; a kept field of a binary file may be anything."""
    try:
        parser = _Parser(text, "", allow_unknown=True)
        parser.require_field()
        parser.advance()
        parser.skip_field(0)
        return not parser.kind
    except PrototxtError:
        return False


def _is_expected(descriptor: Descriptor, name: str) -> bool:
    """Whether a field outside the schema is known by its name, or lies in a message that forks alone have."""
    if name.isdecimal():  # one of a fork's, of which `dialects.numbering` knows no more
        return int(name) > OPAQUE
    return descriptor.fields[0].number >= PRIVATE or is_known(descriptor.name, name)


def _is_forks_layer(message: Any) -> bool:
    """Whether a message is a layer of a type that BVLC's Caffe does not have: such a layer has settings of its own."""
    if message.DESCRIPTOR.name == "LayerParameter":
        return bool(message.type) and not is_bvlcs_type(message.type)
    return message.DESCRIPTOR.name == "V1LayerParameter" and "type" in map(kept_name, message.kept_fields)


def _list_fields(unknown: list[UnknownField], most: int = 5) -> str:
    names = [f"'{field.name}' at {':'.join(field.where.rsplit(':', 2)[1:])}" for field in unknown[:most]]
    return ", ".join(names) + (" ..." if len(unknown) > most else "")


class _Parser(Tokens):
    def __init__(self, text: str, source: str, allow_unknown: bool) -> None:
        super().__init__(text, source)
        self.allow_unknown = allow_unknown
        self.strange: list[_Strange] = []
        self.messages = 0
        self.kept = 0

    def take(self, mark: str) -> bool:
        if self.token == mark and self.kind == "mark":
            self.advance()
            return True
        return False

    def require_field(self) -> None:
        """Refuse a token that is neither a field's name nor, of a field that no schema has, its number."""
        if self.kind != "name" and not (self.kind == "integer" and NUMBER.fullmatch(self.token)):
            self.fail_expecting("a field name")

    def fail_expecting(self, wanted: str) -> NoReturn:
        self.fail(
            f"expected {wanted}, found {self.quote_token()}" if self.kind else f"the file ends, {wanted} is missing"
        )

    def quote_token(self) -> str:
        return repr(_shorten(self.token))

    # The grammar.

    def parse_message(self, message: Message, closer: str, depth: int, opened: int = 0) -> None:
        if depth > _DEPTH:
            self.fail(f"nested deeper than {_DEPTH} messages")
        self.messages += 1
        if self.messages > _MOST:
            self.fail(f"has more than {_MOST} messages", "no net has as many")
        descriptor = message.DESCRIPTOR
        fields = message_fields(descriptor)
        seen: set[str] = set()
        strange: list[_Strange] = []
        while not (self.take(closer) if closer else not self.kind):
            if not self.kind:
                self.fail(f"'{closer}' of {descriptor.name} is missing", "close the message", opened)
            start, name = self.start, self.token
            self.require_field()
            self.advance()
            field = fields.get(name)
            if field is None:
                if not _is_expected(descriptor, name):
                    strange.append((start, descriptor, name, ""))
                self.keep_field(message, start, depth)
            elif field.number >= PRIVATE:
                self.parse_fork_field(message, field, start, depth, name in seen)
            else:
                if not is_repeated(field) and name in seen:
                    self.fail(f"'{name}' is given twice in {descriptor.name}", "keep one of them", start)
                if name == "type" and descriptor.name == "V1LayerParameter":
                    self.parse_v1_type(message, field, start, depth)
                else:
                    self.parse_field(message, field, depth)
                    if name in _HARMLESS_ENUMS and not message.HasField(name):
                        keep_field(message, self.text[start : self.previous_end])
            seen.add(name)
            if self.kind == "mark" and self.token in ",;":
                self.advance()
        if strange and not _is_forks_layer(message):
            self.strange += strange

    def keep_field(self, message: Message, start: int, depth: int) -> None:
        """Keep the field that starts at ``start`` and whose name has been read."""
        self.kept += 1
        if self.kept > _MOST:
            self.fail(f"has more than {_MOST} unknown fields", "this is neither a net nor a solver", start)
        self.skip_field(depth)
        keep_field(message, self.text[start : self.previous_end])

    def parse_v1_type(self, message: Message, field: FieldDescriptor, start: int, depth: int) -> None:
        """Read the type of a layer of the V1 format; some forks write it in quotes, or have types of their own."""
        before = self.state()
        self.take(":")
        quoted = self.kind == "string"
        name = self.unquote().decode(errors="replace") if quoted else self.token
        by_name = field.enum_type.values_by_name
        v1_name = (name if name in by_name else v1_type(name)) if quoted else name
        if v1_name in by_name:
            message.type = by_name[v1_name].number  # type: ignore[attr-defined]
            self.restore(before)
            self.skip_field(depth)
            return
        is_forks = current_type(name) is not None
        self.restore(before)
        if not (quoted or is_forks or (self.allow_unknown and self.kind == "name")):
            self.parse_field(message, field, depth)
            return
        if not (quoted or is_forks):
            self.strange.append((start, field.containing_type, field.name, name))
        self.keep_field(message, start, depth)

    def parse_fork_field(self, message: Message, field: FieldDescriptor, start: int, depth: int, again: bool) -> None:
        """Read a field that forks have; what our schema's idea of it does not fit is kept as it is written."""
        before = self.state()
        strange = len(self.strange)
        count = len(getattr(message, field.name)) if is_repeated(field) else 0
        if not again or is_repeated(field):
            try:
                self.parse_field(message, field, depth)
            except PrototxtError:
                if is_repeated(field):
                    del getattr(message, field.name)[count:]
                else:
                    message.ClearField(field.name)
            else:
                return
        self.restore(before)
        del self.strange[strange:]
        self.keep_field(message, start, depth)

    def state(self) -> tuple[str, str, int, int, int]:
        """The place of the parser, for `restore`."""
        return self.kind, self.token, self.start, self.end, self.previous_end

    def restore(self, state: tuple[str, str, int, int, int]) -> None:
        """Go back to a place."""
        self.kind, self.token, self.start, self.end, self.previous_end = state

    def parse_field(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        colon = self.take(":")
        is_message = field.message_type is not None
        if not (colon or is_message):
            self.fail_expecting(f"':' after {field.name}")
        if not (is_repeated(field) and self.take("[")):
            self.parse_value(message, field, is_message, depth)
            return
        if self.take("]"):
            return
        self.parse_value(message, field, is_message, depth)
        while not self.take("]"):
            if not self.take(","):
                self.fail_expecting("',' or ']'")
            self.parse_value(message, field, is_message, depth)

    def parse_value(self, message: Message, field: FieldDescriptor, is_message: bool, depth: int) -> None:
        if is_message:
            closer = _CLOSER.get(self.token, "") if self.kind == "mark" else ""
            if not closer:
                self.fail_expecting(f"'{{' after {field.name}")
            opened = self.start
            self.advance()
            holder = getattr(message, field.name)
            if is_repeated(field):
                holder = holder.add()
            else:
                holder.SetInParent()
            self.parse_message(holder, closer, depth + 1, opened)
            return
        value = _READERS[field.cpp_type](self, field)
        if value is None:
            return
        if is_repeated(field):
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def skip_field(self, depth: int) -> None:
        if not (self.take(":") or self.token in _CLOSER):
            self.fail_expecting("':' or '{'")
        if not self.take("["):
            self.skip_value(depth)
        elif not self.take("]"):
            self.skip_value(depth)
            while not self.take("]"):
                if not self.take(","):
                    self.fail_expecting("',' or ']'")
                self.skip_value(depth)

    def skip_value(self, depth: int) -> None:
        closer = _CLOSER.get(self.token, "") if self.kind == "mark" else ""
        if not closer:
            self.skip_scalar()
            return
        opened = self.start
        if depth > _DEPTH:
            self.fail(f"nested deeper than {_DEPTH} messages")
        self.advance()
        while not self.take(closer):
            if not self.kind:
                self.fail(f"'{closer}' is missing", "close the message", opened)
            self.require_field()
            self.advance()
            self.skip_field(depth + 1)
            if self.kind == "mark" and self.token in ",;":
                self.advance()

    def skip_scalar(self) -> None:
        if self.kind == "string":
            while self.kind == "string":
                self.advance()
        else:
            self.take_scalar()

    # Scalars.

    def take_scalar(self) -> tuple[bool, str, str]:
        """Whether a minus stands before a number or name, its kind, and its text."""
        negative = self.take("-")
        kind, token = self.kind, self.token
        if kind not in _SCALARS or (negative and kind == "name" and token.lower() not in _NOT_FINITE):
            self.fail_expecting("a number" if negative else "a value")
        self.advance()
        return negative, kind, token

    def refuse(self, field: FieldDescriptor, wanted: str, token: str, start: int) -> NoReturn:
        self.fail(f"{field.name} takes {wanted}, not {_shorten(token)!r}", position=start)

    def parse_integer(self, field: FieldDescriptor) -> int:
        start = self.start
        if self.kind == "string":
            self.refuse(field, "a whole number", self.token, start)
        negative, kind, token = self.take_scalar()
        signed = f"{'-' * negative}{token}"
        if kind != "integer":
            self.refuse(field, "a whole number", signed, start)
        low, high = _RANGE[field.cpp_type]
        value = _to_integer(token) * (-1 if negative else 1)
        if not low <= value <= high or (negative and low == 0):
            self.fail(f"{field.name}: {_shorten(signed)} is out of range", position=start)
        return value

    def parse_double(self, field: FieldDescriptor) -> float:
        start = self.start
        if self.kind == "string":
            self.refuse(field, "a number", self.token, start)
        negative, kind, token = self.take_scalar()
        if kind == "name" and token.lower() not in _NOT_FINITE:
            self.refuse(field, "a number", token, start)
        if kind == "integer" and token[0] == "0" and token != "0":
            self.refuse(field, "a decimal number", token, start)
        value = float(token if kind == "name" else token.rstrip("fF"))
        return -value if negative else value

    def parse_single(self, field: FieldDescriptor) -> float:
        # beyond its range a float32 is infinite in C++, up to half a step beyond it is the largest float32
        value = self.parse_double(field)
        if abs(value) <= _LARGEST_FLOAT32 or math.isnan(value):
            return value
        return math.copysign(_LARGEST_FLOAT32 if abs(value) <= _ROUNDS_TO_LARGEST else math.inf, value)

    def parse_boolean(self, field: FieldDescriptor) -> bool:
        start, token = self.start, self.quote_token()
        value: bool | None = None
        if self.kind == "name":
            value = _BOOLEANS.get(self.token)
        elif self.kind == "integer" and _to_integer(self.token) <= 1:
            value = bool(_to_integer(self.token))
        if value is None:
            self.fail(f"{field.name} takes true or false, not {token}", position=start)
        self.advance()
        return value

    def parse_enum(self, field: FieldDescriptor) -> int | None:
        start = self.start
        if self.kind == "string":
            self.refuse(field, "a name without quotes", self.token, start)
        negative, kind, token = self.take_scalar()
        by_name, by_number = field.enum_type.values_by_name, field.enum_type.values_by_number
        if kind == "name" and not negative and token in by_name:
            return int(by_name[token].number)
        number = _to_integer(token) * (-1 if negative else 1) if kind == "integer" else None
        if number is not None and abs(number) < 2**31 and number in by_number:  # which counts modulo 2**32
            return number
        value = _shorten(f"{'-' * negative}{token}")
        if field.name in _HARMLESS_ENUMS and value in _FORK_ENGINES:
            return None
        if field.name in _HARMLESS_ENUMS and self.allow_unknown:
            self.strange.append((start, field.containing_type, field.name, value))
            return None
        known = list(by_name.keys())
        mend = nearest(value.upper(), known) or f"one of {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}"
        return self.fail(f"{field.name} has no value {value!r}", mend, start)

    def parse_string(self, field: FieldDescriptor) -> str | bytes:
        start = self.start
        if self.kind != "string":
            self.fail(f"{field.name} takes a string in quotes, not {self.quote_token()}", position=start)
        pieces = []
        while self.kind == "string":
            pieces.append(self.unquote())
            self.advance()
        value = b"".join(pieces)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            self.fail(f"{field.name} is not UTF-8 text", position=start)

    def unquote(self) -> bytes:
        """The bytes of the string that is the current token."""
        value = self.token[1:-1].encode()
        return _ESCAPE.sub(self.unescape, value) if b"\\" in value else value

    def unescape(self, match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, head, trail, short, long, simple = match.groups()
        if octal:
            return bytes([int(octal, 8) & 255])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        if head:  # of two surrogates, which stand for one character
            return chr(0x10000 + (int(head, 16) - 0xD800 << 10) + int(trail, 16) - 0xDC00).encode()
        code = int(short or long or b"-1", 16)
        if 0 <= code < 0x110000:
            return chr(code).encode(errors="surrogatepass")
        if 0 <= code < 0x200000:  # C++ writes what is no character any more, and no UTF-8
            return bytes([0xF0 | code >> 18, *(0x80 | code >> shift & 0x3F for shift in (12, 6, 0))])
        if simple not in _SIMPLE_ESCAPES:
            self.fail(f"unknown escape {match.group().decode()!r} in a string")
        return _SIMPLE_ESCAPES[simple]


def _shorten(token: str, most: int = 60) -> str:
    """A token, cut to a length that an error can show."""
    return token if len(token) <= most else f"{token[:most]}..."


def _to_integer(token: str) -> int:
    """The value of an integer token; one with more digits than any field takes is a number too large for all."""
    if token[:2] in ("0x", "0X"):
        digits, base = token[2:].lstrip("0"), 16
    else:
        digits, base = token.lstrip("0"), 8 if token[0] == "0" else 10
    return int(digits or "0", base) if len(digits) <= _MOST_DIGITS else _TOO_LARGE


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field takes several values."""
    # protobuf 7 has no `label`, protobuf 4 has no `is_repeated`
    repeated = getattr(field, "is_repeated", None)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if repeated is None else repeated)


_ESCAPE = re.compile(
    rb"""\\(?: ([0-7]{1,3})
         | x([0-9a-fA-F]{1,2})
         | (?:u|U0000)([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})
         | u([0-9a-fA-F]{4})
         | U([0-9a-fA-F]{8})
         | ([^\x80-\xff]|[\x80-\xff]+) )""",
    re.DOTALL | re.VERBOSE,
)
_SIMPLE_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"?": b"?",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
}
NUMBER = re.compile("[1-9][0-9]{0,8}")  # of a field
_SCALARS = {"name", "integer", "float"}
_BOOLEANS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_NOT_FINITE = {"inf", "infinity", "nan"}
_LARGEST_FLOAT32 = 3.4028234663852886e38
_ROUNDS_TO_LARGEST = 3.4028235677973366e38  # half a step above it
_MOST_DIGITS, _TOO_LARGE = 24, 1 << 96  # 2**64 has 22 octal digits
_RANGE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_READERS: dict[int, Callable[[_Parser, FieldDescriptor], Any]] = {
    **dict.fromkeys(_RANGE, _Parser.parse_integer),
    FieldDescriptor.CPPTYPE_FLOAT: _Parser.parse_single,
    FieldDescriptor.CPPTYPE_DOUBLE: _Parser.parse_double,
    FieldDescriptor.CPPTYPE_BOOL: _Parser.parse_boolean,
    FieldDescriptor.CPPTYPE_ENUM: _Parser.parse_enum,
    FieldDescriptor.CPPTYPE_STRING: _Parser.parse_string,
}
