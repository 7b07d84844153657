"""Reading messages from files of text or binary, which the content tells apart, and writing them.

The weights of a binary net (a ``.caffemodel`` is one) are skipped, not loaded. Old formats are upgraded on the way,
as Caffe does.
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
from typing import IO, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from caffe_fcn import files
from caffe_fcn.errors import FileError, PrototxtError, nearest
from caffe_fcn.files import PathLike
from caffe_fcn.proto import wire
from caffe_fcn.proto.kept_fields import NAME as KEPT
from caffe_fcn.proto.kinds import NetOrSolver, find_kind_of_binary, find_kind_of_text
from caffe_fcn.proto.numbered_fields import keep_numbered
from caffe_fcn.proto.schema import Message, NetParameter, SolverParameter
from caffe_fcn.proto.stripping import strip_blobs
from caffe_fcn.proto.text import UnknownField, is_repeated, parse, to_text
from caffe_fcn.proto.upgrade import upgrade_message, upgrade_net, upgrade_solver
from caffe_fcn.proto.wire import is_binary

Kind = TypeVar("Kind", bound=Message)

_TEXT_LIMIT = 64 << 20  # the largest prototxt in the wild is below 1 MB
_BINARY_LIMIT = 2 << 30  # protobuf's own
_HEAD = 4096  # bytes that tell text from binary


def read_net(
    path: PathLike,
    allow_unknown: bool = False,
    notes: list[UnknownField] | None = None,
    upgrade: bool = True,
    dialect: str = "",
    recognized: list[str] | None = None,
) -> NetParameter:
    """The net in a prototxt or a binary file (without its weights); ``-`` is standard input.

    >>> from pathlib import Path
    >>> _ = Path("net.prototxt").write_text('layer { name: "data" type: "Input" top: "data" }')
    >>> read_net("net.prototxt").layer[0].type
    'Input'

    ``allow_unknown`` keeps fields that no known Caffe has, as their text, and adds them to ``notes``. A net of an older
    format is upgraded to the current one, unless ``upgrade`` is false. ``dialect`` is the fork of Caffe that wrote a
    binary net (see `dialects.table.FORKS`); without it the fork is recognized from what the net holds, if need be, and
    added to ``recognized``: several, none of which is followed, where they would read the net differently, and "bvlc"
    first where its reading is followed although some of the others give a number another meaning.
    Raises `PrototxtError` with file, line and column, `FileError`, or `NetError` from the upgrade.
    """
    net = cast(NetParameter, _read(path, (NetParameter,), allow_unknown, notes, dialect, recognized))
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
    path: PathLike,
    allow_unknown: bool = False,
    notes: list[UnknownField] | None = None,
    upgrade: bool = True,
    dialect: str = "",
    recognized: list[str] | None = None,
) -> NetParameter | SolverParameter:
    """The net or the solver in a file, whichever the file's fields belong to; as `read_net`."""
    found = _read(path, (NetParameter, SolverParameter), allow_unknown, notes, dialect, recognized)
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
    path: PathLike,
    kinds: tuple[type[Message], ...],
    allow_unknown: bool,
    notes: list[UnknownField] | None,
    dialect: str = "",
    recognized: list[str] | None = None,
) -> Message:
    """A message of whichever of ``kinds`` the content is."""
    if dialect:
        _require_dialect(dialect)
    source = "<stdin>" if str(path) == "-" else str(path)
    with files.naming_errors(source), _open(path) as file:
        head = file.read(_HEAD)
        _refuse_marks(head, source)
        if is_binary(head):
            with _map_file(file, head, source) as data:
                return _parse_binary(data, kinds, source, dialect, [] if recognized is None else recognized)
        content = head + file.read(_TEXT_LIMIT + 1 - len(head))
    if len(content) > _TEXT_LIMIT:
        raise FileError(source, f"has more than {_TEXT_LIMIT} bytes, too many for a prototxt", "name a prototxt")
    return _parse_text(_decode(content, source), kinds, source, allow_unknown, notes)


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


def _parse_text(
    text: str, kinds: tuple[type[Message], ...], source: str, allow_unknown: bool, notes: list[UnknownField] | None
) -> Message:
    kind = kinds[0] if len(kinds) == 1 else find_kind_of_text(text) or NetParameter
    if not text.strip():
        raise PrototxtError(source, "is empty", f"a {kind.DESCRIPTOR.name} is expected here")
    message = kind()
    try:
        unknown = parse(text, message, source, allow_unknown)
    except PrototxtError:
        _refuse_the_other_kind(find_kind_of_text(text), kind, source, text)
        raise
    if unknown:
        _refuse_the_other_kind(find_kind_of_text(text), kind, source, text)
        if all(field.name == KEPT for field, _ in message.ListFields()):
            raise PrototxtError(source, f"has nothing that a {kind.DESCRIPTOR.name} has", str(unknown[0]))
    if notes is not None:
        notes.extend(unknown)
    return message


def _refuse_the_other_kind(
    found: NetOrSolver | None, wanted: type[Message], source: str, content: str | mmap.mmap
) -> None:
    """Raise `PrototxtError` for a solver where a net is wanted, and for a net where a solver is."""
    if found is SolverParameter and wanted is NetParameter:
        raise PrototxtError(source, "is a solver, not a net", _name_nets(content))
    if found is NetParameter and wanted is SolverParameter:
        raise PrototxtError(source, "is a net, not a solver", "name the solver that trains it")


def _name_nets(content: str | mmap.mmap) -> str:
    solver = SolverParameter()
    with suppress(PrototxtError, DecodeError):  # the message then has what stands before the mistake
        if isinstance(content, str):
            parse(content, solver, allow_unknown=True)
        else:
            solver.ParseFromString(content[:_TEXT_LIMIT])
    # a name may be bytes, where it is not UTF-8, or hold line breaks
    names = [str(name) for name in (solver.net, solver.train_net, *solver.test_net) if str(name).isprintable()]
    nets = ", ".join(dict.fromkeys(filter(None, names)))
    return f"name its net: {nets}" if 0 < len(nets) < _LONGEST_NAMES else "name its net"


_LONGEST_NAMES = 500  # characters of names that an error shows


def write(message: Message, path: PathLike) -> None:
    """Write a message as prototxt, atomically; ``-`` is standard output."""
    if str(path) == "-":
        sys.stdout.write(to_text(message))
    else:
        files.write_text(path, to_text(message))


@contextmanager
def _map_file(file: IO[bytes], head: bytes, source: str) -> Iterator[mmap.mmap]:
    """The whole file, mapped into memory; a file that is not a regular one is copied into one first."""
    with ExitStack() as stack:
        if source == "<stdin>" or not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            import tempfile  # seldom needed, and it imports random

            copy = stack.enter_context(tempfile.TemporaryFile())
            size = copy.write(head)
            while chunk := file.read(1 << 20):
                size += copy.write(chunk)
                if size > _BINARY_LIMIT:
                    raise FileError(source, f"has more than {_BINARY_LIMIT} bytes", "protobuf reads no more")
            copy.flush()
            file = copy
        yield stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _parse_binary(
    data: mmap.mmap, kinds: tuple[type[Message], ...], source: str, dialect: str, recognized: list[str]
) -> Message:
    found = find_kind_of_binary(data)
    kind = kinds[0] if len(kinds) == 1 else found or NetParameter
    _refuse_the_other_kind(found, kind, source, data)
    if kind is not NetParameter and len(data) > _TEXT_LIMIT:
        raise FileError(source, f"has {len(data)} bytes, too many for a {kind.DESCRIPTOR.name}", "name a prototxt")
    try:
        content = strip_blobs(data) if kind is NetParameter else data[:]
        if kind is NetParameter:
            content = _translate(content, source, dialect, recognized)
        message = kind.FromString(content)
        _check_strings(content, kind.DESCRIPTOR, source)
        keep_numbered(message, content)
    except wire.WireError as error:
        mend = "the file is cut off or no net"
        raise PrototxtError(f"{source}, byte {error.offset}", str(error), mend) from error
    except DecodeError as error:
        raise PrototxtError(
            source, f"is neither text nor a binary {kind.DESCRIPTOR.name}", "name a prototxt"
        ) from error
    return message


def _require_dialect(dialect: str) -> None:
    """Raise `PrototxtError` for the name of a fork that does not exist."""
    from caffe_fcn.proto.dialects.table import ALIASES, FORKS

    if dialect not in {*FORKS, *ALIASES, "bvlc"}:
        mend = nearest(dialect, [*FORKS, *ALIASES]) or f"one of {', '.join(FORKS)}"
        raise PrototxtError("`dialect`", f"no fork of Caffe is known as {dialect!r}", mend)


def _translate(net: bytes, source: str, dialect: str, recognized: list[str]) -> bytes:
    """A serialized net in our numbers: of the fork ``dialect``, or of that which it can only come from."""
    # a text does without these
    from caffe_fcn.proto.dialects.numbering import to_ours
    from caffe_fcn.proto.dialects.recognition import recognize

    if dialect == "bvlc":
        return net
    forks, agree = ((dialect,), True) if dialect else recognize(net, NetParameter.DESCRIPTOR)
    if not dialect:
        recognized += forks[:1] if agree else forks
    return to_ours(net, NetParameter.DESCRIPTOR, forks[0]) if forks and agree else net


def _check_strings(
    data: wire.Buffer, descriptor: Descriptor, source: str, begin: int = 0, end: int | None = None, path: str = ""
) -> None:
    """Raise `PrototxtError` for a string that is not UTF-8: C++ accepts it, prototxts and `str` do not."""
    counts: Counter[int] = Counter()
    for field in wire.walk(data, begin, end):
        known = descriptor.fields_by_number.get(field.number)
        if known is None or field.kind != wire.BYTES:
            continue
        field_path = f"{path}{known.name}[{counts[field.number]}]" if is_repeated(known) else f"{path}{known.name}"
        counts[field.number] += 1
        if known.message_type is not None:
            _check_strings(data, known.message_type, source, field.begin, field.end, f"{field_path}.")
        elif known.type == FieldDescriptor.TYPE_STRING:
            try:
                bytes(data[field.begin : field.end]).decode()
            except UnicodeDecodeError as error:
                raise PrototxtError(
                    f"{source}, {field_path}", "is not UTF-8 text", "rename it in the program that wrote it"
                ) from error
