"""``infer`` and ``evaluate`` of what brings its own weights: net folders, runs, bundles, jobs and archives of DIGITS.

The net is one 1x1 convolution, by which class 1 wins where blue is above its mean: its scores follow by arithmetic.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import saved_weights
from bright_pixels import MEAN, OUTPUTS, write_pairs
from caffe_worker import CaffeWorker
from command import Ran
from digits_layout import (
    CLASSES,
    DATA_ID,
    DEPLOY,
    MODEL_ID,
    list_downloads,
    make_data_job,
    make_model_job,
    read_mean_image,
    write_archive,
)
from google.protobuf import text_format
from PIL import Image

from caffe_fcn.proto import NetParameter
from caffe_fcn.weights.means import make_mean, write_mean

Cli = Callable[..., Ran]
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 bias_term: false } }
"""
MODEL: dict[str, Any] = {
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean_file": "mean.binaryproto"}],
    "outputs": OUTPUTS,
}
PLACES = ["net folder", "run", "bundle.tar.gz", "bundle.tgz", "bundle.tar", "bundle.zip"]


def save(path: Path, sign: float = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kernel = np.array([[0, 0, 0], [sign, 0, 0]], np.float32).reshape(2, 3, 1, 1)
    saved_weights.save(path, text_format.Parse(NET, NetParameter()), {"score": [kernel]})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All places with the same net, photos and their labels."""
    path = tmp_path_factory.mktemp("places")
    net = path / "net folder"
    save(net / "fcn.caffemodel")
    (net / "deploy.prototxt").write_text(NET)
    (net / "model.json").write_text(json.dumps(MODEL))
    write_mean(net / "mean.binaryproto", make_mean(MEAN), (8, 8))
    contents = {each.name: each.read_bytes() for each in net.iterdir()}
    for name in PLACES[2:]:
        write_archive(path / name, contents)
    run = shutil.copytree(net, path / "run")
    (run / "fcn.caffemodel").rename(run / "start.caffemodel")
    save(run / "snapshot/train_iter_9.caffemodel", sign=-1)
    save(run / "snapshot/train_iter_10.caffemodel")
    (run / "snapshot/train_iter_11.caffemodel").write_bytes(b"\x0a\x05half")
    write_pairs(path)
    return path


@pytest.mark.parametrize(("engine", "place"), [*(("torch", place) for place in PLACES), ("caffe", PLACES[2])])
def test_no_w_follows_a_folder_or_an_archive(
    cli: Cli, folder: Path, data: Path, engine: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caffe_bin: Path,
) -> None:  # fmt: skip
    """Mean, colours and names travel with the net, whatever folder is worked in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAFFE_BIN", str(caffe_bin))

    def run(*arguments: object) -> Ran:
        return cli(*arguments, "--engine", engine)

    done = run("infer", folder / place, folder / "photos/0.png", folder / "photos/2.png", "-o", "out")
    assert done.status == 0, done.err
    for name in ("0.png", "2.png"):
        expected = np.asarray(Image.open(folder / "labels" / name))
        with Image.open(tmp_path / "out" / name) as label:
            np.testing.assert_array_equal(np.asarray(label), expected)
            assert (label.getpalette() or [])[3:6] == [9, 200, 30]
        assert f"out/{name}: " in done.out and f"bright {expected.mean():.1%}" in done.out
    assert "assumed" not in done.err
    scored = run("evaluate", folder / place, "--data", data, "--json")
    assert scored.status == 0, scored.err
    found = json.loads(scored.out)
    assert (found["mean_iu"], [each["name"] for each in found["per_class"]]) == (1.0, ["dark", "bright"])
    assert "/tmp/caffe-fcn-" not in done.err + scored.err


def test_a_run_says_which_snapshot_it_took(cli: Cli, folder: Path, tmp_path: Path) -> None:
    done = cli("infer", folder / "run", folder / "photos/0.png", "-o", tmp_path, "--engine", "torch")
    assert f"note: {folder}/run/snapshot/train_iter_11.caffemodel" in done.err and "passed over" in done.err
    assert f"note: the weights are {folder}/run/snapshot/train_iter_10.caffemodel" in done.err


def test_options_overrule_what_a_bundle_says(cli: Cli, folder: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "colours").write_text("1 2 3 low\n4 5 6 high\n")
    options = ["--mean", "255", "--palette", tmp_path / "colours", "--engine", "torch"]
    done = cli("infer", folder / "bundle.zip", folder / "photos/0.png", "-o", tmp_path, *options)
    assert done.out == f"{tmp_path}/0.png: low 100.0%\n"
    assert (Image.open(tmp_path / "0.png").getpalette() or [])[:6] == [1, 2, 3, 4, 5, 6]
    scored = cli("evaluate", folder / "bundle.zip", "--data", data, "--mean", "255", "--json", "--engine", "torch")
    assert json.loads(scored.out)["per_class"][1]["accuracy"] == 0.0


BAD = {
    "a typo": (["infer", "bundel", "photos/0.png", "-o", "out"], "bundel: no such file or folder"),
    "no image": (["infer", "bundle.zip", "-o", "out"], "Missing argument 'IMAGE...'"),
    "no W": (["infer", "net folder/deploy.prototxt", "-o", "out"], "Missing argument 'W'"),
    "W after a folder": (
        ["infer", "run", "run/start.caffemodel", "photos/0.png", "-o", "out"],
        "run brings its own weights, and run/start.caffemodel follows: for other weights, name run/deploy.prototxt",
    ),
    "W after a bundle": (["evaluate", "bundle.zip", "x", "--data", "data"], "bundle.zip brings its own weights"),
    "no archive": (["infer", "none.tar.gz", "photos/0.png", "-o", "out"], "none.tar.gz: no such file"),
    "no net": (["infer", "photos", "photos/0.png", "-o", "out"], "photos: has no deploy.prototxt"),
    "several": (
        ["infer", "several", "photos/0.png", "-o", "out"],
        "several: has several weights files: a.caffemodel, b.caffemodel (give NET and W: deploy.prototxt and one of",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_places_are_one_line(
    cli: Cli, folder: Path, data: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    if not (folder / "several").exists():
        save(folder / "several/a.caffemodel")
        save(folder / "several/b.caffemodel")
        (folder / "several/deploy.prototxt").write_text(NET)
    arguments, what = BAD[case]
    ran = cli(*arguments, "--engine", "torch")
    assert (ran.status, ran.out) == (2, "")
    assert what in ran.err and ran.err.startswith("error: ") and len(ran.err.splitlines()) == 1
    assert not (folder / "out").exists()


@pytest.mark.parametrize("kind", ["job", "archive"])
def test_a_net_of_digits_runs_as_it_is(
    run: Cli, kind: str, caffe: CaffeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged by real Caffe on pixels minus DIGITS's mean image."""
    jobs = tmp_path / "jobs"
    data, job = make_data_job(jobs), make_model_job(jobs, caffe)
    place = job if kind == "job" else write_archive(tmp_path / "roads.tar.gz", list_downloads(job, data))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    mean = read_mean_image(jobs / DATA_ID)
    pixels = np.random.RandomState(0).randint(0, 256, (*mean.shape[1:], 3)).astype(np.uint8)
    Image.fromarray(pixels).save("photo.png")
    fed = pixels.transpose(2, 0, 1)[::-1].astype(np.float32) - mean
    expected = caffe.run(DEPLOY, {"data": fed[None]}, weights=jobs / MODEL_ID / "snapshot_iter_10.caffemodel")
    assert expected is not None
    done = run("infer", place, "photo.png", "-o", "out")
    assert done.status == 0, done.err
    np.testing.assert_array_equal(np.asarray(Image.open("out/photo.png")), expected["blob/score"][0].argmax(axis=0))
    assert (kind == "archive") == any(name in done.out for name in CLASSES)
    assert "assumed" not in done.err
    assert run("evaluate", place, "--data", data).status == 0


def test_commands_that_look_take_places_too(cli: Cli, folder: Path, tmp_path: Path) -> None:
    """Also the folder of a net that is not trained yet, of which there is only a prototxt."""
    expected = cli("net", "show", folder / "net folder/deploy.prototxt", "--json").out
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/deploy.prototxt").write_text(NET)
    for place in (folder / "run", folder / "bundle.tgz", tmp_path / "bare"):
        assert cli("net", "show", place, "--json").out == expected
    assert "bare: has no weights" in cli("weights", "info", tmp_path / "bare").err
    for place, name in (("run", "run/snapshot/train_iter_10.caffemodel"), ("bundle.zip", "bundle.zip:fcn.caffemodel")):
        shown = cli("weights", "info", folder / place, "--json")
        assert json.loads(shown.out)["file"] == str(folder / name)
        assert json.loads(shown.out)["params"] == 6


def test_infer_without_a_mean_gave_grey_255_to_255(cli: Cli, tmp_path: Path) -> None:
    """A net of grey values was trained on pixels minus 200: without that all of its answers are white."""
    net = NET.replace("dim: 3", "dim: 1").replace("num_output: 2", "num_output: 1").replace("bias_term: false", "")
    values = [np.ones((1, 1, 1, 1), np.float32), np.full(1, 128, np.float32)]
    pixels = np.random.default_rng(0).integers(150, 250, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    said = {}
    for name, mean in (("unknown", None), ("known", [200.0])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "deploy.prototxt").write_text(net)
        message = text_format.Parse(net, NetParameter())
        saved_weights.save(tmp_path / name / "net.caffemodel", message, {"score": values})
        inputs = [{"blob": "data", "channels": 1, "order": "grey", "mean": mean}]
        model = {"inputs": inputs, "outputs": [{"blob": "score", "kind": "grey"}]}
        (tmp_path / name / "model.json").write_text(json.dumps(model))
        command = ["infer", tmp_path / name, tmp_path / "photo.png", "-o", tmp_path / f"{name}_out"]
        said[name] = cli(*command, "--engine", "torch")
    assert "grey 255 to 255" in said["unknown"].out
    assert "nothing says which mean to subtract, 0 is assumed" in said["unknown"].err
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "known_out/photo.png")), pixels - 72)
    assert "assumed" not in said["known"].err


@pytest.mark.parametrize("blob", ["classes", ""])
def test_an_output_that_holds_classes_is_no_grey_image(
    cli: Cli, folder: Path, data: Path, blob: str, tmp_path: Path
) -> None:
    """As that of a bundle with --argmax; a net may have no other output."""
    argmax = 'layer { name: "best" type: "ArgMax" bottom: "score" top: "classes" argmax_param { axis: 1 } }'
    net = shutil.copytree(folder / "net folder", tmp_path / "net")
    (net / "deploy.prototxt").write_text(NET + argmax)
    outputs = [{**MODEL["outputs"][0], "blob": "classes", "kind": "classes"}]
    outputs += MODEL["outputs"] if blob else []
    (net / "model.json").write_text(json.dumps({**MODEL, "outputs": outputs[::-1]}))
    options = ["--engine", "torch", *(["--blob", blob] if blob else [])]
    done = cli("infer", net, folder / "photos/0.png", "-o", tmp_path, *options)
    assert "bright" in done.out
    expected = np.asarray(Image.open(folder / "labels/0.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "0.png")), expected)
    scored = cli("evaluate", net, "--data", data, "--json", *options)
    assert json.loads(scored.out)["mean_iu"] == 1.0
