"""The record of a run beside its snapshots, ``snapshot/train.json``: what trained what, and whether it has ended.

    {"engine": "torch 2.13.0", "gpu": "", "processes": null, "precision": "float32",
     "weights": [{"name": "start.caffemodel", "bytes": 1234}], "solver": "base_lr: 0.01 ...",
     "command": "caffe-fcn train solver.prototxt", "begun": "2026-11-26 06:00:00", "ended": null}

It is written when a training begins or resumes, and once more when it ends: ``ended`` is then the last iteration. A
training that is resumed compares it with what is asked for now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from caffe_fcn import files, strict_json
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.files import PathLike
from caffe_fcn.proto import SolverParameter, parse, to_text
from caffe_fcn.strict_json import list_of, object_of, optional, whole_number

_LENGTHS: tuple[Any, ...] = (  # names that mypy knows
    *("max_iter", "test_iter", "test_interval", "test_initialization", "test_compute_loss", "test_net", "test_state"),
    *("snapshot", "snapshot_prefix", "display", "average_loss", "debug_info", "solver_mode", "device_id"),
)
"""The fields of a solver that do not change what an iteration does to the weights."""

_BY_LENGTH = ("poly", "sigmoid")  # policies whose rates depend on the number of iterations
_MOST_BYTES = 1 << 24
_MOST = 10**18 - 1


@dataclass(frozen=True)
class RunRecord:
    """What a training was begun with; ``weights`` are the names and the sizes of the files that it started from."""

    engine: str
    solver: str
    weights: tuple[tuple[str, int], ...] = ()
    gpu: str = ""
    processes: int | None = None
    precision: str = "float32"
    command: str = ""
    begun: str = ""
    ended: int | None = None

    def write(self, prefix: Path) -> None:
        """Write the record beside the snapshots; raises `FileError`."""
        content = asdict(self) | {"weights": [{"name": name, "bytes": size} for name, size in self.weights]}
        files.write_text(_name_file(prefix), f"{json.dumps(content, indent=1)}\n")

    def end(self, iteration: int) -> RunRecord:
        """Return the record of the training that has ended after so many iterations."""
        return replace(self, ended=iteration)


def make_record(
    engine: str,
    solver: SolverParameter,
    weights: Sequence[PathLike],
    gpu: str = "",
    processes: int | None = None,
    precision: str = "float32",
    command: str = "",
) -> RunRecord:
    """Return the record of a training that begins now; raises `FileError` for weights that are not there."""
    begun = time.strftime("%Y-%m-%d %H:%M:%S")
    start = tuple(map(_identify, weights))
    return RunRecord(engine, to_text(solver), start, gpu, processes, precision, command, begun)


def read_record(prefix: Path) -> RunRecord | None:
    """Return the record beside the snapshots of ``prefix``; None where there is none.

    Raises `FileError` for a file that is something else.
    """
    path = _name_file(prefix)
    if not path.is_file():
        return None
    with files.naming_errors(path):
        if path.stat().st_size > _MOST_BYTES:
            raise FileError(path, "is too large for the record of a training", "remove it")
    try:
        content = strict_json.parse(files.read_bytes(path))
        _RECORD(content, "record")
        weights = tuple((each["name"], each["bytes"]) for each in content.pop("weights"))
        return RunRecord(**{name: content[name] for name in _FIELDS if name in content}, weights=weights)
    except ValueError as error:
        raise FileError(path, f"is not the record of a training: {error}", "remove it") from error


def list_differences(before: RunRecord, now: RunRecord) -> Iterator[str]:
    """Yield what a training is asked to do otherwise than so far, as far as it changes the weights."""
    for name in ("engine", "precision", "processes"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield f"{name} is {new}, and was {old}"
    yield from _compare_solvers(before.solver, now.solver)


def without_lengths(param: SolverParameter) -> SolverParameter:
    """Return a solver without the fields that only say how far a training goes and what it shows."""
    kept = SolverParameter()
    kept.CopyFrom(param)
    for name in _LENGTHS:
        kept.ClearField(name)
    if param.lr_policy in _BY_LENGTH:
        kept.max_iter = param.max_iter
    return kept


def _compare_solvers(before: str, now: str) -> Iterator[str]:
    try:
        old, new = (without_lengths(_parse(text)) for text in (before, now))
    except CaffeFcnError:
        return
    names = {field.name for message in (old, new) for field, _ in message.ListFields()}
    for name in sorted(names):
        values = [_format(message, name) for message in (new, old)]
        if values[0] != values[1]:
            yield f"{name} is {values[0]}, and was {values[1]}"


def _parse(text: str) -> SolverParameter:
    solver = SolverParameter()
    parse(text, solver, allow_unknown=True)
    return solver


def _format(message: Any, name: str) -> str:
    value = getattr(message, name)
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split()) or "not set"


def _identify(path: PathLike) -> tuple[str, int]:
    with files.naming_errors(path):
        return Path(path).name, Path(path).stat().st_size


def _name_file(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.json")


_FIELDS = {
    **dict.fromkeys(("engine", "solver", "gpu", "precision", "command", "begun"), strict_json.text),
    **dict.fromkeys(("processes", "ended"), optional(whole_number(0, _MOST))),
}
_WEIGHTS = object_of({"name": strict_json.text, "bytes": whole_number(0, _MOST)}, required=("name", "bytes"))
_RECORD = object_of({**_FIELDS, "weights": list_of(_WEIGHTS)}, required=("engine", "solver", "weights"))
