"""The net and the weights of net folders, runs, bundles, and jobs and archives of DIGITS."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_weights
from caffe_worker import CaffeWorker
from digits_layout import CLASSES, DATA_ID, MODEL_ID, list_downloads, make_data_job, make_model_job, write_archive
from google.protobuf import text_format

from caffe_fcn import weights
from caffe_fcn.description import model_json
from caffe_fcn.engines import load
from caffe_fcn.errors import CaffeFcnError, FileError
from caffe_fcn.interop.model_folders import open_model
from caffe_fcn.interop.place_names import is_model_place
from caffe_fcn.proto import NetParameter

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 } }
"""
MODEL: dict[str, Any] = {
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean_file": "mean.binaryproto"}],
    "outputs": [{"blob": "score", "kind": "scores"}],
}


def save(path: Path, value: float) -> Path:
    """A caffemodel all of whose numbers are ``value``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    net = text_format.Parse(NET, NetParameter())
    return saved_weights.save(path, net, {"score": [np.full((2, 3, 1, 1), value, np.float32)]})


def read_value(path: Path) -> float:
    return float(saved_weights.load(path)["score"][0].flat[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a deploy net."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/deploy.prototxt").write_text(NET)
    return tmp_path / "net"


@pytest.mark.parametrize("suffix", [".caffemodel", ".caffemodel.h5", ".npz", ".safetensors"])
def test_a_net_folder_has_one_weights_file_of_any_format(folder: Path, suffix: str, tmp_path: Path) -> None:
    weights.convert(save(tmp_path / "one.caffemodel", 1), folder / f"fcn{suffix}")
    (folder / "train.prototxt").write_text(NET)
    with open_model(folder) as model:
        assert (model.net, model.weights) == (folder / "deploy.prototxt", folder / f"fcn{suffix}")
        assert model.notes == ()


def test_the_place_is_relative_to_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder / "fcn.caffemodel", 1)
    monkeypatch.chdir(folder)
    with open_model(".") as model:
        assert model.weights.samefile(folder / "fcn.caffemodel")
    monkeypatch.chdir(folder.parent)
    with open_model("net") as model:
        assert str(model.weights) == "net/fcn.caffemodel"


def test_a_run_has_its_newest_snapshot_by_iteration(folder: Path) -> None:
    """Not by name, nor by time: 1000 is newer than 900, and 900 may have been copied here later."""
    save(folder / "start.caffemodel", 0)
    for iteration in (1000, 20, 900):
        save(folder / f"snapshot/train_iter_{iteration}.caffemodel", iteration)
        (folder / f"snapshot/train_iter_{iteration}.solverstate").write_bytes(b"\x08\x0a")
    with open_model(folder) as model:
        assert read_value(model.weights) == 1000
        assert model.notes == (f"the weights are {folder}/snapshot/train_iter_1000.caffemodel",)
    save(folder / "snapshot/chosen.caffemodel", 20)
    with open_model(folder) as model:
        assert read_value(model.weights) == 20


@pytest.mark.parametrize("left", [0, 1, 30, -1])
def test_half_a_snapshot_is_passed_over_with_a_note(folder: Path, left: int) -> None:
    whole = save(folder / "snapshot/train_iter_10.caffemodel", 10)
    half = folder / "snapshot/train_iter_20.caffemodel"
    half.write_bytes(whole.read_bytes()[:left])
    with open_model(folder) as model:
        assert model.weights == whole
        assert len(model.notes) == 2
        assert model.notes[0].startswith(str(half)) and model.notes[0].endswith("it is passed over")
    whole.unlink()
    with pytest.raises(FileError, match="has no whole snapshot"):
        open_model(folder).__enter__()


def test_a_damaged_snapshot_leaves_the_weights_beside_the_net(folder: Path) -> None:
    save(folder / "start.caffemodel", 0)
    (folder / "snapshot").mkdir()
    (folder / "snapshot/train_iter_1.caffemodel").write_bytes(b"")
    with open_model(folder) as model:
        assert model.weights == folder / "start.caffemodel"
        assert model.notes == (f"{folder}/snapshot/train_iter_1.caffemodel: is empty: it is passed over",)


def refuse(path: Path) -> str:
    with pytest.raises(FileError) as caught:
        open_model(path).__enter__()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    assert refuse(folder).startswith(f"{folder}: has no weights, neither beside deploy.prototxt nor in snapshot/")
    for name in ("b.caffemodel", "a.npz"):
        weights.convert(save(tmp_path / "one.caffemodel", 1), folder / name)
    assert refuse(folder).startswith(f"{folder}: has several weights files: a.npz, b.caffemodel (give `net` and ")
    (folder / "deploy.prototxt").unlink()
    assert "has no deploy.prototxt" in refuse(folder)
    (tmp_path / "deploy.prototxt").write_text(NET)
    assert f"has no deploy.prototxt (name {tmp_path.resolve()})" in refuse(folder)
    (folder / "dataset.json").write_text("{}")
    assert "is a data set, and has no net" in refuse(folder)
    assert refuse(tmp_path / "none") == f"{tmp_path}/none: no such file or directory (check the path)"
    (tmp_path / "net.tar.gz").write_bytes(b"not one")
    assert "is not an archive" in refuse(tmp_path / "net.tar.gz")


SUFFIXES = [".tar.gz", ".tgz", ".tar", ".zip"]


def make_bundle(folder: Path) -> dict[str, bytes]:
    """The files of a bundle by name."""
    save(folder / "deploy.caffemodel", 3)
    mean = weights.make_mean([1.0, 2.0, 3.0])
    weights.write_mean(folder / "mean.binaryproto", mean, (4, 4))
    (folder / "model.json").write_text(json.dumps(MODEL))
    (folder / "labels.txt").write_text("road\nsky\n")
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir())}


@pytest.mark.parametrize("inside", ["", "roads/"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_of_a_bundle(folder: Path, suffix: str, inside: str, tmp_path: Path) -> None:
    contents = make_bundle(folder)
    archive = write_archive(tmp_path / f"b{suffix}", {f"{inside}{name}": each for name, each in contents.items()})
    with open_model(archive) as model:
        assert {each.name: each.read_bytes() for each in model.net.parent.iterdir()} == contents
        assert read_value(model.weights) == 3
        assert model.name_place(f"{model.net}: what") == f"{archive}:deploy.prototxt: what"
    assert not model.net.parent.exists()


def test_a_bundle_that_is_a_folder_is_read_where_it_lies(folder: Path) -> None:
    make_bundle(folder)
    with open_model(folder) as model:
        assert model.net.parent == folder
        assert model.name_place(f"{model.net}: what") == f"{model.net}: what"


def link(name: str, target: str) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)

    return add


def file(name: str, content: bytes) -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))

    return add


UNSAFE = {
    "a link": (link("mean.binaryproto", "/etc/passwd"), "is a link or a device"),
    "a link away": (link("away", ".."), "is a link or a device"),
    "above": (file("../evil", b"x"), "leads outside"),
    "absolute": (file("/tmp/evil", b"x"), "leads outside"),
    "huge text": (file("labels.txt", bytes((1 << 28) + 1)), "has more than 268435456 bytes"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_an_archive_is_not_trusted(folder: Path, case: str, tmp_path: Path) -> None:
    add, what = UNSAFE[case]
    contents = make_bundle(folder)
    contents.pop("labels.txt")
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name, content in contents.items():
            file(name, content)(tar)
        add(tar)
    said = refuse(archive)
    assert said.startswith(str(archive)) and what in said


def test_errors_name_the_archive_not_the_folder_that_it_is_unpacked_into(folder: Path, tmp_path: Path) -> None:
    contents = make_bundle(folder)
    archive = write_archive(tmp_path / "bundle.zip", contents)
    with pytest.raises(CaffeFcnError) as caught, open_model(archive) as model:
        raise FileError(model.net.parent / "mean.binaryproto", "is wrong", f"correct {model.net}")
    assert str(caught.value) == f"{archive}:mean.binaryproto: is wrong (correct {archive}:deploy.prototxt)"
    del contents["deploy.caffemodel"]
    archive = write_archive(tmp_path / "bare.zip", contents)
    assert refuse(archive).startswith(f"{archive}: has no weights")


@pytest.fixture
def jobs(tmp_path: Path, caffe: CaffeWorker) -> Path:
    make_data_job(tmp_path / "jobs")
    make_model_job(tmp_path / "jobs", caffe)
    return tmp_path / "jobs"


@pytest.mark.parametrize("kind", ["folder", *SUFFIXES])
def test_a_job_of_digits_is_described_as_if_it_were_imported(jobs: Path, kind: str, tmp_path: Path) -> None:
    """A folder's weights stay where they are; nothing is written into it."""
    job, before = jobs / MODEL_ID, sorted((jobs / MODEL_ID).iterdir())
    place = job if kind == "folder" else write_archive(tmp_path / f"net{kind}", list_downloads(job, jobs / DATA_ID))
    with open_model(place) as model:
        described = model_json.read(model.net.parent)
        assert described is not None
        assert described.inputs[0].mean_file == "mean.binaryproto"
        assert described.outputs[0].classes == (None if kind == "folder" else CLASSES)
        assert (model.net.parent / "mean.binaryproto").read_bytes() == (
            jobs / DATA_ID / "train_db/mean.binaryproto"
        ).read_bytes()
        assert model.weights.read_bytes() == (job / "snapshot_iter_10.caffemodel").read_bytes()
        assert (model.weights == job / "snapshot_iter_10.caffemodel") == (kind == "folder")
        assert model.notes == ()
    assert sorted(job.iterdir()) == before


def test_an_unknown_mean_of_a_job_is_noted(jobs: Path) -> None:
    (jobs / DATA_ID).rename(jobs.parent / "elsewhere")
    with open_model(jobs / MODEL_ID) as model:
        (note,) = model.notes
        assert "mean that the net was trained with is unknown" in note


def test_a_field_that_nobody_knows_is_left_to_the_engine(jobs: Path) -> None:
    """In the net that was trained it does not matter; in the deploy net it is still there."""
    for name in ("train_val.prototxt", "deploy.prototxt"):
        text = (jobs / MODEL_ID / name).read_text()
        (jobs / MODEL_ID / name).write_text(text.replace('type: "ReLU"', 'type: "ReLU" own_param { x: 1 }'))
    with open_model(jobs / MODEL_ID) as model:
        assert "own_param" in model.net.read_text()
        with pytest.raises(CaffeFcnError, match="no field 'own_param'"):
            load(model.net, model.weights, engine="torch")


def test_a_damaged_snapshot_of_a_job_is_named(jobs: Path) -> None:
    (jobs / MODEL_ID / "snapshot_iter_10.caffemodel").write_bytes(b"")
    with pytest.raises(CaffeFcnError, match=r"snapshot_iter_10\.caffemodel: is empty"):
        open_model(jobs / MODEL_ID).__enter__()


def test_folders_and_archives_are_places_and_prototxts_are_not(folder: Path) -> None:
    assert is_model_place(folder)
    assert all(is_model_place(f"bundle{suffix}") for suffix in SUFFIXES)
    assert not is_model_place(folder / "deploy.prototxt")
    assert not is_model_place("-")
