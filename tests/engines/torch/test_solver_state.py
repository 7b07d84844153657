"""Files that are no solver states, or damaged ones, are one line: they come from broken disks and from strangers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import decay
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_fcn.errors import CaffeFcnError, WeightsError
from caffe_fcn.proto import message
from caffe_fcn.proto.wire import BYTES, encode_key, encode_varint

pytest.importorskip("torch", reason="the torch engine needs the extra 'torch'")
h5py = pytest.importorskip("h5py", reason="needs the extra 'hdf5'")

from caffe_fcn.engines import solver_state  # noqa: E402 - needs torch
from caffe_fcn.engines.solver_state import DataPosition  # noqa: E402

POSITIONS = {
    "brackets": b"[" * 60_000,
    "braces": b'{"a":' * 12_000,
    "a seed of 5000 digits": b'{"seed": ' + b"9" * 5000 + b', "passes": [1]}',
    "a seed beyond 64 bits": b'{"seed": 18446744073709551616, "passes": [1]}',
    "passes that are a number": b'{"seed": 1, "passes": 5}',
    "passes that are text": b'{"seed": 1, "passes": "ab"}',
    "passes below zero": b'{"seed": 1, "passes": [-1]}',
    "null": b"null",
    "no UTF-8": b"\xff\xfe\x00",
}


def whole(position: bytes = b'{"seed": 7, "passes": [3, 1]}') -> bytes:
    """A state as Caffe writes it, by protobuf, and where the data are."""
    made = message("SolverState")(iter=3, learned_net="w.caffemodel", current_step=1)
    made.history.add(data=[1, 2, 3]).shape.dim.extend([1, 3])
    return made.SerializeToString() + encode_key(1000, BYTES) + encode_varint(len(position)) + position


def whole_hdf5(**other: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        made = {"iter": np.array([3]), "current_step": np.array([1]), "learned_net": np.array(b"w.caffemodel.h5")}
        for name, value in {**made, **other}.items():
            if isinstance(value, tuple):  # a shape of which nothing is stored
                content.create_dataset(name, value, "f4", chunks=(1 << 10,))
            elif value is None:
                content.create_group(name)
            else:
                content[name] = value
        content.create_group("history")["0"] = np.ones((1, 3), np.float32)
        content.attrs["caffe_fcn"] = '{"seed": 7, "passes": [3, 1]}'
    return file.getvalue()


def test_states_that_protobuf_and_h5py_write_are_read(tmp_path: Path) -> None:
    for data in (whole(), whole_hdf5()):
        (tmp_path / "s.solverstate").write_bytes(data)
        read = solver_state.read(tmp_path / "s.solverstate")
        assert (read.iteration, read.step, read.position) == (3, 1, DataPosition(7, (3, 1)))
        assert read.histories[0].load().size == 3


@pytest.mark.parametrize("name", POSITIONS)
def test_a_position_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.solverstate"
    path.write_bytes(whole(POSITIONS[name]))
    with pytest.raises(WeightsError) as caught:
        solver_state.read(path)
    assert str(caught.value).startswith(f"{path}: is not a solver state: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [
        {"iter": np.array([np.inf])},
        {"iter": np.array([np.nan])},
        {"iter": np.array(3)},
        {"iter": None},
        {"current_step": np.array([], np.int32)},
        {"learned_net": (1 << 40,)},
        {"learned_net": None},
        {"learned_net": np.array(b"\xff\xfe")},
    ],
)
def test_hdf5_of_another_shape_is_one_line(tmp_path: Path, other: dict[str, Any]) -> None:
    path = tmp_path / "s.solverstate.h5"
    path.write_bytes(whole_hdf5(**other))
    with pytest.raises(WeightsError) as caught:
        solver_state.read(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_state_is_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.solverstate"
    content = bytearray(data.draw(st.sampled_from([whole(), whole_hdf5()])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.sampled_from([0, 1, 4]))] = data.draw(st.binary(max_size=4))
    path.write_bytes(content)
    try:
        for history in solver_state.read(path).histories:
            history.load()
    except CaffeFcnError as error:
        assert "\n" not in str(error)


@pytest.mark.caffe
@pytest.mark.parametrize("engine", ["caffe", "torch"])
def test_a_training_from_a_damaged_state_ends_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any], engine: str
) -> None:
    monkeypatch.chdir(tmp_path)
    decay.write(tmp_path)
    (tmp_path / "s.solverstate").write_bytes(whole(b"[" * 60_000))
    ran = cli("train", "solver.prototxt", "--engine", engine, "--snapshot", "s.solverstate", "--quiet")
    assert (ran.status, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert "s.solverstate: " in line
    assert not list(tmp_path.rglob("*_iter_*"))


def test_weights_whose_name_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(whole().replace(b"w.caffemodel", b"w\0caffemodel"))
    with pytest.raises(WeightsError, match="the name of its weights has a zero byte"):
        solver_state.read(tmp_path / "s")
