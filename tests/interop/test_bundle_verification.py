"""`surgery verify BUNDLE RUN`: what differs is found, what is only folded, rounded or appended is not taken for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_worker import CaffeWorker
from command import Ran
from digits_layout import list_downloads, make_data_job, make_model_job, write_archive
from PIL import Image
from roads import make_run, pixels, write
from saved_weights import load, save

from caffe_fcn import proto
from caffe_fcn.description import model_json

Cli = Callable[..., Ran]
ENGINES = ["caffe", "torch"]


@pytest.fixture
def run(tmp_path: Path, caffe: CaffeWorker) -> Path:
    return make_run(tmp_path / "run", caffe)


def verify(cli: Cli, *arguments: object) -> dict:
    done = cli("surgery", "verify", *arguments, "--json")
    assert done.status in (0, 1), done.err
    document = json.loads(done.out)
    assert document["ok"] == (done.status == 0)
    return document


OPTIONS = {
    "nothing": {},
    "raw pixels": {"fold_mean": True, "fold_normalization": True, "argmax": True},
    "answers": {"softmax": True, "argmax": True},
    "half": {"half": "rounded", "softmax": True},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "options", [*list(OPTIONS)[:2], *(pytest.param(each, marks=pytest.mark.long) for each in list(OPTIONS)[2:])]
)
def test_what_is_delivered_computes_what_was_trained(
    options: str, engine: str, run: Path, tmp_path: Path, cli: Cli
) -> None:
    Image.fromarray(pixels((31, 26))).save(tmp_path / "photo.png")
    bundle = write(run, tmp_path / "bundle.tar.gz", **OPTIONS[options])
    found = verify(cli, bundle, run, "--engine", engine, "--image", tmp_path / "photo.png")
    assert found["ok"]
    assert found["images"] == 3
    differences = [each["difference"] for each in found["outputs"]]
    if options == "nothing":
        assert differences == [0]
    if options != "half":
        assert found["tolerance"] == 1e-4
        assert sum(each["other_classes"] for each in found["outputs"]) <= 1
    else:
        assert found["tolerance"] == 1e-2
        assert differences[0] > 1e-5


def test_float16_as_nvidia_stores_it_is_read_by_torch(run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / "bundle", half="stored")
    assert verify(cli, bundle, run, "--engine", "torch")["ok"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_mean_is_found(engine: str, run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / "bundle", fold_normalization=True)
    model = model_json.read(bundle)
    assert model is not None
    model.inputs[0].mean = [105.0, 116.5, 122.25]
    model.write(bundle)
    found = verify(cli, bundle, run, "--engine", engine)
    assert not found["ok"]
    assert found["outputs"][0]["difference"] > 1e-4
    assert {each["name"] for each in found["files"] if each["fault"]} == {"model.json"}


def test_a_changed_weight_is_found(run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / "bundle", argmax=True)
    net = proto.read_net(bundle / "deploy.prototxt")
    values = load(bundle / "snapshot_iter_40.caffemodel")
    values["score_fr"] = [-values["score_fr"][0], values["score_fr"][1]]
    save(bundle / "snapshot_iter_40.caffemodel", net, values)
    found = verify(cli, bundle, run, "--engine", "torch")
    assert not found["ok"]
    assert all(each["difference"] > 1e-2 and each["other_classes"] for each in found["outputs"])
    printed = cli("surgery", "verify", bundle, run, "--engine", "torch")
    assert printed.status == 1
    assert "snapshot_iter_40.caffemodel has another content" in printed.out
    assert "does not compute what the run computes" in printed.out


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
def test_checksums_alone(name: str, run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / name)
    whole = cli("surgery", "verify", bundle)
    assert (whole.status, whole.out) == (0, "all 6 files have their checksums\n")
    if bundle.is_dir():
        (bundle / "labels.txt").write_text("other\n")
        (bundle / "more.txt").write_text("more\n")
        (bundle / "mean.binaryproto").unlink()
        found = verify(cli, bundle)
        assert {each["name"]: each["fault"] for each in found["files"] if each["fault"]} == {
            "labels.txt": "has another content",
            "more.txt": "has no checksum",
            "mean.binaryproto": "is missing",
        }
    refused = cli("surgery", "verify", run)
    assert (refused.status, "has no checksums" in refused.err) == (2, True)


def test_the_snapshot_of_the_bundles_iteration_is_taken(run: Path, tmp_path: Path, cli: Cli) -> None:
    """The training went on since."""
    bundle = write(run, tmp_path / "bundle")
    snapshot = run / "snapshot/train_iter_40.caffemodel"
    values = {name: [array * 2 for array in arrays] for name, arrays in load(snapshot).items()}
    save(run / "snapshot/train_iter_80.caffemodel", proto.read_net(run / "deploy.prototxt"), values)
    done = cli("surgery", "verify", bundle, run, "--engine", "torch")
    assert (done.status, f"the weights are {snapshot}, of the bundle's iteration" in done.err) == (0, True)


def test_a_run_without_a_known_mean_is_given_one(run: Path, tmp_path: Path, cli: Cli) -> None:
    model = model_json.read(run)
    assert model is not None
    model.inputs[0].mean = None
    model.write(run)
    bundle = write(run, tmp_path / "bundle", mean=[1.0, 2.0, 3.0], fold_mean=True)
    assert verify(cli, bundle, run, "--engine", "torch", "--mean", "1,2,3")["ok"]
    assert not verify(cli, bundle, run, "--engine", "torch")["ok"]


def test_an_archive_of_digits_is_compared_without_checksums(tmp_path: Path, caffe: CaffeWorker, cli: Cli) -> None:
    jobs = tmp_path / "jobs"
    data, job = make_data_job(jobs), make_model_job(jobs, caffe)
    archive = write_archive(tmp_path / "net.tar.gz", list_downloads(job, data))
    bundle = tmp_path / "bundle"
    assert cli("export", "bundle", archive, "-o", bundle).status == 0
    assert verify(cli, bundle, archive, "--engine", "torch")["outputs"][0]["difference"] == 0
    done = cli("surgery", "verify", archive, bundle, "--engine", "torch")
    assert (done.status, "has no checksums" in done.err) == (0, True)


def test_what_cannot_be_compared_is_refused(run: Path, tmp_path: Path, cli: Cli) -> None:
    bundle = write(run, tmp_path / "bundle", argmax=True)
    model = model_json.read(run)
    assert model is not None
    shutil.copytree(run, tmp_path / "grey")
    model.outputs[0].kind = "grey"
    model.write(tmp_path / "grey")
    refused = cli("surgery", "verify", bundle, tmp_path / "grey", "--engine", "torch")
    assert (refused.status, "name the run that it was made of" in refused.err) == (2, True)
    values = {name: [np.zeros_like(each) for each in arrays] for name, arrays in load(_snapshot(run)).items()}
    save(_snapshot(run), proto.read_net(run / "deploy.prototxt"), values)
    refused = cli("surgery", "verify", bundle, run, "--engine", "torch")
    assert (refused.status, "proves nothing" in refused.err) == (2, True)
    refused = cli("surgery", "verify", bundle, run, bundle)
    assert (refused.status, "needs CLASSIFIER W FCN W2" in refused.err) == (2, True)


def _snapshot(run: Path) -> Path:
    return run / "snapshot/train_iter_40.caffemodel"
