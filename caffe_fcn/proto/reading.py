"""Messages from files and into them: text or binary, told apart by the content.

Of a binary net (a ``.caffemodel`` is one) the weights are passed over, not loaded. Old formats are upgraded on the
way, as Caffe does.
"""

from __future__ import annotations

import codecs
import mmap
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, TypeAlias, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from caffe_fcn import files
from caffe_fcn.errors import FileError, PrototxtError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import checking, wire
from caffe_fcn.proto.schema import Message, NetParameter, SolverParameter
from caffe_fcn.proto.text import UnknownField, is_repeated, message_fields, parse, top_level_fields
from caffe_fcn.proto.upgrade import upgrade_message, upgrade_net, upgrade_solver
from caffe_fcn.proto.wire import is_binary

Kind = TypeVar("Kind", bound=Message)
NetOrSolver: TypeAlias = type[NetParameter] | type[SolverParameter]

_TEXT_LIMIT = 64 << 20  # the largest prototxt in the wild is below 1 MB
_BINARY_LIMIT = 2 << 30  # protobuf's own
_HEAD = 4096  # bytes that tell text from binary


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
    """Whichever of the two the file's fields belong to; as `read_net`."""
    found = _read(path, (NetParameter, SolverParameter), allow_unknown, notes)
    message = cast("NetParameter | SolverParameter", found)
    if upgrade:
        upgrade_message(message)
    return message


def read(
    path: PathLike, kind: type[Kind], allow_unknown: bool = False, notes: list[UnknownField] | None = None
) -> Kind:
    """A message of class ``kind`` from a text or binary file; as `read_net`."""
    return cast(Kind, _read(path, (kind,), allow_unknown, notes))


def _read(
    path: PathLike, kinds: tuple[type[Message], ...], allow_unknown: bool, notes: list[UnknownField] | None
) -> Message:
    """A message of whichever of ``kinds`` the content is."""
    source = "<stdin>" if str(path) == "-" else str(path)
    with files.naming_errors(source), _open(path) as file:
        head = file.read(_HEAD)
        _refuse_marks(head, source)
        if is_binary(head):
            with _map_file(file, head, source) as data:
                return _from_binary(data, kinds, source)
        content = head + file.read(_TEXT_LIMIT + 1 - len(head))
    if len(content) > _TEXT_LIMIT:
        raise FileError(source, f"has more than {_TEXT_LIMIT} bytes, too many for a prototxt", "name a prototxt")
    return _from_text(_decode(content, source), kinds, source, allow_unknown, notes)


def _open(path: PathLike) -> AbstractContextManager[IO[bytes]]:
    if str(path) != "-":
        return Path(path).open("rb")
    if sys.stdin is None:
        raise FileError("<stdin>", "is closed", "name a file")
    return nullcontext(sys.stdin.buffer)


def _refuse_marks(head: bytes, source: str) -> None:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            what = f"starts with a byte order mark of {encoding}, which Caffe does not read"
            raise PrototxtError(source, what, "save it as UTF-8 without the mark")


_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PrototxtError(f"{source}:{line}", "is not UTF-8 text", "save it as UTF-8") from error


def _from_text(
    text: str, kinds: tuple[type[Message], ...], source: str, allow_unknown: bool, notes: list[UnknownField] | None
) -> Message:
    kind = kinds[0] if len(kinds) == 1 else _kind_of_text(text) or NetParameter
    if not text.strip():
        raise PrototxtError(source, "is empty", f"a {kind.DESCRIPTOR.name} is expected here")
    message = kind()
    try:
        unknown = parse(text, message, source, allow_unknown)
    except PrototxtError:
        _refuse_the_other_kind(_kind_of_text(text), kind, source, text)
        raise
    if unknown:
        _refuse_the_other_kind(_kind_of_text(text), kind, source, text)
        if not message.ByteSize():
            raise PrototxtError(source, f"has nothing that a {kind.DESCRIPTOR.name} has", str(unknown[0]))
    if notes is not None:
        notes.extend(unknown)
    return message


# What a file is follows from the fields at its top, by name or by number, whether all of it parses or not. Nets and
# solvers share the name `debug_info`, and some numbers.


def _kind_of_text(text: str) -> NetOrSolver | None:
    """`NetParameter`, `SolverParameter`, or None where the text says neither."""
    names = set(top_level_fields(text))
    if names & {"layer", "layers"}:
        return NetParameter
    return _likelier(*(len(names & message_fields(kind.DESCRIPTOR).keys()) for kind in (NetParameter, SolverParameter)))


def _kind_of_binary(data: wire.Buffer) -> NetOrSolver | None:
    """As `_kind_of_text`."""
    found = set()
    try:
        for field in wire.walk(data):
            if (field.number, field.kind) == (_LAYER, wire.BYTES):
                return NetParameter
            if field.number < _LAYER:  # no number of a net or solver is higher
                found.add((field.number, field.kind))
    except wire.WireError:
        pass  # whoever parses the message says what is wrong with it
    return _likelier(*(len(found & _wire_fields(kind)) for kind in (NetParameter, SolverParameter)))


def _likelier(of_net: int, of_solver: int) -> NetOrSolver | None:
    if of_net == of_solver:
        return None
    return NetParameter if of_net > of_solver else SolverParameter


def _wire_fields(kind: NetOrSolver) -> set[tuple[int, int]]:
    return {(field.number, _WIRE_KINDS.get(field.cpp_type, wire.VARINT)) for field in kind.DESCRIPTOR.fields}


_WIRE_KINDS = {
    FieldDescriptor.CPPTYPE_FLOAT: wire.FIXED32,
    FieldDescriptor.CPPTYPE_DOUBLE: wire.FIXED64,
    FieldDescriptor.CPPTYPE_STRING: wire.BYTES,
    FieldDescriptor.CPPTYPE_MESSAGE: wire.BYTES,
}


def _refuse_the_other_kind(
    found: NetOrSolver | None, wanted: type[Message], source: str, content: str | mmap.mmap
) -> None:
    """Raise `PrototxtError` for a solver where a net is wanted, and for a net where a solver is."""
    if found is SolverParameter and wanted is NetParameter:
        raise PrototxtError(source, "is a solver, not a net", _nets_of_solver(content))
    if found is NetParameter and wanted is SolverParameter:
        raise PrototxtError(source, "is a net, not a solver", "name the solver that trains it")


def _nets_of_solver(content: str | mmap.mmap) -> str:
    solver = SolverParameter()
    with suppress(PrototxtError, DecodeError):  # what stands before the mistake is in the message
        if isinstance(content, str):
            parse(content, solver, allow_unknown=True)
        else:
            solver.ParseFromString(content[:_TEXT_LIMIT])
    # a name may be bytes, where it is not UTF-8, or hold line breaks
    names = [str(name) for name in (solver.net, solver.train_net, *solver.test_net) if str(name).isprintable()]
    nets = ", ".join(dict.fromkeys(filter(None, names)))
    return f"name its net: {nets}" if 0 < len(nets) < _LONGEST_NAMES else "name its net"


_LONGEST_NAMES = 500  # characters that a line of an error spends on them


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


@contextmanager
def _map_file(file: IO[bytes], head: bytes, source: str) -> Iterator[mmap.mmap]:
    """The whole file as memory that the system reads in when it is looked at; what is no regular file is copied."""
    with ExitStack() as stack:
        if source == "<stdin>" or not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            import tempfile  # of use seldom, and it brings random with it

            copy = stack.enter_context(tempfile.TemporaryFile())
            size = copy.write(head)
            while chunk := file.read(1 << 20):
                size += copy.write(chunk)
                if size > _BINARY_LIMIT:
                    raise FileError(source, f"has more than {_BINARY_LIMIT} bytes", "protobuf reads no more")
            copy.flush()
            file = copy
        yield stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _from_binary(data: mmap.mmap, kinds: tuple[type[Message], ...], source: str) -> Message:
    found = _kind_of_binary(data)
    kind = kinds[0] if len(kinds) == 1 else found or NetParameter
    _refuse_the_other_kind(found, kind, source, data)
    if kind is not NetParameter and len(data) > _TEXT_LIMIT:
        raise FileError(source, f"has {len(data)} bytes, too many for a {kind.DESCRIPTOR.name}", "name a prototxt")
    try:
        content = _without_weights(data) if kind is NetParameter else data[:]
        message = kind.FromString(content)
        _check_strings(content, kind.DESCRIPTOR, source)
    except wire.WireError as error:
        mend = "the file is cut off or no net"
        raise PrototxtError(f"{source}, byte {error.offset}", str(error), mend) from error
    except DecodeError as error:
        raise PrototxtError(
            source, f"is neither text nor a binary {kind.DESCRIPTOR.name}", "name a prototxt"
        ) from error
    return message


def _check_strings(
    data: wire.Buffer, descriptor: Descriptor, source: str, begin: int = 0, end: int | None = None, path: str = ""
) -> None:
    """Raise `PrototxtError` for a string that is not UTF-8: C++ carries such, prototxts and Python's `str` do not."""
    counts: Counter[int] = Counter()
    for field in wire.walk(data, begin, end):
        known = descriptor.fields_by_number.get(field.number)
        if known is None or field.kind != wire.BYTES:
            continue
        place = f"{path}{known.name}[{counts[field.number]}]" if is_repeated(known) else f"{path}{known.name}"
        counts[field.number] += 1
        if known.message_type is not None:
            _check_strings(data, known.message_type, source, field.begin, field.end, f"{place}.")
        elif known.type == FieldDescriptor.TYPE_STRING:
            try:
                bytes(data[field.begin : field.end]).decode()
            except UnicodeDecodeError as error:
                raise PrototxtError(
                    f"{source}, {place}", "is not UTF-8 text", "rename it in the program that wrote it"
                ) from error


_MOST_FIELDS = 100_000  # of a net or layer; each empty message takes hundreds of times its three bytes

# Where nets keep weights: the message's fields that lead to blobs, and the number of `blobs` itself.
_LAYER = 100
_LAYER_FIELDS = {
    _LAYER: 7,
    2: 6,
}  # NetParameter.layer -> LayerParameter.blobs, .layers -> V1LayerParameter.blobs
_V0_LAYER, _V0_BLOBS = 1, 50  # V1LayerParameter.layer -> V0LayerParameter.blobs


def _without_weights(data: wire.Buffer) -> bytes:
    out = bytearray()
    for count, field in enumerate(wire.walk(data)):
        if count == _MOST_FIELDS:
            raise wire.WireError(f"has more than {_MOST_FIELDS} layers", field.start)
        if field.number in _LAYER_FIELDS and field.kind == wire.BYTES:
            blobs, v0 = _LAYER_FIELDS[field.number], _V0_LAYER if field.number == 2 else None
            out += _delimited(field.number, _stripped(data, field.begin, field.end, blobs, v0))
        else:
            out += data[field.start : field.end]
    return bytes(out)


def _stripped(data: wire.Buffer, begin: int, end: int, blobs: int, v0: int | None = None) -> bytes:
    out = bytearray()
    for count, field in enumerate(wire.walk(data, begin, end)):
        if count == _MOST_FIELDS:
            raise wire.WireError(f"a layer has more than {_MOST_FIELDS} fields", field.start)
        if field.number == blobs:
            if field.kind == wire.BYTES:
                checking.check(data, "BlobProto", field.begin, field.end)
            continue
        if field.number == v0 and field.kind == wire.BYTES:
            out += _delimited(field.number, _stripped(data, field.begin, field.end, _V0_BLOBS))
        else:
            out += data[field.start : field.end]
    return bytes(out)


def _delimited(number: int, value: bytes) -> bytes:
    return wire.encode_key(number, wire.BYTES) + wire.encode_varint(len(value)) + value
