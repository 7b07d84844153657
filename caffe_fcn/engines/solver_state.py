"""Reads and writes solver states (``.solverstate``, ``.solverstate.h5``): with the weights, all that resuming needs.

Real Caffe and this engine read each other's files. Caffe stores the iteration, the name of the weights file, the step
of the learning rate, and the histories; when it resumes, the data start from the beginning. This engine adds a
`DataPosition`, which Caffe ignores. With it a resumed training continues exactly where it stopped.

Source: SnapshotSolverStateToBinaryProto and -ToHDF5 in src/caffe/solvers/sgd_solver.cpp.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caffe_fcn.errors import MissingExtraError, WeightsError
from caffe_fcn.files import atomic_write
from caffe_fcn.proto import wire
from caffe_fcn.proto.wire import BYTES, VARINT
from caffe_fcn.weights import Tensor as Handle
from caffe_fcn.weights import hdf5, signatures
from caffe_fcn.weights.blobs import encode_blob_head, read_blob
from caffe_fcn.weights.input_file import InputFile
from caffe_fcn.weights.output_file import OutputFile

_MOST_HISTORIES = 1 << 20
_LONGEST_TEXT = 1 << 16  # bytes of a file name, or of a position
MOST_LOSSES = 1000
"""The most losses that a position keeps; a mean over more begins anew."""

_END_OF_NUMBERS = 1 << 63  # of seeds, and of numbers of batches
_DAMAGED = "the file is cut off or damaged: name another snapshot"


@dataclass(frozen=True)
class DataPosition:
    """Where a training is in its data and random numbers: the seed, and how many batches each net has run.

    The training net is first, the test nets follow. Batches are counted over all processes. ``losses`` are the latest
    ones, of which the displayed loss is the mean. ``libraries`` multiply, as `engines.torch.products` names them; there
    are none in snapshots of earlier versions.
    """

    seed: int
    batches: tuple[int, ...]
    losses: tuple[float, ...] = ()
    libraries: str = ""

    def to_json(self) -> str:
        """The position as JSON; the file format calls numbers of batches ``passes``."""
        losses = {"losses": self.losses} if 0 < len(self.losses) <= MOST_LOSSES else {}
        libraries = {"libraries": self.libraries} if self.libraries else {}
        return json.dumps({"seed": self.seed, "passes": self.batches, **losses, **libraries})

    @classmethod
    def from_json(cls, text: str | bytes) -> DataPosition:
        """Read JSON; raises ValueError for anything that is not a position."""
        try:
            content = json.loads(text)
            losses = tuple(map(float, content.get("losses", ())))
            position = cls(content["seed"], tuple(content["passes"]), losses, str(content.get("libraries", "")))
        except (AttributeError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError("its position has no seed and passes") from error
        if not all(type(value) is int and 0 <= value < _END_OF_NUMBERS for value in (position.seed, *position.batches)):
            raise ValueError(f"seed and passes of its position are no numbers from 0 to {_END_OF_NUMBERS - 1}")
        if len(losses) > MOST_LOSSES or not all(map(math.isfinite, losses)):
            raise ValueError("losses of its position are too many, or no numbers")
        return position


@dataclass(frozen=True)
class SavedState:
    """The state of a training between two iterations. ``position`` is None if Caffe wrote the file."""

    iteration: int
    weights: str  # the path of the file, relative to the folder where the training runs
    step: int
    histories: Sequence[Handle]
    position: DataPosition | None = None


def write(path: Path, state: SavedState) -> None:
    """Write a solver state, as HDF5 where the name ends in ``.h5``; raises `FileError`."""
    with atomic_write(path, wait=False) as file:
        (_write_hdf5 if path.suffix == ".h5" else _write_binary)(file, state)


def read(path: str | os.PathLike[str]) -> SavedState:
    """The solver state in a file, its histories as handles; raises `WeightsError` for any other file."""
    file = InputFile(path)
    head = file.read(0, min(len(signatures.HDF5), len(file)))
    state = _read_hdf5(file) if head == signatures.HDF5 else _read_binary(file)
    if not 0 <= state.iteration < 1 << 31 or not 0 <= state.step < 1 << 31:
        raise WeightsError(path, f"tells of iteration {state.iteration}, step {state.step}", _DAMAGED)
    return state


# The binary form. Every Caffe ignores a field whose number is higher than those it knows.

_ITER, _LEARNED_NET, _HISTORY, _CURRENT_STEP, _POSITION = 1, 2, 3, 4, 1000


def _write_binary(file: Any, state: SavedState) -> None:
    output = OutputFile(file.fileno())
    _write_number(output, _ITER, state.iteration)
    _write_text(output, _LEARNED_NET, state.weights)
    for handle in state.histories:
        output.write(encode_blob_head(_HISTORY, handle))
        output.write_tensor(handle)
    _write_number(output, _CURRENT_STEP, state.step)
    if state.position is not None:
        _write_text(output, _POSITION, state.position.to_json())
    output.flush()


def _write_number(output: OutputFile, number: int, value: int) -> None:
    output.write(wire.encode_key(number, VARINT) + wire.encode_varint(value))


def _write_text(output: OutputFile, number: int, text: str) -> None:
    data = text.encode()
    output.write(wire.encode_key(number, BYTES) + wire.encode_varint(len(data)) + data)


def _read_binary(file: InputFile) -> SavedState:
    numbers = {_ITER: 0, _CURRENT_STEP: 0}
    texts = {_LEARNED_NET: b"", _POSITION: b""}
    histories: list[Handle] = []
    try:
        for field in wire.walk(file):
            if field.number in numbers and field.kind == VARINT:
                numbers[field.number] = field.value
            elif field.number in texts and field.kind == BYTES and field.end - field.begin < _LONGEST_TEXT:
                texts[field.number] = file.read(field.begin, field.end - field.begin)
            elif field.number == _HISTORY and field.kind == BYTES and len(histories) < _MOST_HISTORIES:
                histories.append(read_blob(file, field))
            elif field.number <= _CURRENT_STEP:
                raise wire.WireError(f"field {field.number} is not a solver state's", field.start)
        position = DataPosition.from_json(texts[_POSITION]) if texts[_POSITION] else None
        name = texts[_LEARNED_NET].decode()
        if "\0" in name:
            raise ValueError("the name of its weights has a zero byte")
    except ValueError as error:  # a WireError is one
        raise WeightsError(file.path, f"is not a solver state: {error}", _DAMAGED) from error
    if not len(file):
        raise WeightsError(file.path, "is empty", "name another snapshot")
    return SavedState(numbers[_ITER], name, numbers[_CURRENT_STEP], histories, position)


# The HDF5 form: data sets with the names of the fields, and a group of histories

_BROKEN = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError)
"""What h5py raises for damaged files, and what data sets of another kind or shape lead to."""


def _h5py(path: object) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"{path} (HDF5)", "hdf5") from error
    return h5py


def _write_hdf5(file: Any, state: SavedState) -> None:
    import numpy as np

    with _h5py(file.name).File(file, "w") as content:
        content["iter"] = np.array([state.iteration], np.int32)
        name = state.weights.encode()
        content["learned_net"] = np.array(name, f"S{len(name) + 1}")  # Caffe reads up to a zero byte
        content["current_step"] = np.array([state.step], np.int32)
        group = content.create_group("history")
        for number, handle in enumerate(state.histories):
            group[str(number)] = handle.load()
        if state.position is not None:
            content.attrs["caffe_fcn"] = state.position.to_json()


def _read_hdf5(file: InputFile) -> SavedState:
    try:
        with _h5py(file.path).File(file.path, "r") as content:
            group = hdf5.get_member(content, "history", str(file.path))
            places = [(str(number), f"{file.path}, history {number}") for number in range(len(group))]
            histories = [hdf5.open_tensor(file, hdf5.get_member(group, name, where), where) for name, where in places]
            iteration, step = (int(content[name][0]) for name in ("iter", "current_step"))
            if content["learned_net"].nbytes > _LONGEST_TEXT:
                raise ValueError("the name of its weights has no end")
            name = bytes(content["learned_net"][()]).rstrip(b"\0").decode()
            text = content.attrs.get("caffe_fcn")
            position = DataPosition.from_json(text) if text else None
    except _BROKEN as error:
        raise WeightsError(file.path, f"is not a solver state: {error}", _DAMAGED) from error
    return SavedState(iteration, name, step, histories, position)
