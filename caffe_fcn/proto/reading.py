"""Messages from files and into them: text or binary, told apart by the content.

Of a binary net (a ``.caffemodel`` is one) the weights are passed over, not loaded. Old formats are upgraded on the
way, as Caffe does.
"""

from __future__ import annotations

import math
import mmap
import os
import sys
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from caffe_fcn import files
from caffe_fcn.errors import FileError, PrototxtError
from caffe_fcn.proto import wire
from caffe_fcn.proto.schema import NetParameter, SolverParameter
from caffe_fcn.proto.text import UnknownField, parse
from caffe_fcn.proto.upgrade import upgrade as upgrade_message
from caffe_fcn.proto.upgrade import upgrade_net, upgrade_solver
from caffe_fcn.proto.wire import is_binary

PathLike = str | os.PathLike[str]

_TEXT_LIMIT = 64 << 20  # the largest prototxt in the wild is below 1 MB


def read_net(
    path: PathLike, allow_unknown: bool = False, notes: list[UnknownField] | None = None, upgrade: bool = True
) -> NetParameter:
    """The net in a prototxt or a binary file (without its weights); ``-`` is standard input.

    ``allow_unknown`` passes over fields that BVLC's schema does not have; ``notes`` takes them. A net of an
    older format comes in the current one, unless ``upgrade`` is false.
    Raises `PrototxtError` with file, line and column, `FileError`, or `NetError` from the upgrade.
    """
    net = read(path, NetParameter, allow_unknown, notes)
    if upgrade:
        upgrade_net(net)
    return net


def read_solver(
    path: PathLike, allow_unknown: bool = False, notes: list[UnknownField] | None = None, upgrade: bool = True
) -> SolverParameter:
    """The solver in a prototxt or a binary file; as `read_net`."""
    solver = read(path, SolverParameter, allow_unknown, notes)
    if upgrade:
        upgrade_solver(solver)
    return solver


def read_net_or_solver(
    path: PathLike, allow_unknown: bool = False, notes: list[UnknownField] | None = None, upgrade: bool = True
) -> NetParameter | SolverParameter:
    """Whichever of the two the file makes more sense as; as `read_net`."""
    source = _source(path)
    data = _content(path, NetParameter)
    kinds: tuple[Any, ...] = (NetParameter,) if is_binary(data) else (NetParameter, SolverParameter)
    kind = min(kinds, key=lambda kind: _unknown_fields(data, kind, source))
    message = _message(data, kind, source, allow_unknown, notes)
    if upgrade:
        upgrade_message(message)
    return message


def _unknown_fields(data: bytes, kind: Any, source: str) -> float:
    unknown: list[UnknownField] = []
    try:
        _message(data, kind, source, True, unknown)
    except PrototxtError:
        return math.inf
    return len(unknown)


def read(path: PathLike, kind: Any, allow_unknown: bool = False, notes: list[UnknownField] | None = None) -> Any:
    """A message of class ``kind`` from a text or binary file; as `read_net`."""
    return _message(_content(path, kind), kind, _source(path), allow_unknown, notes)


def _source(path: PathLike) -> str:
    return "<stdin>" if str(path) == "-" else str(path)


def _message(data: bytes, kind: Any, source: str, allow_unknown: bool, notes: list[UnknownField] | None) -> Any:
    target = kind()
    if is_binary(data):
        _parse_binary(data, target, source)
        return target
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PrototxtError(f"{source}:{line}", "is not UTF-8 text", "save it as UTF-8") from error
    unknown = parse(text, target, source, allow_unknown)
    if notes is not None:
        notes.extend(unknown)
    if not text.strip():
        raise PrototxtError(source, "is empty", f"a {kind.DESCRIPTOR.name} is expected here")
    return target


def to_text(message: Message) -> str:
    """A message as prototxt; floats in the shortest form that reads back to the same float32."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(message))


def write(message: Message, path: PathLike) -> None:
    """Write a message as prototxt, atomically; ``-`` is standard output."""
    if str(path) == "-":
        sys.stdout.write(to_text(message))
    else:
        files.write_text(path, to_text(message))


def _content(path: PathLike, kind: Any) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(_TEXT_LIMIT)
    with files.told(path), Path(path).open("rb") as file:
        head = file.read(4096)
        if is_binary(head) and kind is NetParameter:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return _without_weights(mapped, str(path))
        size = os.fstat(file.fileno()).st_size
        if size > _TEXT_LIMIT:
            raise FileError(path, f"has {size} bytes, too many for a prototxt", "name a prototxt")
        return head + file.read()


# Where nets keep weights: the message's fields that lead to blobs, and the number of `blobs` itself.
_LAYER_FIELDS = {
    100: 7,
    2: 6,
}  # NetParameter.layer -> LayerParameter.blobs, .layers -> V1LayerParameter.blobs
_V0_LAYER, _V0_BLOBS = 1, 50  # V1LayerParameter.layer -> V0LayerParameter.blobs


def _without_weights(data: wire.Buffer, source: str) -> bytes:
    try:
        out = bytearray()
        for field in wire.walk(data):
            if field.number in _LAYER_FIELDS and field.kind == wire.BYTES:
                blobs, v0 = _LAYER_FIELDS[field.number], _V0_LAYER if field.number == 2 else None
                out += _delimited(field.number, _stripped(data, field.begin, field.end, blobs, v0))
            else:
                out += data[field.start : field.end]
        return bytes(out)
    except wire.WireError as error:
        raise PrototxtError(f"{source}, byte {error.offset}", str(error), "the file is cut off or no net") from error


def _stripped(data: wire.Buffer, begin: int, end: int, blobs: int, v0: int | None = None) -> bytes:
    out = bytearray()
    for field in wire.walk(data, begin, end):
        if field.number == blobs:
            continue
        if field.number == v0 and field.kind == wire.BYTES:
            out += _delimited(field.number, _stripped(data, field.begin, field.end, _V0_BLOBS))
        else:
            out += data[field.start : field.end]
    return bytes(out)


def _delimited(number: int, value: bytes) -> bytes:
    return wire.key(number, wire.BYTES) + wire.encode_varint(len(value)) + value


def _parse_binary(data: bytes, target: Message, source: str) -> None:
    try:
        target.ParseFromString(data)
    except DecodeError as error:
        kind = target.DESCRIPTOR.name
        raise PrototxtError(source, f"is neither text nor a binary {kind}", "name a prototxt") from error
