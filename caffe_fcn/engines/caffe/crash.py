"""Why Caffe died, as one line.

Caffe dies in the middle of a log: of a failed check (glog's ``F`` lines), of a C++ or Python exception,
or of a signal. What it was doing stands some lines above: the net it was setting up, the layer, the weights
it was reading, the iteration. Both together make an `EngineError` that quotes Caffe and says where.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from caffe_fcn.engines import log
from caffe_fcn.errors import EngineError, PrototxtError, nearest
from caffe_fcn.proto import NetParameter, parse


class Scene:
    """What Caffe's log tells of the moment of death.

        scene = Scene(Path.cwd())
        for line in log:
            scene.witness(line)
        raise scene.error(status, "solver.prototxt")

    ``folder`` is Caffe's working directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = ""  # the snapshot that the log told of last
        self._file = ""  # the net being set up, or the weights or solver state being read
        self._layer = ""
        self._iteration = ""
        self._complaint = ""  # the failed check, or the exception
        self._parse_error: re.Match[str] | None = None  # protobuf's, which goes before the failed check
        self._last = ""
        self._net: list[str] = []  # the prototxt that the log repeats
        self._block: Callable[[str], None] | None = None  # takes in the lines that follow one of glog's

    def witness(self, line: str) -> None:
        """Take in one line of the log."""
        severity, message = log.split(line.rstrip("\n"))
        if severity:
            self._block = None
            if severity == "F" and not self._complaint:
                self._complaint, self._block = message, self._hear_on
            for pattern, note in _WITNESSES:
                if match := pattern.match(message):
                    note(self, match[1])
        elif _STACK.match(message):
            self._block = None
            return
        elif error := _PARSE_ERROR.search(message):
            self._parse_error = error
        elif self._block:
            self._block(message)
        elif exception := _EXCEPTION.match(message):
            self._complaint = self._complaint or exception[1]
        self._last = message if message.strip() else self._last

    def error(self, status: int, where: object) -> EngineError:
        """The one line. ``status`` is negative for a signal; ``where`` serves while the log names no file."""
        complaint = self._complaint or _of_signal(status) or self._last or f"status {status} without a word"
        place = self._place(complaint, where)
        if error := self._parse_error:
            file = re.search(r"file: (.+)", complaint)
            place, complaint = f"{file[1] if file else where}:{error[1]}:{error[2]}", error[3]
        quote = re.sub(r" \(known types: .*\)", "", complaint).strip()
        return EngineError(place, f"Caffe stopped: {quote}", self._mend(complaint))

    def source(self) -> str:
        """The LMDB that the layer at hand names."""
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

    def _open(self, file: str) -> None:
        self._file, self._layer = file, ""

    def _repeat_net(self, _: str) -> None:
        self._net = []
        self._block = self._net.append

    def _enter_layer(self, name: str) -> None:
        self._layer = name

    def _iterate(self, number: str) -> None:
        self._iteration = number

    def _write(self, file: str) -> None:
        self.written = file

    def _hear_on(self, line: str) -> None:
        self._complaint += f": {line}"


# What the log tells of what Caffe is doing, and what that means for the place.
_WITNESSES: list[tuple[re.Pattern[str], Callable[[Scene, str], None]]] = [
    (re.compile(r"Creating (?:training|test) net .*file: (.+)"), Scene._open),
    (re.compile(r"(Initializing net from parameters)"), Scene._repeat_net),
    (re.compile(r"(?:Creating [Ll]ayer|Setting up) (.+)"), Scene._enter_layer),
    (re.compile(r"Network initialization done()"), Scene._enter_layer),
    (re.compile(r"(?:Finetuning|Resuming) from (.+)"), Scene._open),
    (re.compile(r"Starting Optimization()"), Scene._open),
    (re.compile(r"Iteration (\d+)"), Scene._iterate),
    (log.SNAPSHOT, Scene._write),
]
_STACK = re.compile(r"\*\*\*|    @|PC: @")
_PARSE_ERROR = re.compile(r"Error parsing text-format [\w.]+: (\d+):(\d+): (.+)")
_EXCEPTION = re.compile(
    r"((?:[a-z_]\w*\.)*(?:[A-Z]\w*)?(?:Error|Exception): .+|terminate called after throwing an instance of .+)"
)


def _of_signal(status: int) -> str:
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

Mend = str | Callable[[re.Match[str], Scene], str]


def _missing(match: re.Match[str], scene: Scene) -> str:
    return "check the path" if Path(match[1]).is_absolute() else f"check the path; Caffe looked in {scene.folder}"


def _missing_lmdb(match: re.Match[str], scene: Scene) -> str:
    source = scene.source()
    return f"there is no LMDB {source!r} in {scene.folder}" if source else "name a source in data_param"


def _nearest_of(names: Iterable[str]) -> Mend:
    return lambda match, scene: nearest(match[1], names) or f"one of {', '.join(names)}"


def _nearest_type(match: re.Match[str], scene: Scene) -> str:
    return nearest(match[1], match[2].split(", ")) or "this Caffe was built without it"


_FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")
_POLICIES = ("exp", "fixed", "inv", "multistep", "poly", "sigmoid", "step")

# What Caffe complains of, and how to mend it.
_MENDS: list[tuple[str, Mend]] = [
    (r"CPU-only Caffe", "leave --gpu out, or name a Caffe built for GPUs with --caffe"),
    (r"Unknown layer type: (\S+) \(known types: (.*)\)", _nearest_type),
    (r"has no field named", "correct the name, or use a Caffe that knows this field"),
    (r"Unknown bottom blob", "no layer before it makes this blob in this phase"),
    (r"Unknown filler name: (\S+)", _nearest_of(_FILLERS)),
    (r"Unknown learning rate policy: (\S+)", _nearest_of(_POLICIES)),
    (r"mdb_status == 0 \(2 vs\. 0\)", _missing_lmdb),
    (r"mdb_status == 0", "it is no LMDB, or a damaged one"),
    (r"(?:File not found: |Couldn't open |HDF5 file: |source file: |Could not load )(\S+)", _missing),
    (r"Cannot copy param", "give the layer another name to train it from scratch, or take weights that fit"),
    (r"Failed to parse NetParameter file: .+(?:model|state)$", "the file is cut off, or holds no weights"),
    (r"Incorrect length of history blobs", "name a whole .solverstate of this net"),
    (r"exceeds INT_MAX", "the blob is larger than Caffe can hold: take smaller images or batches"),
    (r"shape\[i\] >= 0 \(-", "the layer's window is larger than its input"),
    (r"No module named", "add the folder of the module to PYTHONPATH"),
    (r"error_already_set", "a Python layer raised an exception that this Caffe does not tell"),
    (r"out of memory|bad_alloc|it was killed", "most likely memory ran out: take smaller images or batches"),
    (r"segmentation fault", "a label outside 0..classes-1 that is not the ignore_label is the usual cause"),
    (r"bus error", "a file was cut short while it was read, or the disk is full"),
    (r"SerializeToOstream", "is the disk full?"),
    (r"file size limit", "see ulimit -f"),
]
