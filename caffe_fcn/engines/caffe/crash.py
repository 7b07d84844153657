"""Why Caffe died, as one line.

Caffe dies in the middle of a log: of a failed check (glog's ``F`` lines), of a C++ or Python exception, or of a
signal. Some lines above, the log says what Caffe was doing: which net it was setting up, which layer, which weights
it was reading, which iteration it was in. Both together make an `EngineError` that quotes Caffe and says where.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from caffe_fcn.engines import log
from caffe_fcn.errors import CaffeFcnError, EngineError, PrototxtError, nearest
from caffe_fcn.proto import LayerParameter, NetParameter, parse, read_net
from caffe_fcn.proto.dialects.foreign import find_foreign_fields
from caffe_fcn.proto.dialects.table import is_forks_type, is_known
from caffe_fcn.proto.solver_facts import POLICY_FIGURES


class CrashReporter:
    """Follows Caffe's log and, when Caffe has died, explains why.

        reporter = CrashReporter(Path.cwd())
        for line in log:
            reporter.read_line(line)
        raise reporter.explain(status, "solver.prototxt")

    ``folder`` is Caffe's working directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last_snapshot = ""  # the file that the log named last
        self.owner_type = ""  # of the layer that has a field of forks, which Caffe does not know
        self._file = ""  # the net being set up, or the weights or solver state being read
        self._layer = ""
        self._iteration = ""
        self._complaint = ""  # the failed check, or the exception
        self._parse_error: re.Match[str] | None = None  # protobuf's, which comes before the failed check
        self._last_line = ""
        self._net: list[str] = []  # the lines of the prototxt that the log repeats
        self._on_plain_line: Callable[[str], None] | None = None  # takes the lines that continue one of glog's

    def read_line(self, line: str) -> None:
        """Take note of one line of the log."""
        severity, message = log.parse_line(line.rstrip("\n"))
        if severity:
            self._on_plain_line = None
            if severity == "F" and not self._complaint:
                self._complaint, self._on_plain_line = message, self._extend_complaint
            for pattern, note in _CONTEXT:
                if match := pattern.match(message):
                    note(self, match[1])
        elif _STACK.match(message):
            self._on_plain_line = None
            return
        elif error := _PARSE_ERROR.search(message):
            self._parse_error = error
        elif self._on_plain_line:
            self._on_plain_line(message)
        elif exception := _EXCEPTION.match(message):
            self._complaint = self._complaint or exception[1]
        self._last_line = message if message.strip() else self._last_line

    def explain(self, status: int, where: object) -> EngineError:
        """Make the one line. ``status`` is negative for a signal; ``where`` is named if the log names no file."""
        complaint = self._complaint or _name_signal(status) or self._last_line or f"status {status} without a word"
        place = self._place(complaint, where)
        if error := self._parse_error:
            file = re.search(r"file: (.+)", complaint)
            path = file[1] if file else str(where)
            place, complaint = f"{path}:{error[1]}:{error[2]}", error[3]
            if layer := _find_owner(path, complaint):
                self.owner_type = layer.type
                place += f", layer '{layer.name}' ({layer.type})"
        quote = re.sub(r" \(known types: .*\)", "", complaint).strip()
        return EngineError(place, f"Caffe stopped: {quote}", self._mend(complaint))

    def find_source(self) -> str:
        """Return the LMDB that the layer being set up names, or ""."""
        net = NetParameter()
        with suppress(PrototxtError):
            parse("\n".join(self._net), net, allow_unknown=True)
        return next((str(layer.data_param.source) for layer in net.layer if layer.name == self._layer), "")

    def _place(self, complaint: str, where: object) -> str:
        named = re.search(r"layer '([^']+)'", complaint)
        layer = named[1] if named else self._layer
        iteration = f"iteration {self._iteration}" if self._iteration else ""
        return ", ".join(filter(None, (self._file or str(where), f"layer {layer!r}" if layer else "", iteration)))

    def _mend(self, complaint: str) -> str:
        for pattern, mend in _MENDS:
            if match := re.search(pattern, complaint):
                return mend if isinstance(mend, str) else mend(match, self)
        return ""

    def _enter_file(self, file: str) -> None:
        self._file, self._layer = file, ""

    def _begin_net(self, _: str) -> None:
        self._net = []
        self._on_plain_line = self._net.append

    def _enter_layer(self, name: str) -> None:
        self._layer = name

    def _enter_iteration(self, number: str) -> None:
        self._iteration = number

    def _note_snapshot(self, file: str) -> None:
        self.last_snapshot = file

    def _extend_complaint(self, line: str) -> None:
        self._complaint += f": {line}"


# Messages that say what Caffe is doing, and what each changes in the context. An empty group leaves a file or a layer.
_CONTEXT: list[tuple[re.Pattern[str], Callable[[CrashReporter, str], None]]] = [
    (re.compile(r"Creating (?:training|test) net .*file: (.+)"), CrashReporter._enter_file),
    (re.compile(r"(Initializing net from parameters)"), CrashReporter._begin_net),
    (re.compile(r"(?:Creating [Ll]ayer|Setting up) (.+)"), CrashReporter._enter_layer),
    (re.compile(r"Network initialization done()"), CrashReporter._enter_layer),
    (re.compile(r"(?:Finetuning|Resuming) from (.+)"), CrashReporter._enter_file),
    (re.compile(r"Starting Optimization()"), CrashReporter._enter_file),
    (re.compile(r"Iteration (\d+)"), CrashReporter._enter_iteration),
    (log.SNAPSHOT, CrashReporter._note_snapshot),
]
_STACK = re.compile(r"\*\*\*|    @|PC: @")
_PARSE_ERROR = re.compile(r"Error parsing text-format [\w.]+: (\d+):(\d+): (.+)")
_EXCEPTION = re.compile(
    r"((?:[a-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception): .+|terminate called after throwing an instance of .+)"
)


def _name_signal(status: int) -> str:
    number = -status if status < 0 else status - 128  # a shell in between adds 128
    return _SIGNALS.get(number, "")


_SIGNALS: dict[int, str] = {
    signal.SIGKILL: "it was killed",
    signal.SIGTERM: "it was terminated",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGBUS: "bus error",
    signal.SIGXFSZ: "file size limit exceeded",
    signal.SIGILL: "illegal instruction",
    signal.SIGFPE: "division by zero",
}

Mend = str | Callable[[re.Match[str], CrashReporter], str]
"""How to mend what Caffe complains of: the text, or what makes it of the complaint and its context."""


def _mend_missing_file(match: re.Match[str], context: CrashReporter) -> str:
    return "check the path" if Path(match[1]).is_absolute() else f"check the path; Caffe looked in {context.folder}"


def _mend_missing_lmdb(match: re.Match[str], context: CrashReporter) -> str:
    source = context.find_source()
    return f"there is no LMDB {source!r} in {context.folder}" if source else "name a source in data_param"


def _suggest_one_of(names: Iterable[str]) -> Mend:
    return lambda match, context: nearest(match[1], names) or f"one of {', '.join(names)}"


def _suggest_type(match: re.Match[str], context: CrashReporter) -> str:
    if is_forks_type(match[1]):
        return _mend_foreign(match[1])
    return nearest(match[1], match[2].split(", ")) or "this Caffe was built without it"


def _mend_field(match: re.Match[str], context: CrashReporter) -> str:
    if context.owner_type:
        return _mend_foreign(context.owner_type)
    return "correct the name, or use a Caffe that knows this field"


def _mend_foreign(layer_type: str) -> str:
    """How to run what only forks of Caffe have."""
    from caffe_fcn.netspec.to_bvlc import CONVERTED_TYPES  # needed where Caffe died; every run imports this module

    upgrade = "caffe-fcn net upgrade --to bvlc writes it for this Caffe; or " if layer_type in CONVERTED_TYPES else ""
    return f"{upgrade}take `engine` torch, or the fork that has it"


def _find_owner(path: str, complaint: str) -> LayerParameter | None:
    """The first layer of a net's file with the field, known from forks, of which Caffe says that it has no such."""
    said = re.search(r'Message type "caffe\.(\w+)" has no field named "(\w+)"', complaint)
    if said is None or not is_known(said[1], said[2]):
        return None
    with suppress(CaffeFcnError):
        net = read_net(path, allow_unknown=True)
        return next((layer for layer in net.layer if (said[1], said[2]) in find_foreign_fields(layer)), None)
    return None


_FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")

# What Caffe complains of, and how to mend it; the first pattern that is found counts.
_MENDS: list[tuple[str, Mend]] = [
    (r"CPU-only Caffe", "leave `gpu` out, or name a Caffe built for GPUs with `caffe`"),
    (r"Unknown layer type: (\S+) \(known types: (.*)\)", _suggest_type),
    (r"has no field named", _mend_field),
    (r"Unknown bottom blob", "no layer before it makes this blob in this phase"),
    (r"Unknown filler name: (\S+)", _suggest_one_of(_FILLERS)),
    (r"Unknown learning rate policy: (\S+)", _suggest_one_of(sorted(POLICY_FIGURES))),
    (r"mdb_status == 0 \(2 vs\. 0\)", _mend_missing_lmdb),
    (r"mdb_status == 0", "it is no LMDB, or a damaged one"),
    (r"(?:File not found: |Couldn't open |HDF5 file: |source file: |Could not load )(\S+)", _mend_missing_file),
    (r"Cannot copy param", "give the layer another name to train it from scratch, or take weights that fit"),
    (r"Failed to parse NetParameter file: .+(?:model|state)$", "the file is cut off, or holds no weights"),
    (r"Incorrect length of history blobs", "name a whole .solverstate of this net"),
    (r"exceeds INT_MAX", "the blob is larger than Caffe can hold: take smaller images or batches"),
    (r"shape\[i\] >= 0 \(-", "the layer's window is larger than its input"),
    (r"No module named", "add the folder of the module to PYTHONPATH"),
    (r"error_already_set", "a Python layer raised an exception that this Caffe does not show"),
    (r"out of memory|bad_alloc|it was killed", "most likely memory ran out: take smaller images or batches"),
    (r"segmentation fault", "a label outside 0..classes-1 that is not the ignore_label is the usual cause"),
    (r"bus error", "a file was cut short while it was read, or the disk is full"),
    (r"SerializeToOstream", "is the disk full?"),
    (r"file size limit", "see ulimit -f"),
]
