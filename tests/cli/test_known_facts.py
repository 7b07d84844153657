"""What the files beside a net say is not asked for again: mean, scale, class names and colours, by both engines.

Each net is one 1x1 convolution without weights of its own, so that its scores follow from the pixels by arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bright_pixels import MEAN, OUTPUTS, write_pairs
from caffe_worker import PyCaffe
from command import Ran
from PIL import Image

from caffe_fcn.weights.means import make_mean, write_mean

Cli = Callable[..., Ran]
INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }'
READER = """
layer { name: "data" type: "Data" top: "data" data_param { source: "data/val_images" backend: LMDB batch_size: 1 }
  transform_param { mean_value: 100 mean_value: 120 mean_value: 140 scale: 0.5 } }
layer { name: "label" type: "Data" top: "label" data_param { source: "data/val_labels" backend: LMDB batch_size: 1 } }
"""
SCORE = """
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "constant" } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }'
MODEL: dict[str, Any] = {
    "version": 1,
    "inputs": [{"blob": "data", "channels": 3, "order": "BGR", "mean": MEAN, "scale": 0.5}],
    "outputs": OUTPUTS,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pycaffe: PyCaffe) -> Path:
    """A net folder: class 1 wins where blue is above its mean of 100; a data set, whose labels say so; a photo."""
    path = tmp_path_factory.mktemp("known")
    (path / "deploy.prototxt").write_text(INPUT + SCORE)
    (path / "val.prototxt").write_text(READER + SCORE + LOSS)
    (path / "model.json").write_text(json.dumps(MODEL))
    pycaffe(
        """
        net = caffe.Net('deploy.prototxt', caffe.TEST)
        net.params['score'][0].data[...] = np.array([[0, 0, 0], [1, 0, 0]]).reshape(2, 3, 1, 1)
        net.save('net.caffemodel')
        """,
        cwd=path,
    )
    write_pairs(path)
    return path


@pytest.mark.parametrize("net", ["val", "deploy"])
def test_the_same_weights_score_the_same_by_val_and_by_deploy(run: Cli, folder: Path, data: Path, net: str) -> None:
    """Without the mean every pixel above 0 is bright; with it all of the labels are met."""
    ran = run("evaluate", folder / f"{net}.prototxt", folder / "net.caffemodel", "--data", data, "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["mean_iu"] == 1.0
    assert [each["name"] for each in found["per_class"]] == ["dark", "bright"]
    assert "assumed" not in ran.err


def test_infer_subtracts_the_mean_and_shows_names_and_colours(run: Cli, folder: Path, tmp_path: Path) -> None:
    ran = run("infer", folder / "deploy.prototxt", folder / "net.caffemodel", folder / "photos/0.png", "-o", tmp_path)
    assert ran.status == 0, ran.err
    label = Image.open(tmp_path / "0.png")
    expected = np.asarray(Image.open(folder / "labels/0.png"))
    np.testing.assert_array_equal(np.asarray(label), expected)
    assert label.getpalette()[3:6] == [9, 200, 30]  # type: ignore[index]
    assert f"bright {expected.mean():.1%}" in ran.out
    assert "assumed" not in ran.err


def bare(folder: Path, to: Path, net: str = "deploy", model: Any = None) -> list[Path]:
    """The net and its weights in a folder that says nothing, or what ``model`` says."""
    (to / "net.prototxt").write_text((folder / f"{net}.prototxt").read_text())
    if model is not None:
        (to / "model.json").write_text(json.dumps(model))
    return [to / "net.prototxt", folder / "net.caffemodel"]


def test_a_mean_that_nothing_says_is_assumed_and_said(run: Cli, folder: Path, data: Path, tmp_path: Path) -> None:
    net = bare(folder, tmp_path)
    ran = run("infer", *net, folder / "photos/0.png", "-o", tmp_path / "out")
    assert f"{net[0]}: nothing says which mean to subtract, 0 is assumed (give a --mean)" in ran.err
    assert "assumed" in run("evaluate", *net, "--data", data).err
    assert "assumed" not in run("infer", *net, folder / "photos/0.png", "-o", tmp_path / "out", "--mean", "0").err


def test_the_data_layer_is_asked_where_no_description_is(run: Cli, folder: Path, data: Path, tmp_path: Path) -> None:
    ran = run("evaluate", *bare(folder, tmp_path, "val"), "--data", data, "--json")
    assert json.loads(ran.out)["mean_iu"] == 1.0
    assert "assumed" not in ran.err


def test_an_option_overrules_the_description_and_the_description_the_data_layer(
    run: Cli, folder: Path, data: Path, tmp_path: Path
) -> None:
    wrong = {**MODEL, "inputs": [{**MODEL["inputs"][0], "mean": [255.0]}]}  # by which no pixel is bright
    net = bare(folder, tmp_path, "val", wrong)
    first = json.loads(run("evaluate", *net, "--data", data, "--json").out)
    assert first["per_class"][1]["accuracy"] == 0.0
    second = json.loads(run("evaluate", *net, "--data", data, "--json", "--mean", "100,120,140").out)
    assert second["mean_iu"] == 1.0


@pytest.mark.parametrize("suffix", ["binaryproto", "npy"])
@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_a_file_of_a_mean(run: Cli, folder: Path, tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    """An image of the photo's size is subtracted pixel by pixel; of another one, its averages are."""
    file = tmp_path / f"mean.{suffix}"
    write_mean(file, make_mean(MEAN), size)
    photo = folder / "photos/1.png"
    assert run("infer", *bare(folder, tmp_path), photo, "-o", tmp_path / "out", "--mean", file).status == 0
    expected = np.asarray(Image.open(folder / "labels/1.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/1.png")), expected)


def test_a_mean_image_differs_from_place_to_place(run: Cli, folder: Path, tmp_path: Path) -> None:
    mean = np.zeros((3, 8, 8), np.float32)
    mean[0, :, 4:] = 255
    write_mean(tmp_path / "mean.npy", mean)
    model = {**MODEL, "inputs": [{**MODEL["inputs"][0], "mean": None, "mean_file": "mean.npy"}]}
    net = bare(folder, tmp_path, model=model)
    assert run("infer", *net, folder / "photos/2.png", "-o", tmp_path / "out").status == 0
    found = np.asarray(Image.open(tmp_path / "out/2.png"))
    blue = np.asarray(Image.open(folder / "photos/2.png"))[..., 2]
    np.testing.assert_array_equal(found[:, :4], blue[:, :4] > 0)
    assert not found[:, 4:].any()


def test_channels_in_another_order(run: Cli, folder: Path, tmp_path: Path) -> None:
    """A net whose first channel is red is given red, and the mean in its own order."""
    model = {**MODEL, "inputs": [{**MODEL["inputs"][0], "order": "RGB"}]}
    net = bare(folder, tmp_path, model=model)
    assert run("infer", *net, folder / "photos/0.png", "-o", tmp_path / "out").status == 0
    red = np.asarray(Image.open(folder / "photos/0.png"))[..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/0.png")), red > MEAN[0])


def test_classes_in_another_order_are_noted(cli: Cli, folder: Path, data: Path, tmp_path: Path) -> None:
    model = {**MODEL, "outputs": [{**MODEL["outputs"][0], "classes": ["bright", "dark"]}]}
    ran = cli("evaluate", *bare(folder, tmp_path, model=model), "--data", data, "--engine", "torch")
    assert "class 0 is 'bright' to the net and 'dark' in the data set" in ran.err


BAD = {
    "no such file": (["--mean", "none.npy"], "none.npy: no such file"),
    "not a mean": (["--mean", "net.prototxt"], "net.prototxt, byte 0"),
    "a word": (["--mean", "grey"], "'grey' is neither a list of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_mean_is_one_line(
    cli: Cli, folder: Path, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more, what = BAD[case]
    net = bare(folder, tmp_path)
    ran = cli("infer", *net, folder / "photos/0.png", "-o", "out", *more, "--engine", "torch")
    assert (ran.status, ran.out) == (2, "")
    assert what in ran.err and ran.err.startswith("error: ") and len(ran.err.splitlines()) == 1
    assert not Path("out").exists()


def test_a_damaged_description_is_one_line(cli: Cli, folder: Path, data: Path, tmp_path: Path) -> None:
    net = bare(folder, tmp_path, model={"inputs": []})
    for command in (
        ["infer", *net, folder / "photos/0.png", "-o", tmp_path / "out"],
        ["evaluate", *net, "--data", data],
    ):
        ran = cli(*command, "--engine", "torch")
        assert ran.status == 2 and "model.json: is not a description of a net" in ran.err
        assert len(ran.err.splitlines()) == 1
