"""The snapshots of a killed training: which are whole, which one is the newest, which are removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import decay
import pytest
import trainings
from google.protobuf.message import DecodeError

from caffe_fcn.proto import NetParameter
from caffe_fcn.proto.schema import SolverState
from caffe_fcn.training.snapshots import find_newest, list_snapshots, prune


@pytest.fixture(params=["caffe", "torch"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prefix of snapshots after 5, 10, 15 and 20 iterations by an engine."""
    solver = decay.write(tmp_path, snapshot=5, snapshot_prefix="decay", random_seed=1)
    monkeypatch.chdir(tmp_path)
    if request.param == "caffe":
        trainings.caffe_train(request.getfixturevalue("caffe_bin"), solver)
    else:
        trainings.torch_train(solver)
    return tmp_path / "decay"


def files(prefix: Path) -> set[str]:
    return {path.name for path in prefix.parent.glob("decay_iter_*")}


def test_all_snapshots_are_listed(prefix: Path) -> None:
    assert [each.iteration for each in list_snapshots(prefix)] == [5, 10, 15, 20]
    newest = find_newest(prefix)
    assert newest and newest.state.name == "decay_iter_20.solverstate"
    assert newest.weights.name == "decay_iter_20.caffemodel"


@pytest.mark.parametrize("kind", ["caffemodel", "solverstate"])
def test_a_snapshot_that_is_cut_off_anywhere_is_not_whole(prefix: Path, kind: str) -> None:
    """By protobuf's own parser, and by the last field of a state that Caffe writes."""
    path = prefix.with_name(f"decay_iter_20.{kind}")
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        newest = find_newest(prefix)
        assert newest
        assert (newest.iteration == 20) == is_whole(kind, content[:size]), size
    path.unlink()
    newest = find_newest(prefix)
    assert newest and newest.iteration == 15


def is_whole(kind: str, content: bytes) -> bool:
    try:
        if kind == "solverstate":
            return bool(SolverState.FromString(content).HasField("current_step"))
        return any(layer.blobs for layer in NetParameter.FromString(content).layer)
    except DecodeError:
        return False


def test_the_newest_whole_ones_are_kept(prefix: Path) -> None:
    prefix.with_name("decay_iter_20.solverstate").write_bytes(b"")
    prefix.with_name("decay_iter_10.solverstate").unlink()
    shutil.copy(prefix.with_name("decay_iter_5.caffemodel"), prefix.with_name("other_iter_5.caffemodel"))
    prune(prefix, 1)
    assert files(prefix) == {  # what is newer than the newest whole one is being written, perhaps
        "decay_iter_15.caffemodel", "decay_iter_15.solverstate", "decay_iter_20.caffemodel",
        "decay_iter_20.solverstate",
    }  # fmt: skip
    assert prefix.with_name("other_iter_5.caffemodel").exists()


def test_where_there_is_no_training_there_is_no_snapshot(tmp_path: Path) -> None:
    assert find_newest(tmp_path / "none" / "train") is None
    prune(tmp_path / "none" / "train", 2)
